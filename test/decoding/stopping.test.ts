import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limitReached, StopStrings } from "../../src/decoding/stopping.ts";
import { OptionError } from "../../src/errors.ts";
import { mulberry32 } from "../random.ts";

const test = suite("stopping (seed 21)");

/**
 * Character by character, by the definition: the first end of any stop string; of those that end there, the
 * longest.
 */
function naive(text: string, stops: readonly string[]): { text: string; found: string | undefined } {
  for (let end = 1; end <= text.length; end++) {
    const here = stops.filter((stop) => text.slice(0, end).endsWith(stop)).toSorted((a, b) => b.length - a.length);
    if (here.length > 0) return { text: text.slice(0, end - here[0]!.length), found: here[0] };
  }
  return { text, found: undefined };
}

function stream(pieces: readonly string[], stops: readonly string[]) {
  const strings = new StopStrings(stops);
  const out = pieces.map((piece) => strings.push(piece));
  const flushed = strings.flush();
  return { text: out.join("") + flushed, found: strings.found, out, flushed };
}

test("any text over a small alphabet, any stop strings, any split: what comes out is what the definition says", () => {
  const random = mulberry32(21);
  const below = (n: number) => Math.floor(random() * n);
  const word = (length: number) => Array.from({ length }, () => "ab😀"[below(2)] ?? "").join("") + (random() < 0.2 ? "😀" : "");
  let stopped = 0;
  for (let round = 0; round < 5000; round++) {
    const stops = Array.from({ length: below(4) }, () => word(1 + below(5)));
    const text = word(below(24));
    const pieces: string[] = [];
    for (let at = 0; at < text.length;) {
      const next = Math.min(text.length, at + below(4));
      pieces.push(text.slice(at, next)); // empty pieces too
      at = next;
    }
    const { found, ...got } = stream(pieces, stops);
    const expected = naive(text, stops);
    const what = JSON.stringify({ pieces, stops });
    assert.is(got.text, expected.text, what);
    assert.is(found, expected.found, what);
    if (found !== undefined) stopped++;
  }
  assert.ok(stopped > 1000 && stopped < 4000, `a fair share of both kinds: ${stopped} of 5000 stopped`);
});

test("special tokens are found, alone or with text around, and never come out", () => {
  const random = mulberry32(22);
  const below = (n: number) => Math.floor(random() * n);
  const SPECIAL = "<s>";
  const draw = (pieces: readonly string[], most: number) =>
    Array.from({ length: below(most) }, () => pieces[below(pieces.length)]!);
  let stopped = 0;
  for (let round = 0; round < 3000; round++) {
    const stops = Array.from(
      { length: below(3) },
      () => `${draw(["a", "b", "<", SPECIAL], 3).join("")}${["a", SPECIAL][below(2)]}`,
    );
    const pieces = draw(["a", "ab", "<", "s", SPECIAL], 12);
    const isSpecial = pieces.map((piece) => piece === SPECIAL && random() < 0.7);
    const strings = new StopStrings(stops);
    const out = pieces.map((piece, i) => strings.push(piece, isSpecial[i])).join("") + strings.flush();
    // By the definition: the text up to the stop string, less every letter that a special token brought.
    const { text, found } = naive(pieces.join(""), stops);
    const letters = pieces.flatMap((piece, i) => Array.from(piece, (letter) => (isSpecial[i] ? "" : letter)));
    const what = JSON.stringify({ pieces, isSpecial, stops });
    assert.is(strings.found, found, what);
    assert.is(out, letters.slice(0, text.length).join(""), what);
    if (found !== undefined) stopped++;
  }
  assert.ok(stopped > 500 && stopped < 2500, `a fair share of both kinds: ${stopped} of 3000 stopped`);
});

test("text is held back only as long as it can still become a stop string", () => {
  const { out, flushed } = stream(["He", "llo\n", "Us", "ed ", "\nUser"], ["\nUser:"]);
  assert.equal(out, ["He", "llo", "", "\nUsed ", ""]);
  assert.is(flushed, "\nUser");
});

test("nothing comes out after a stop string", () => {
  const strings = new StopStrings(["END"]);
  assert.is(strings.push("a E"), "a ");
  assert.is(strings.push("ND b"), "");
  assert.is(strings.push("c"), "");
  assert.is(strings.flush(), "");
  assert.is(strings.found, "END");
});

test("without stop strings text passes through at once", () => {
  assert.equal(stream(["a", "", "b"], []).out, ["a", "", "b"]);
});

test("an empty stop string is refused", () => {
  for (const stops of [[""], ["a", ""], [3 as unknown as string]]) {
    assert.throws(
      () => new StopStrings(stops),
      (e: unknown) => e instanceof OptionError && e.message.startsWith("stop: got "),
    );
  }
});

test("limits: tokens asked for come before the context", () => {
  const limits = { maxTokens: 3, contextSize: 10 };
  assert.is(limitReached(limits, 2, 10), undefined);
  assert.is(limitReached(limits, 2, 11), "context");
  assert.is(limitReached(limits, 3, 11), "length");
  assert.is(limitReached({ maxTokens: 0, contextSize: 10 }, 0, 1), "length");
});

test.run();
