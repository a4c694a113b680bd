import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SamplingOptions } from "../../../src/decoding/generation-options.ts";
import { resolveSampling } from "../../../src/decoding/sampling/sampling.ts";
import { OptionError } from "../../../src/errors.ts";

const test = suite("sampling options");
const UNCHANGED = { occurrence: undefined, bias: [] };

test("without options: llama.cpp's defaults and a random seed", () => {
  const { seed, ...rest } = resolveSampling({}) as { seed: number };
  assert.equal(rest, { kind: "sample", repetition: undefined, ...UNCHANGED, topK: 40, topP: 0.95, minP: 0.05, temperature: 0.8 });
  assert.ok(Number.isInteger(seed));
  assert.not.equal(new Set(Array.from({ length: 4 }, () => (resolveSampling({}) as { seed: number }).seed)).size, 1);
});

test("penalties of occurrences and biases have OpenAI's limits", () => {
  assert.equal(resolveSampling({ temperature: 0, presencePenalty: -2, logitBias: { 7: 100, 12: -1.5 } }), {
    kind: "greedy", repetition: undefined, occurrence: { presence: -2, frequency: 0 }, bias: [[7, 100], [12, -1.5]],
  }); // prettier-ignore
  for (const [options, message] of [
    [{ frequencyPenalty: 2.5 }, "frequencyPenalty: got 2.5, need a number from -2 to 2"],
    [{ logitBias: { 7: 101 } }, "logitBias[7]: got 101, need a number from -100 to 100"],
    [{ logitBias: { the: 1 } }, 'logitBias: got the key "the", need a token id'],
    [{ logitBias: [1] }, "logitBias: got [1], need an object of biases by token id"],
  ] as [SamplingOptions, string][]) {
    assert.throws(() => resolveSampling(options), (e: unknown) => e instanceof OptionError && e.message === message); // prettier-ignore
  }
});

test("temperature 0 is greedy", () => {
  assert.equal(resolveSampling({ temperature: 0, topK: 5, seed: 1 }), { kind: "greedy", repetition: undefined, ...UNCHANGED });
});

test("0 and -1 mean all where llama.cpp says so", () => {
  const sampling = resolveSampling({ topK: 0, repeatPenalty: 1.1, repeatLastN: -1, seed: 0 });
  assert.equal(sampling, {
    kind: "sample",
    repetition: { penalty: 1.1, lastN: Infinity },
    ...UNCHANGED,
    topK: Infinity,
    topP: 0.95,
    minP: 0.05,
    temperature: 0.8,
    seed: 0,
  });
  assert.is(resolveSampling({ repeatPenalty: 1.1, repeatLastN: 0 }).repetition, undefined);
  assert.is(resolveSampling({ repeatPenalty: 1, repeatLastN: 64 }).repetition, undefined);
});

test("the caller's options stand above those the model's authors recommend, these above the defaults", () => {
  const recommended = { temperature: 0.6, topP: 0.9, repeatPenalty: 1.2, repeatLastN: -1 };
  assert.equal(resolveSampling({ topP: 1, seed: 3 }, recommended), {
    kind: "sample", repetition: { penalty: 1.2, lastN: Infinity }, ...UNCHANGED, topK: 40, topP: 1, minP: 0.05, temperature: 0.6, seed: 3,
  }); // prettier-ignore
  assert.is(resolveSampling({}, { temperature: 0 }).kind, "greedy");
  assert.is(resolveSampling({ temperature: 1 }, { temperature: 0 }).kind, "sample");
});

test("the message about a temperature does not deny 0", () => {
  assert.throws(
    () => resolveSampling({ temperature: -1 }),
    (error: unknown) =>
      error instanceof OptionError &&
      error.message === "temperature: got -1, need 0, the most likely token, or a number from 0.000001 to 1000000",
  );
});

for (const [name, values] of Object.entries({
  temperature: [-1, NaN, Infinity, 1e-9, "0.8"],
  topK: [-1, 0.5, NaN, Infinity, 2 ** 53],
  topP: [-0.1, 1.1, NaN, "1"],
  minP: [-0.1, 1.1, NaN],
  repeatPenalty: [0, -1, NaN, Infinity],
  repeatLastN: [-2, 1.5, NaN],
  seed: [-1, 0.5, 2 ** 32, NaN],
})) {
  test(`${name} outside its domain is refused by name, with what was got and needed`, () => {
    for (const value of values) {
      assert.throws(
        () => resolveSampling({ [name]: value } as SamplingOptions),
        (error: unknown) =>
          error instanceof OptionError &&
          error.message.startsWith(`${name}: got ${typeof value === "string" ? `"${value}"` : value}, need `),
        `${name} = ${value}`,
      );
    }
  });
}

test.run();
