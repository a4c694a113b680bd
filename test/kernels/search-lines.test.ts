import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NULL } from "../../src/kernels/pointer.ts";
import { roundHalfEven } from "../oracle/round-half-even.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const SEED = 67;
const random = mulberry32(SEED);
const gaussian = normal(random);
const test = suite(`search of lines (seed ${SEED})`);
const G = 32;

interface Lines {
  readonly steps: Float32Array;
  readonly lows: Float32Array;
  readonly centers: Float32Array;
}

function search(w: Float32Array, importance: Float32Array | undefined, K: number): Lines {
  const count = w.length / G;
  const all = onBothBuilds(`rows=${w.length / K} K=${K}`, (kernels) => {
    const [steps, lows, centers] = [kernels.region(4 * count), kernels.region(4 * count), kernels.region(4 * count)];
    const weights = importance ? kernels.put(importance, 4) : NULL;
    kernels.run.search_lines_f32(kernels.put(w, 4), weights, steps, lows, centers, K, 0, w.length / K);
    return Float32Array.of(...kernels.f32(steps, count), ...kernels.f32(lows, count), ...kernels.f32(centers, count));
  });
  return { steps: all.subarray(0, count), lows: all.subarray(count, 2 * count), centers: all.subarray(2 * count) };
}

/** Weighted square error of a group on a line, by the definition. */
function errorOf(w: ArrayLike<number>, importance: ArrayLike<number>, step: number, low: number): number {
  let sum = 0;
  for (let k = 0; k < w.length; k++) {
    const u = Math.min(15, Math.max(0, roundHalfEven((w[k]! + low) / step)));
    sum += importance[k]! * (w[k]! - (step * u - low)) ** 2;
  }
  return sum;
}

/** The least of the lines between many shortened ranges, fitted to their codes in f64. */
function bestOf(w: Float32Array, importance: Float32Array): number {
  const [least, most] = [Math.min(0, ...w), Math.max(...w)];
  let best = Infinity;
  for (let below = 0; below < 0.25; below += 0.01) {
    for (let above = 0; above < 0.25; above += 0.01) {
      let [step, low] = [((most - least) * (1 - below - above)) / 15, -(least + below * (most - least))];
      for (let refit = 0; refit < 3; refit++) {
        best = Math.min(best, errorOf(w, importance, step, low));
        let [one, u1, uu, w1, uw] = [0, 0, 0, 0, 0];
        w.forEach((value, k) => {
          const [i, u] = [importance[k]!, Math.min(15, Math.max(0, roundHalfEven((value + low) / step)))];
          one += i;
          u1 += i * u;
          uu += i * u * u;
          w1 += i * value;
          uw += i * u * value;
        });
        step = (one * uw - u1 * w1) / (one * uu - u1 * u1);
        low = Math.max(0, -(w1 - step * u1) / one);
      }
    }
  }
  return best;
}

test("within 2 % of the best of 1800 lines in all, and never behind the line over the whole range", () => {
  let [found, best] = [0, 0];
  for (const K of [32, 64, 96]) {
    for (const heavy of [false, true]) {
      for (const shift of [0, 0.3]) {
        const w = fill(5 * K, () => (gaussian() * (heavy && random() < 0.05 ? 4 : 1) + shift) * 0.1);
        const importance = heavy ? fill(K, () => Math.exp(gaussian())) : undefined;
        const { steps, lows } = search(w, importance, K);
        steps.forEach((step, g) => {
          const group = w.subarray(g * G, (g + 1) * G);
          const weights = importance?.subarray((g * G) % K, ((g * G) % K) + G) ?? new Float32Array(G).fill(1);
          const [least, most] = [Math.min(0, ...group), Math.max(...group)];
          const error = errorOf(group, weights, step, lows[g]!);
          assert.ok(lows[g]! >= 0 && step > 0);
          assert.ok(error <= errorOf(group, weights, (most - least) / 15, -least) * 1.0001, `K=${K}: behind the whole range`);
          found += error;
          best += bestOf(group, weights);
        });
      }
    }
  }
  console.log(`\nfigure: searched lines: error ${(found / best).toFixed(4)} of the best`);
  assert.ok(found < 1.02 * best, `${found} against ${best}`);
});

test("weights on a line are found on it, with the mean of their codes", () => {
  const codes = Array.from({ length: G }, (_, k) => (7 * k) % 16);
  const { steps, lows, centers } = search(
    Float32Array.from(codes, (u) => 0.25 * u - 1.5),
    undefined,
    G,
  );
  assert.equal([steps[0], lows[0]], [0.25, 1.5]);
  assert.is(centers[0], codes.reduce((sum, u) => sum + u, 0) / G);
});

test("no minimum is above zero, and weights below zero need not reach it", () => {
  const above = fill(G, () => 1 + random());
  const { steps, lows } = search(Float32Array.of(...above, ...above.map((x) => -x)), undefined, 2 * G);
  assert.ok(lows[0]! >= 0);
  assert.ok(errorOf(above, new Float32Array(G).fill(1), steps[0]!, lows[0]!) < G * (2 / 15) ** 2);
  assert.ok(lows[1]! > 1.8 && steps[1]! < 1.1 / 15, "the range of the weights alone");
});

test("one weight throughout, or next to: a step of 0", () => {
  for (const value of [0, -0.5, 2 ** -149]) {
    const { steps, lows } = search(new Float32Array(G).fill(value), undefined, G);
    assert.equal([steps[0], lows[0]], [value > 0 ? steps[0] : 0, Math.max(0, -value)]);
  }
});

test("channels of no importance do not count, and a group of none has its whole range", () => {
  const w = fill(2 * G, () => gaussian());
  w[3] = 100;
  const importance = new Float32Array(2 * G).fill(1).fill(0, G);
  importance[3] = 0;
  const { steps, lows } = search(w, importance, 2 * G);
  assert.ok(errorOf(w.subarray(0, G), importance, steps[0]!, lows[0]!) < errorOf(w.subarray(0, G), importance, 100 / 15, 3));
  const least = Math.min(0, ...w.subarray(G));
  assert.is(lows[1], -least);
});

test.run();
