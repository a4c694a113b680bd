/** What an answer in a conversation is held to: its form, calls that have to be, thoughts before either. */
import { OptionError } from "../../errors.ts";
import { describe, isJsonObject } from "../../json-object.ts";
import { shown } from "../../need.ts";
import { choiceOf, type Grammar, regularOf, sequenceOf, textOf, upTo } from "../grammar/grammar.ts";
import { repeat, oneOf } from "../grammar/regular/regular.ts";
import { jsonSchemaGrammar, schemaText } from "../grammar/response-format.ts";
import type { AnswerParsing } from "./answer-parsing.ts";
import type { AskedCalls, OfferedFunction } from "./asked-calls.ts";
import type { CallableFunction } from "./call-grammars.ts";
import type { CallFormat } from "./call-formats.ts";

/** OpenAI's are shorter. */
const MOST_NAME = 256;
const NO_PARAMETERS = { type: "object", properties: {}, additionalProperties: false };

/** Grammars of calls by what they are made of: a conversation asks for the same with each of its turns. */
const MOST_KNOWN = 32;
const known = new WeakMap<CallFormat, Map<string, Grammar>>();

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
  const around = thoughts(prompt);
  if (!asked || !calls) return form && behindThoughts(form, around);
  const { functions, forced, several } = asked;
  // What is neither strict nor limited to one call may be any text, as may what it calls.
  if (!forced && !form && several && !functions.some(({ isStrict }) => isStrict)) return undefined;
  const callables = (held: readonly OfferedFunction[], all: boolean): CallableFunction[] =>
    held.map((one) => callable(one, all || one.isStrict, calls));
  if (!forced && !form)
    return remembered(calls, [functions, several, around], () =>
      calls.grammars.inText(callables(functions, false), several, around),
    );
  const held = forced ?? functions;
  const made = (thinks: boolean) => {
    const grammar = calls.grammars.forced(callables(held, true), several);
    return thinks ? behindThoughts(grammar, around) : grammar;
  };
  if (!form || forced) return remembered(calls, ["forced", held, several, around], () => made(true));
  return behindThoughts(
    choiceOf(
      form,
      remembered(calls, ["forced", held, several], () => made(false)),
    ),
    around,
  );
}

/** @param isHeld whether its arguments are held to its schema; otherwise they are any object */
function callable(
  { name, parameters, where }: OfferedFunction,
  isHeld: boolean,
  { notation, names }: CallFormat,
): CallableFunction {
  if (name.length > MOST_NAME || names?.test(name) === false)
    throw new OptionError(
      `${where}.name: got ${shown(name)}, need one of at most ${MOST_NAME} characters${names ? " without spaces and brackets" : ""}`,
    );
  if (!isHeld) return { name, arguments: notation.object };
  const place = `${where}.parameters`;
  const given = parameters ?? NO_PARAMETERS;
  if (!isJsonObject(given)) throw new OptionError(`${place}: got ${describe(given)}, need a JSON schema of an object`);
  if (given["type"] !== undefined && given["type"] !== "object")
    throw new OptionError(`${place}.type: got ${describe(given["type"])}, need "object"`);
  return { name, arguments: jsonSchemaGrammar({ type: "object", ...given }, place, notation) };
}

function remembered(calls: CallFormat, of: readonly unknown[], make: () => Grammar): Grammar {
  let grammars = known.get(calls);
  if (!grammars) known.set(calls, (grammars = new Map<string, Grammar>()));
  const key = schemaText(of, "tools");
  const grammar = grammars.get(key) ?? make();
  grammars.delete(key);
  grammars.set(key, grammar);
  if (grammars.size > MOST_KNOWN) grammars.delete(grammars.keys().next().value!);
  return grammar;
}

/** White space that models put behind their thoughts. */
const LINES = regularOf(repeat(oneOf("\n "), 0, 4));

/** A model thinks first where the prompt has begun its thoughts, and may where it can. */
function behindThoughts(grammar: Grammar, thoughts: ReturnType<AnswerParsing["thoughts"]>): Grammar {
  if (!thoughts) return grammar;
  const thinking = sequenceOf(upTo(thoughts.close), LINES, grammar);
  return thoughts.isOpen ? thinking : choiceOf(sequenceOf(textOf(thoughts.open), thinking), grammar);
}
