/** A call of a function, as a generation gives it. */
import { parsed } from "./json-call.ts";
import type { AnswerPart } from "./answer-parser.ts";

/** A call of a function that a model wrote. */
export interface ToolCall {
  /** Names the call: its result is a message `{ role: "tool", tool_call_id: id, content }`. */
  readonly id: string;
  /** Name of the function. */
  readonly name: string;
  /** As data; undefined where the model wrote no JSON. A schema holds for them where it was asked to. */
  readonly arguments: unknown;
  /** What the model wrote, marks included; of a list of calls, all of it for each of them. */
  readonly text: string;
}

export function toolCall(call: Extract<AnswerPart, { kind: "call" }>, id: string): ToolCall {
  return { id, name: call.name, arguments: parsed(call.arguments), text: call.text };
}
