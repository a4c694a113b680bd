/** Ranges of static scales by least error, against every candidate tried on every element. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { columnEnergy, RANGE_NORMS, type RangeNorm, searchRange } from "../../../src/quantizer/decide/range-search.ts";
import { roundHalfEven } from "../../oracle/round-half-even.ts";
import { mulberry32 } from "../../random.ts";

const SEED = 53;
const test = suite(`range search (seed ${SEED})`);
const random = mulberry32(SEED);
/** Twelve uniform values: as good as normal, and the same on every engine. */
const normal = () => Array.from({ length: 12 }, random).reduce((sum, value) => sum + value, -6);
const P = { l2: 2, l3: 3, l4: 4 } as const satisfies Record<RangeNorm, number>;
const largestOf = (values: ArrayLike<number>) => Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** The error of a range by its definition. */
function errorOf(x: Float32Array, K: number, range: number, p: number, h: (k: number) => number): number {
  let sum = 0;
  for (let begin = 0; begin < x.length; begin += K) {
    const row = Array.from(x.subarray(begin, begin + K));
    const size = Math.sqrt(row.reduce((square, value) => square + value * value, 0));
    const scale = range / 127;
    row.forEach((value, k) => {
      const code = Math.max(-127, Math.min(127, roundHalfEven(value / scale)));
      sum += (h(k) ** 0.5 * Math.abs(value - code * scale)) ** p / size ** p;
    });
  }
  return sum;
}

const candidates = (largest: number) => Array.from({ length: 40 }, (_, c) => (largest * (c + 1)) / 40);

for (const norm of RANGE_NORMS) {
  for (const [what, outlier] of [
    ["no outliers", 1],
    ["outliers of 20", 20],
    ["outliers of 300", 300],
  ] as const) {
    for (const weighted of [false, true]) {
      test(`least of all candidates: ${norm}, ${what}${weighted ? ", channels of unequal importance" : ""}`, () => {
        const K = 48;
        const x = Float32Array.from({ length: 40 * K }, () => normal() * (random() < 0.002 ? outlier : 1));
        const importance = weighted ? Float64Array.from({ length: K }, (_, k) => (k % 7 === 0 ? 9 : 1)) : undefined;
        const largest = 1.1 * largestOf(x);
        const found = searchRange({ x, K, factors: undefined }, largest, norm, importance);
        const error = (range: number) => errorOf(x, K, range, P[norm], (k) => importance?.[k] ?? 1);
        const least = Math.min(...candidates(largest).map(error));
        // Magnitudes are known to a bin.
        assert.ok(error(found) <= 1.02 * least, `${found} of ${largest}: ${error(found)} instead of ${least}`);
      });
    }
  }
}

test("outliers are cut off, and a higher norm cuts off less", () => {
  const K = 64;
  const x = Float32Array.from({ length: 64 * K }, () => normal());
  for (let i = 0; i < 8; i++) x[i * 500] = 60;
  const [l2, l3, l4] = RANGE_NORMS.map((norm) => searchRange({ x, K, factors: undefined }, 60, norm));
  assert.ok(l2! < 60, `${l2}`);
  assert.ok(l2! <= l3! && l3! <= l4!, `${l2} ${l3} ${l4}`);
});

test("equalized rows are those divided by the factors", () => {
  const K = 16;
  const x = Float32Array.from({ length: 32 * K }, normal);
  const factors = Float32Array.from({ length: K }, (_, k) => 2 ** (k % 4));
  const divided = x.map((value, i) => value / factors[i % K]!);
  const largest = largestOf(divided);
  assert.is(searchRange({ x, K, factors }, largest, "l2"), searchRange({ x: divided, K, factors: undefined }, largest, "l2"));
});

test("nothing active: the range there is", () => {
  assert.is(searchRange({ x: new Float32Array(64), K: 16, factors: undefined }, 0, "l2"), 0);
  assert.is(searchRange({ x: new Float32Array(0), K: 16, factors: undefined }, 3, "l4"), 3);
});

test("column energy is that of all modules, of equalized weights", () => {
  const weights = [Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6)];
  assert.equal([...columnEnergy(weights, 2, undefined)], [1 + 9 + 25, 4 + 16 + 36]);
  assert.equal([...columnEnergy(weights, 2, Float32Array.of(2, 1))], [4 * 35, 56]);
});

test.run();
