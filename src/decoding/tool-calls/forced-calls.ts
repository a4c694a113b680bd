/** Calls that a model has to make, as grammars: the words of its format, the parameters of the functions. */
import { choiceOf, type Grammar, repeatOf, sequenceOf, specialToken, textOf } from "../grammar/grammar.ts";

/** A function that may be called. */
export interface CallableFunction {
  readonly name: string;
  /** Its arguments, as JSON. */
  readonly arguments: Grammar;
}

/**
 * Answers that are calls and nothing else.
 * @param several whether there may be more than one
 */
export type ForcedCalls = (functions: readonly CallableFunction[], several: boolean) => Grammar;

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

export const hermesForced: ForcedCalls = (functions, several) => {
  const call = choiceOf(...functions.map((one) => jsonCall(one, "arguments")));
  return listOf(sequenceOf(textOf("<tool_call>\n"), call, textOf("\n</tool_call>")), several, "\n");
};

/** One, since it is the whole answer. */
export const llamaForced: ForcedCalls = (functions) => choiceOf(...functions.map((one) => jsonCall(one, "parameters")));

/** A mark is a special token of most vocabularies, and text in others. */
const mark = (text: string): Grammar => choiceOf(specialToken(text), textOf(text));

/** @param template says which of Mistral's ways it is, and whether calls are named */
export function mistralForced(template: string, callId: Grammar): ForcedCalls {
  if (!template.includes("[ARGS]") && !template.includes("[CALL_ID]")) {
    return (functions, several) => {
      const id = sequenceOf(textOf(', "id": "'), callId, textOf('"'));
      const call = choiceOf(...functions.map((one) => jsonCall(one, "arguments", id)));
      return sequenceOf(mark("[TOOL_CALLS]"), textOf(" ["), listOf(call, several, ", "), textOf("]"));
    };
  }
  const id = template.includes("[CALL_ID]") ? [mark("[CALL_ID]"), callId] : [];
  const before = template.includes("[ARGS]") ? [mark("[ARGS]")] : [];
  return (functions, several) => {
    const calls = functions.map(({ name, arguments: given }) =>
      sequenceOf(mark("[TOOL_CALLS]"), textOf(name), ...id, ...before, given),
    );
    return several ? repeatOf(choiceOf(...calls), 1) : choiceOf(...calls);
  };
}
