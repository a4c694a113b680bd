/** Estimates and their errors, against numbers worked out by hand. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { uncertainDifference, uncertainMean } from "../../src/evaluation/statistics.ts";

const test = suite("statistics");

test("a mean's error is the sample's deviation over sqrt n", () => {
  assert.equal(uncertainMean([1, 3]), { value: 2, standardError: 1 });
});

test("a paired difference has the error of the differences, not of the values", () => {
  const hard = [0, 100, 0, 100];
  assert.equal(
    uncertainDifference(
      hard.map((value) => value + 1),
      hard,
    ),
    { value: 1, standardError: 0 },
  );
  const { value, standardError } = uncertainDifference([1, 0, 0, 0], [1, 1, 0, 0]);
  assert.is(value, -0.25);
  assert.ok(Math.abs(standardError - 0.25) < 1e-15);
});

test("samples of different lengths are no pairs", () => {
  assert.throws(() => uncertainDifference([1], [1, 2]), /paired samples: got 1 and 2 values/);
});

test.run();
