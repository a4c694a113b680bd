/** What an answer in a conversation is held to: its form, calls that have to be, thoughts before either. */
import { choiceOf, type Grammar, regularOf, sequenceOf, textOf, upTo } from "../../decoding/grammar/grammar.ts";
import { repeat, oneOf } from "../../decoding/grammar/regular/regular.ts";
import { jsonSchemaGrammar } from "../../decoding/grammar/response-format.ts";
import { OptionError } from "../../errors.ts";
import type { ChatRequest } from "../requests/chat-request.ts";
import type { AnswerParsing } from "../../decoding/tool-calls/answer-parsing.ts";
import type { CallableFunction } from "../../decoding/tool-calls/forced-calls.ts";
import { answerForm } from "./answer-form.ts";

type Tools = NonNullable<ChatRequest["tools"]>;

/** What a request says of the form of its answer, and of calls. */
export type AskedForm = Pick<
  ChatRequest,
  "response_format" | "grammar" | "json_schema" | "ignore_eos" | "tool_choice" | "parallel_tool_calls"
>;

const NO_PARAMETERS = { type: "object", properties: {}, additionalProperties: false };

/**
 * @param tools that are offered
 * @param schemaField what the request calls the schema of the answer
 * @returns undefined for an answer that may be any text
 * @throws OptionError for what answers cannot be held to
 */
export function answerGrammar(
  body: AskedForm,
  tools: Tools | undefined,
  { calls, thoughts }: Pick<AnswerParsing, "calls" | "thoughts">,
  prompt: string,
  schemaField?: string,
): Grammar | undefined {
  const form = answerForm(body, schemaField);
  const functions = tools && functionsAsked(body.tool_choice, tools, form !== undefined);
  if (!functions) return form && behindThoughts(form, thoughts(prompt));
  if (!calls?.forced) {
    throw new OptionError('tool_choice: got calls that have to be, need "auto" or "none": this model\'s calls are not JSON');
  }
  const several = body.parallel_tool_calls !== false;
  const forced = calls.forced(functions.map((index) => callable(tools[index]!, index)), several); // prettier-ignore
  const isForced = isForcing(body.tool_choice);
  return behindThoughts(form && !isForced ? choiceOf(form, forced) : forced, thoughts(prompt));
}

type ToolChoice = ChatRequest["tool_choice"];

const isForcing = (choice: ToolChoice): boolean => choice === "required" || typeof choice === "object";

/** Places of the functions that have to be called, or may be in place of the form; undefined for neither. */
function functionsAsked(choice: ToolChoice, tools: Tools, hasForm: boolean): number[] | undefined {
  if (!isForcing(choice) && !hasForm) return undefined;
  const all = [...tools.keys()];
  if (typeof choice !== "object" || choice === null) return all;
  const { name } = choice.function;
  const named = all.filter((index) => tools[index]!.function.name === name);
  if (named.length > 0) return named;
  throw new OptionError(`tool_choice.function.name: got ${JSON.stringify(name)}, need the name of one of tools`);
}

function callable({ function: { name, parameters } }: Tools[number], index: number): CallableFunction {
  const where = `tools.${index}.function.parameters`;
  return { name, arguments: jsonSchemaGrammar(parameters ?? NO_PARAMETERS, where) };
}

/** White space that models put behind their thoughts. */
const LINES = regularOf(repeat(oneOf("\n "), 0, 4));

/** A model thinks first where the prompt has begun its thoughts, and may where it can. */
function behindThoughts(grammar: Grammar, thoughts: ReturnType<AnswerParsing["thoughts"]>): Grammar {
  if (!thoughts) return grammar;
  const thinking = sequenceOf(upTo(thoughts.close), LINES, grammar);
  return thoughts.isOpen ? thinking : choiceOf(sequenceOf(textOf(thoughts.open), thinking), grammar);
}
