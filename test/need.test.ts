/** Checks of values at the border: what they let through, and the one sentence they refuse the rest with. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OptionError, RecipeError } from "../src/errors.ts";
import { isWhole, need, needing } from "../src/need.ts";

const test = suite("need");

const refuses = (work: () => unknown, message: string, kind: new (message: string) => Error = OptionError) =>
  assert.throws(work, (error: unknown) => error instanceof kind && error.message === message);

test("whole numbers: the ends of the domain pass, everything beside them is named", () => {
  for (const value of [-1, 0, 7]) assert.is(need.whole("lastN", value, -1, 7), value);
  assert.is(need.whole("n", Number.MAX_SAFE_INTEGER, 0), Number.MAX_SAFE_INTEGER);
  for (const value of [-2, 8, 0.5, NaN, Infinity, 2 ** 53, undefined, null, true, 3n]) {
    refuses(() => need.whole("lastN", value, -1, 7), `lastN: got ${String(value)}, need a whole number from -1 to 7`);
  }
  refuses(() => need.whole("n", "3", 1), 'n: got "3", need a whole number of at least 1');
});

test("numbers: the ends of the domain pass, everything beside them is named", () => {
  for (const value of [0, 0.5, 1]) assert.is(need.real("topP", value, 0, 1), value);
  for (const value of [-Number.MIN_VALUE, 1 + 2 ** -52, NaN, Infinity, undefined]) {
    refuses(() => need.real("topP", value, 0, 1), `topP: got ${String(value)}, need a number from 0 to 1`);
  }
  refuses(() => need.real("topP", "0.5", 0, 1), 'topP: got "0.5", need a number from 0 to 1');
});

test("one of a few values", () => {
  for (const choice of ["auto", "simd128"] as const) assert.is(need.oneOf("build", choice, ["auto", "simd128"]), choice);
  refuses(() => need.oneOf("build", "fast", ["auto", "simd128"]), 'build: got "fast", need one of "auto", "simd128"');
  refuses(() => need.oneOf("size", 48, [32, 64]), "size: got 48, need one of 32, 64");
});

test("errors are of the class that was asked for", () => {
  refuses(() => needing(RecipeError).whole("samples", 0, 1), "samples: got 0, need a whole number of at least 1", RecipeError);
});

test("isWhole says the same without an error", () => {
  assert.ok(isWhole(0, 0) && isWhole(5, 0, 5));
  for (const value of [-1, 6, 0.5, NaN, "1", undefined]) assert.not.ok(isWhole(value, 0, 5), String(value));
});

test.run();
