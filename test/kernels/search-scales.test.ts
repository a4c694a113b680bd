import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../src/checkpoint/formats/float-formats.ts";
import { NULL } from "../../src/kernels/pointer.ts";
import { nearestCode } from "../oracle/code-grid.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const random = mulberry32(61);
const gaussian = normal(random);
const test = suite("scale search (seed 61)");

function search(w: Float32Array, importance: Float32Array | undefined, K: number, G: number, top = 7, type = 0): Float32Array {
  const rows = w.length / K;
  return onBothBuilds(`rows=${rows} K=${K} G=${G} top=${top} type=${type}`, (kernels) => {
    const scales = kernels.region((4 * w.length) / G);
    const weights = importance ? kernels.put(importance, 4) : NULL;
    kernels.run.search_scales_f32(kernels.put(w, 4), weights, scales, K, G, top, type, 0, rows);
    return kernels.f32(scales, w.length / G);
  });
}

/** Weighted square error of a group under a scale, by the definition. */
function errorOf(w: ArrayLike<number>, importance: ArrayLike<number>, scale: number, top: number): number {
  let sum = 0;
  for (let k = 0; k < w.length; k++) {
    const q = nearestCode(w[k]! / scale, top);
    sum += importance[k]! * (w[k]! - scale * q) ** 2;
  }
  return sum;
}

for (const top of [7, 127, 12]) {
  test(`top ${top}: within a few percent of the best of 8000 scales, and never behind round to nearest`, () => {
    let [found, best, worst] = [0, 0, 1];
    for (const [K, G] of [
      [32, 32],
      [64, 32],
      [64, 64],
      [128, 128],
      [192, 64],
      [48, 48],
    ] as const) {
      for (const heavy of [false, true]) {
        const rows = 3;
        const w = fill(rows * K, () => gaussian() * (heavy && random() < 0.05 ? 5 : 1) * 0.1);
        const importance = heavy ? fill(K, () => Math.exp(2 * gaussian())) : undefined;
        const scales = search(w, importance, K, G, top);
        scales.forEach((scale, g) => {
          const group = w.subarray(g * G, (g + 1) * G);
          const weights = importance?.subarray((g * G) % K, ((g * G) % K) + G) ?? new Float32Array(G).fill(1);
          const absmax = Math.max(...group.map(Math.abs));
          let least = Infinity;
          for (let c = 0; c < 4000; c++) {
            const candidate = (absmax / (top + 1)) * (0.4 + c * 0.0003);
            least = Math.min(least, errorOf(group, weights, candidate, top), errorOf(group, weights, -candidate, top));
          }
          const error = errorOf(group, weights, scale, top);
          assert.ok(error <= errorOf(group, weights, absmax / top, top) * 1.0001, `K=${K} G=${G}: behind round to nearest`);
          found += error;
          best += least;
          worst = Math.max(worst, error / least);
        });
      }
    }
    console.log(
      `\nfigure: searched scales at top ${top}: error ${(found / best).toFixed(4)} of the best, single groups up to ${worst.toFixed(3)}`,
    );
    // 8 bits: the error falls and rises within one step of the grid.
    assert.ok(found < (top === 7 ? 1.005 : 1.15) * best, `${found} against ${best}`);
  });
}

test("scales are such as their storage holds, before weights are rounded to them", () => {
  const w = fill(64 * 4, gaussian);
  const stored = [(x: number) => x, (x: number) => bf16ToF32(f32ToBf16(x)), (x: number) => f16ToF32(f32ToF16(x))];
  stored.forEach((round, type) => {
    for (const magnitude of [1, 1e-4, 3e-7]) {
      for (const scale of search(
        w.map((x) => x * magnitude),
        undefined,
        64,
        32,
        7,
        type,
      ))
        assert.is(round(scale), scale);
    }
  });
});

test("a group whose largest weight is negative takes a positive scale, and the other way round: -8 has room", () => {
  const w = new Float32Array(64);
  w.set([-8, 1, 2, 3, -1, -2, 5]);
  w.set([8, 1, 2, 3, -1, -2, 5], 32);
  assert.equal([...search(w, undefined, 64, 32)], [1, -1]);
});

test("a group of zeros, or of values too small for any scale, gets 1", () => {
  for (const value of [0, 2 ** -149]) assert.equal([...search(new Float32Array(32).fill(value), undefined, 32, 32)], [1]);
});

test("channels of no importance do not count", () => {
  const w = new Float32Array(32).fill(0.5);
  w[3] = 100;
  const importance = new Float32Array(32).fill(1);
  importance[3] = 0;
  const [scale] = search(w, importance, 32, 32);
  // All the grid can do: its smallest candidate still leaves half a weight of 0.5 too far from a code, or on
  // one.
  assert.ok(errorOf(w, importance, scale!, 7) <= errorOf(w, importance, 100 / 7, 7));
});

test.run();
