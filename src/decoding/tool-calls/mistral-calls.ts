/**
 * Calls as Mistral's templates write them, behind a mark and without one at their end:
 *
 *   to version 3    [TOOL_CALLS][{"name": "f", "arguments": {...}, "id": "9 characters"}, ...]
 *   from version 7  [TOOL_CALLS]f[CALL_ID]9 characters[ARGS]{...}, [CALL_ID] and [ARGS] not in all of them
 */
import type { FoundCall, Section } from "./answer-parser.ts";
import { callOf, jsonEnd, parsed } from "./json-call.ts";

/** These are special tokens, which are no text otherwise. */
export const MISTRAL_MARKS = ["[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"] as const;

const LIST = /^\s*(?=\[)/;
const HEAD = /^\s*([^\s[\]{}]+)(?:\[CALL_ID\][^\s[\]{}]*)?(?:\[ARGS\])?\s*(?=\{)/;

export const mistralCalls: Section = {
  open: MISTRAL_MARKS[0],
  close(held) {
    const before = LIST.exec(held) ?? HEAD.exec(held);
    const at = before ? jsonEnd(held, before[0].length) : undefined;
    return at === undefined ? undefined : { at, behind: at };
  },
  read(inner): FoundCall[] | undefined {
    if (LIST.test(inner)) {
      const list = parsed(inner);
      const calls = Array.isArray(list) ? list.map((call: unknown) => callOf(call, "arguments")) : [];
      return calls.length > 0 && calls.every((call) => call !== undefined) ? calls : undefined;
    }
    const head = HEAD.exec(inner);
    const call = head && callOf({ name: head[1], arguments: parsed(inner.slice(head[0].length)) }, "arguments");
    return call && parsed(call.arguments) !== undefined ? [call] : undefined;
  },
};

/** The template takes no other name for a call. */
export const CALL_ID_LENGTH = 9;
export const CALL_ID_CHARACTERS = "0123456789abcdef";

export function mistralCallId(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, CALL_ID_LENGTH);
}
