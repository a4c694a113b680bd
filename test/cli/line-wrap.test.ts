/** Lines broken at a width: the same however the text comes in pieces, and nothing of it is lost. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { displayWidth, LineWrap } from "../../src/cli/line-wrap.ts";
import { mulberry32 } from "../random.ts";

const SEED = 5;
const test = suite(`line wrap (seed ${SEED})`);

function wrapped(pieces: Iterable<string>, width: number | undefined): string {
  let written = "";
  const lines = new LineWrap(
    () => width,
    (text) => (written += text),
  );
  for (const piece of pieces) lines.push(piece);
  lines.end();
  return written;
}

for (const [text, width, expected] of [
  ["one two three", 8, "one two\nthree"],
  ["one two three", 7, "one two\nthree"],
  ["one two  three  ", 8, "one two\nthree  "],
  ["a\n\n  b c d", 4, "a\n\n  b\n  c\n  d"],
  ["- one two three", 10, "- one two\n  three"],
  ["12. one two three", 11, "12. one two\n    three"],
  ["extraordinary thing", 5, "extraordinary\nthing"],
  ["日本語のテキスト", 6, "日本語\nのテキ\nスト"],
  ["日本。本", 4, "日\n本。\n本"],
  ["e\u0301 e\u0301 e\u0301", 3, "e\u0301 e\u0301\ne\u0301"],
  ["👩‍💻 👩‍💻 a", 5, "👩‍💻 👩‍💻\na"],
  ["a b\n```js\nlet x = 1 + 2 + 3;\n```\none two", 5, "a b\n```js\nlet x = 1 + 2 + 3;\n```\none\ntwo"],
  ["one two three", undefined, "one two three"],
  ["", 5, ""],
] as const) {
  test(`${JSON.stringify(text)} in ${width} columns`, () => {
    assert.is(wrapped([text], width), expected);
    assert.is(wrapped(text.match(/.\p{M}?|\n/gsu) ?? [], width), expected);
  });
}

test("random texts: no line is too wide, and words keep their order", () => {
  const next = mulberry32(SEED);
  for (let round = 0; round < 50; round++) {
    const words = Array.from({ length: 30 }, () => "abcdefgh".slice(0, 1 + Math.floor(next() * 8)));
    const text = words.join(" ");
    const width = 8 + Math.floor(next() * 30);
    const lines = wrapped(text.match(/.{1,5}/g)!, width).split("\n");
    assert.ok(lines.every((line) => displayWidth(line) <= width), `${width}: ${lines.join("|")}`); // prettier-ignore
    assert.equal(lines.join(" ").split(" "), words);
  }
});

test.run();
