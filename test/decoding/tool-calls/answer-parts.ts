/** The parts of an answer that comes cut at random. */
import type { AnswerParser, AnswerPart } from "../../../src/decoding/tool-calls/answer-parser.ts";

/** Neighbours of one kind are joined. */
export function partsOf(parser: AnswerParser, answer: string, random: () => number): AnswerPart[] {
  const parts: AnswerPart[] = [];
  for (let at = 0; at < answer.length;) {
    const end = at + 1 + Math.floor(random() * 6);
    parts.push(...parser.push(answer.slice(at, end)));
    at = end;
  }
  parts.push(...parser.flush());
  const joined: AnswerPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (last === undefined || part.kind === "call" || last.kind !== part.kind) joined.push(part);
    else joined[joined.length - 1] = { kind: part.kind, text: last.text + part.text };
  }
  return joined;
}
