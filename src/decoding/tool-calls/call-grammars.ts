/**
 * Answers in which calls are held to functions, as grammars: the words of a model's format, the parameters of
 * the functions.
 */
import { BRACE, freeText, type Unread } from "../grammar/free-text.ts";
import { choiceOf, type Grammar, regularOf, repeatOf, sequenceOf, specialToken, textOf } from "../grammar/grammar.ts";
import { oneOf, repeat } from "../grammar/regular/regular.ts";
import { GEMMA_MARKS } from "./gemma-calls.ts";
import { CALL_ID_CHARACTERS, CALL_ID_LENGTH } from "./mistral-calls.ts";

/** Names of functions that formats without quotes around them can write. */
export const UNQUOTED_NAME = /^[^\s[\]{}]+$/;

/** A function that may be called. */
export interface CallableFunction {
  readonly name: string;
  /** Its arguments, as the format writes them. */
  readonly arguments: Grammar;
}

/** What a model thinks stands between marks; whether the prompt has begun it. */
export type Thoughts = Unread & { readonly isOpen: boolean };

export interface CallGrammars {
  /**
   * Answers that are calls and nothing else.
   * @param several whether there may be more than one
   */
  forced(functions: readonly CallableFunction[], several: boolean): Grammar;
  /** Answers that are any text with calls in it, or none. @param several as above */
  inText(functions: readonly CallableFunction[], several: boolean, thoughts: Thoughts | undefined): Grammar;
}

/** A function's name and arguments as one JSON object, as templates write it. */
function jsonCall(
  { name, arguments: given }: CallableFunction,
  field: "arguments" | "parameters",
  ...rest: readonly Grammar[]
): Grammar {
  return sequenceOf(textOf(`{"name": ${JSON.stringify(name)}, "${field}": `), given, ...rest, textOf("}"));
}

function listOf(call: Grammar, several: boolean, between: string): Grammar {
  return several ? sequenceOf(call, repeatOf(sequenceOf(textOf(between), call), 0)) : call;
}

/** A mark is a special token of most vocabularies, and text in others. */
export const mark = (text: string): Grammar => choiceOf(specialToken(text), textOf(text));

/**
 * Calls that begin with a mark.
 *
 * @param behind what follows the mark
 * @param between what stands between two calls; undefined where all calls are behind one mark
 */
export function markedCalls(
  open: string,
  behind: (functions: readonly CallableFunction[], several: boolean) => Grammar,
  between: string | undefined,
): CallGrammars {
  return {
    forced(functions, several) {
      const calls = sequenceOf(mark(open), behind(functions, several));
      return between === undefined ? calls : listOf(calls, several, between);
    },
    inText(functions, several, thoughts) {
      const calls = behind(functions, several);
      const first = freeText(open, thoughts, thoughts?.isOpen ?? false);
      const later = freeText(open, thoughts, false);
      const more = several ? [repeatOf(sequenceOf(later.untilMark, calls), 0)] : [];
      return choiceOf(first.withoutMark, sequenceOf(first.untilMark, calls, ...more, later.withoutMark));
    },
  };
}

export const hermesGrammars = markedCalls(
  "<tool_call>",
  (functions) =>
    sequenceOf(textOf("\n"), choiceOf(...functions.map((one) => jsonCall(one, "arguments"))), textOf("\n"), mark("</tool_call>")),
  "\n",
);

const llamaCall: CallGrammars["forced"] = (functions) => choiceOf(...functions.map((one) => jsonCall(one, "parameters")));

/** One call, since it is the whole answer; and an answer that begins with a brace is one. */
export const llamaGrammars: CallGrammars = {
  forced: llamaCall,
  inText: (functions, several) => choiceOf(BRACE.otherText, sequenceOf(BRACE.before, llamaCall(functions, several))),
};

/** @param template says which of Mistral's ways it is, and whether calls are named */
export function mistralGrammars(template: string): CallGrammars {
  const callId = regularOf(repeat(oneOf(CALL_ID_CHARACTERS), CALL_ID_LENGTH, CALL_ID_LENGTH));
  const open = "[TOOL_CALLS]";
  if (!template.includes("[ARGS]") && !template.includes("[CALL_ID]")) {
    const begin = textOf(template.includes(`${open} [`) ? " [" : "[");
    const id = sequenceOf(textOf(', "id": "'), callId, textOf('"'));
    const list: CallGrammars["forced"] = (functions, several) =>
      sequenceOf(begin, listOf(choiceOf(...functions.map((one) => jsonCall(one, "arguments", id))), several, ", "), textOf("]"));
    return markedCalls(open, list, undefined);
  }
  const id = template.includes("[CALL_ID]") ? [mark("[CALL_ID]"), callId] : [];
  const before = template.includes("[ARGS]") ? [mark("[ARGS]")] : [];
  const call: CallGrammars["forced"] = (functions) =>
    choiceOf(...functions.map(({ name, arguments: given }) => sequenceOf(textOf(name), ...id, ...before, given)));
  return markedCalls(open, call, "");
}

export const gemmaGrammars = markedCalls(
  GEMMA_MARKS[0],
  (functions) => {
    const calls = functions.map(({ name, arguments: given }) => sequenceOf(textOf(`call:${name}`), given));
    return sequenceOf(choiceOf(...calls), mark(GEMMA_MARKS[1]));
  },
  "",
);
