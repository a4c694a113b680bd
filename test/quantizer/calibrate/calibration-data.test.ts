import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RecipeError } from "../../../src/errors.ts";
import {
  samplesFromRandomTokens,
  samplesFromText,
  textFromJsonLines,
} from "../../../src/quantizer/calibrate/calibration-data.ts";

const test = suite("calibration data (seed 7)");

/** One token per word; the id is the word's number. Counts how much it was asked to encode. */
const words =
  (longest = { characters: 0 }) =>
  (text: string) => {
    longest.characters = Math.max(longest.characters, text.length);
    return text
      .split(" ")
      .filter((word) => word !== "")
      .map(Number);
  };
/** One token per hundred characters. */
const hundreds = (text: string) => Array.from({ length: Math.floor(text.length / 100) }, (_, i) => i);
const text = (count: number) => Array.from({ length: count }, (_, i) => String(i)).join(" ");
const throwsRecipe = (work: () => unknown, message: RegExp) =>
  assert.throws(work, (error: unknown) => error instanceof RecipeError && message.test(error.message));

test("a text becomes consecutive chunks from its start, without overlap", () => {
  const samples = samplesFromText(text(1000), { name: "t", encode: words(), samples: 3, ctxSize: 5 });
  assert.equal(
    samples.map((sample) => Array.from(sample)),
    [
      [0, 1, 2, 3, 4],
      [5, 6, 7, 8, 9],
      [10, 11, 12, 13, 14],
    ],
  );
});

test("sequences behind those asked for, as many as the text has", () => {
  const drawn = (extraSamples: number) =>
    samplesFromText(text(26), { name: "t", encode: words(), samples: 2, ctxSize: 5, extraSamples });
  const firsts = (extraSamples: number) => drawn(extraSamples).map((sample) => sample[0]);
  assert.equal(firsts(0), [0, 5]);
  assert.equal(firsts(2), [0, 5, 10, 15]);
  assert.equal(firsts(9), [0, 5, 10, 15, 20]);
});

test("a long text gives the same samples although only its beginning is encoded", () => {
  const longest = { characters: 0 };
  const whole = text(200_000);
  const samples = samplesFromText(whole, { name: "t", encode: words(longest), samples: 4, ctxSize: 32 });
  assert.equal(
    samples.flatMap((sample) => Array.from(sample)),
    Array.from({ length: 128 }, (_, i) => i),
  );
  assert.ok(longest.characters < whole.length / 100, `encoded ${longest.characters} of ${whole.length} characters`);
});

test("tokens longer than the first guess are met by encoding more", () => {
  const samples = samplesFromText("x".repeat(100_000), { name: "t", encode: hundreds, samples: 10, ctxSize: 20 });
  assert.is(samples.at(-1)!.at(-1), 199);
});

test("the beginning-of-sequence token replaces the first of each chunk", () => {
  const samples = samplesFromText(text(100), { name: "t", encode: words(), samples: 2, ctxSize: 3, bosTokenId: 77 });
  assert.equal(
    samples.map((sample) => Array.from(sample)),
    [
      [77, 1, 2],
      [77, 4, 5],
    ],
  );
});

test("a text that just fits is used whole", () => {
  assert.is(samplesFromText(text(12), { name: "t", encode: words(), samples: 3, ctxSize: 4 }).at(-1)!.at(-1), 11);
});

const fromWords = (count: number) => () =>
  samplesFromText(text(count), { name: "wiki.txt", encode: words(), samples: 3, ctxSize: 4 });

test("too short a text is refused with the tokens found and needed", () => {
  throwsRecipe(fromWords(11), /wiki\.txt: got 11 tokens, need 12 \(3 samples of 4\); option samples 2 would fit/);
  throwsRecipe(fromWords(3), /got 3 tokens, need 12 .*not even one sample of 4 fits/);
  throwsRecipe(fromWords(0), /got 0 tokens, need 12/);
});

for (const bad of [0, -1, 1.5, NaN, Infinity]) {
  test(`${bad} samples, or tokens per sample, are refused`, () => {
    throwsRecipe(
      () => samplesFromText("", { name: "t", encode: words(), samples: bad, ctxSize: 4 }),
      /^samples: got .*, need a whole number of at least 1$/,
    );
    throwsRecipe(
      () => samplesFromText("", { name: "t", encode: words(), samples: 4, ctxSize: bad }),
      /^contextSize: got .*, need a whole number of at least 1$/,
    );
  });
}

test("JSON lines give their texts, a blank line between documents", () => {
  assert.is(textFromJsonLines('{"text":"a"}\n\n{"text":"b\\nc","id":1}\n', "f"), "a\n\nb\nc");
  throwsRecipe(
    () => textFromJsonLines('{"text":"a"}\n{"text":', "f.jsonl"),
    /f\.jsonl, line 2: got text that is not JSON, need an object/,
  );
  for (const line of ["{}", "null", "[]", '{"text":1}', '"text"']) {
    throwsRecipe(() => textFromJsonLines(line, "f.jsonl"), /f\.jsonl, line 1: got .+, need an object/);
  }
});

test("random tokens repeat with their seed, cover the vocabulary evenly and never hit special ones", () => {
  const exclude = new Set([0, 1, 2, 63]);
  const draw = (seed: number) => samplesFromRandomTokens({ vocabSize: 64, exclude, seed, samples: 20, ctxSize: 300 });
  assert.equal(draw(7), draw(7));
  assert.not.equal(draw(7), draw(8));
  const counts = new Int32Array(64);
  for (const sample of draw(7)) for (const id of sample) counts[id]!++;
  for (const id of exclude) assert.is(counts[id], 0, `special token ${id}`);
  // 6000 draws of 60 tokens: 100 each with a standard deviation of 9.9; 5 of those either side.
  for (let id = 3; id < 63; id++) assert.ok(Math.abs(counts[id]! - 100) < 50, `token ${id}: ${counts[id]} times`);
});

const drawOne = (seed: number, exclude: number[]) => () =>
  samplesFromRandomTokens({ vocabSize: 2, exclude: new Set(exclude), seed, samples: 1, ctxSize: 1 });

test("random tokens need a vocabulary and a 32-bit seed", () => {
  throwsRecipe(drawOne(0, [0, 1]), /got 2 tokens that are all special, need/);
  for (const seed of [-1, 2 ** 32, 0.5, NaN])
    throwsRecipe(drawOne(seed, []), /^seed: got .*, need a whole number from 0 to 4294967295$/);
});

test.run();
