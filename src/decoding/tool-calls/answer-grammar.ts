/** What an answer in a conversation is held to: its form, calls that have to be, thoughts before either. */
import { choiceOf, type Grammar, regularOf, sequenceOf, textOf, upTo } from "../grammar/grammar.ts";
import { repeat, oneOf } from "../grammar/regular/regular.ts";
import { jsonSchemaGrammar } from "../grammar/response-format.ts";
import { OptionError } from "../../errors.ts";
import type { AnswerParsing } from "./answer-parsing.ts";
import type { AskedCalls, OfferedFunction } from "./asked-calls.ts";
import type { CallableFunction } from "./forced-calls.ts";

const NO_PARAMETERS = { type: "object", properties: {}, additionalProperties: false };

/**
 * @param form of an answer that is no call; undefined for any
 * @param asked undefined where no function may be called
 * @param prompt what the model was shown, or its end
 * @returns undefined for an answer that may be any text
 * @throws OptionError for what answers cannot be held to
 */
export function answerGrammar(
  form: Grammar | undefined,
  asked: AskedCalls | undefined,
  { calls, thoughts }: Pick<AnswerParsing, "calls" | "thoughts">,
  prompt: string,
): Grammar | undefined {
  const functions = asked && (asked.forced ?? (form && asked.functions));
  if (!functions) return form && behindThoughts(form, thoughts(prompt));
  if (!calls?.forced) {
    throw new OptionError('tool_choice: got calls that have to be, need "auto" or "none": this model\'s calls are not JSON');
  }
  const forced = calls.forced(functions.map(callable), asked.several);
  return behindThoughts(form && !asked.forced ? choiceOf(form, forced) : forced, thoughts(prompt));
}

function callable({ name, parameters, where }: OfferedFunction): CallableFunction {
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
