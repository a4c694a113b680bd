import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const random = mulberry32(31);
const gaussian = normal(random);
const test = suite("observe (seed 31)");

/** Observes `calls` of rows one after another; min, max, then sums of squares. */
function observe(calls: Float32Array[], K: number, stride: number): Float64Array {
  return onBothBuilds(`K=${K} stride=${stride}`, (kernels) => {
    const min = kernels.put(new Float32Array(K).fill(Infinity));
    const max = kernels.put(new Float32Array(K).fill(-Infinity));
    const sums = kernels.put(new Float64Array(K));
    for (const x of calls) kernels.run.observe_f32(kernels.put(x, 4), min, max, sums, x.length / stride, K, stride);
    return Float64Array.of(...kernels.f32(min, K), ...kernels.f32(max, K), ...kernels.f64(sums, K));
  });
}

test("equals the definition exactly, for every tail of rows and channels, however rows are divided into calls", () => {
  for (const K of [1, 2, 3, 4, 5, 7, 8, 9, 33]) {
    for (const M of [0, 1, 3, 4, 5, 8, 11]) {
      for (const extra of [0, 3]) {
        const stride = K + extra;
        const x = fill(M * stride, () => gaussian() * 10 ** (4 * random() - 2));
        const expected = Float64Array.of(...Array(K).fill(Infinity), ...Array(K).fill(-Infinity), ...Array(K).fill(0));
        for (let m = 0; m < M; m++) {
          for (let k = 0; k < K; k++) {
            const value = x[m * stride + k]!;
            expected[k] = Math.min(expected[k]!, value);
            expected[K + k] = Math.max(expected[K + k]!, value);
            expected[2 * K + k]! += value * value;
          }
        }
        for (const middle of [0, M >> 1]) {
          const calls = [x.slice(0, middle * stride), x.slice(middle * stride)];
          assert.equal(observe(calls, K, stride), expected, `M=${M} K=${K} stride=${stride}, divided at ${middle}`);
        }
      }
    }
  }
});

test("a NaN is not in the range but in the sum of squares, of its own channel only", () => {
  const x = Float32Array.of(1, 2, 3, 4, 5, 1, Number.NaN, 3, 4, Number.NaN);
  const seen = Array.from(observe([x], 5, 5));
  const range = [1, 2, 3, 4, 5];
  assert.equal(seen.slice(0, 5), range, "min");
  assert.equal(seen.slice(5, 10), range, "max");
  assert.equal(seen.slice(10), [2, Number.NaN, 18, 32, Number.NaN], "sums of squares");
});

test.run();
