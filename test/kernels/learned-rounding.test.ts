/** Rounding by learned offsets, and the steps of offsets and clips, against their definition. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nearestCode } from "../oracle/code-grid.ts";
import { assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const SEED = 83;
const random = mulberry32(SEED);
const gaussian = normal(random);
const test = suite(`learned rounding (seed ${SEED})`);

const SHAPES = [[1, 4, 4], [3, 16, 16], [5, 32, 16], [2, 96, 32], [4, 12, 12]] as const; // prettier-ignore
/** Between the codes around a magnitude. */
const stepOf = (u: number, top: number) => (top !== 12 || Math.abs(u) < 4 ? 1 : Math.abs(u) < 8 ? 2 : 4);

function operands(N: number, K: number, G: number, top: number) {
  const scales = fill((N * K) / G, () => (random() < 0.3 ? -1 : 1) * (0.01 + random()));
  // Some weights lie beyond the codes, some groups are zero.
  const w = Float32Array.from({ length: N * K }, (_, i) => gaussian() * 0.6 * top * scales[Math.floor(i / G)]!);
  w.fill(0, 0, G);
  const offsets = fill(N * K, () => random() - 0.5);
  return { w, scales, offsets };
}

for (const top of [7, 12, 127]) {
  test(`top ${top}: each weight is rounded where its offset puts it`, () => {
    for (const [N, K, G] of SHAPES) {
      const { w, scales, offsets } = operands(N, K, G, top);
      const found = onBothBuilds(`N=${N} K=${K}`, (kernels) => {
        const [at, o, s, to] = [kernels.put(w), kernels.put(offsets), kernels.put(scales), kernels.region(4 * N * K)];
        const run = (begin: number, end: number) => kernels.run.round_learned_f32(at, o, s, to, K, G, top, begin, end);
        run(N >> 1, N);
        run(0, N >> 1);
        return kernels.f32(to, N * K);
      });
      for (let i = 0; i < found.length; i++) {
        const scale = scales[Math.floor(i / G)]!;
        const u = Math.fround(w[i]! / scale);
        const t = u + offsets[i]! * stepOf(u, top);
        const code = Math.round(found[i]! / scale);
        assert.ok(Math.abs(found[i]! - Math.fround(code * scale)) <= Math.abs(found[i]!) * F32_EPSILON, "a code times its scale");
        const nearest = nearestCode(t, top);
        // t is off by a rounding, so it may fall on the other side of a tie.
        const tie = [t - 1e-4, t + 1e-4].map((near) => nearestCode(near, top));
        assert.ok(code === nearest || tie.includes(code), `t ${t}: got ${code}, nearest ${nearest}`);
      }
    }
  });

  test(`top ${top}: offsets and clips move against the signs of their gradients`, () => {
    const rate = Math.fround(0.005);
    for (const [N, K, G] of SHAPES) {
      const { w, scales, offsets } = operands(N, K, G, top);
      const gradients = fill(N * K, () => (random() < 0.1 ? 0 : gaussian()));
      const clips = fill((N * K) / G, () => 0.5 + random());
      clips[0] = 0.5;
      const found = onBothBuilds(`N=${N} K=${K}`, (kernels) => {
        const [at, o, s] = [kernels.put(w), kernels.put(offsets), kernels.put(scales)];
        const [d, c] = [kernels.put(gradients), kernels.put(clips)];
        const run = (begin: number, end: number) => kernels.run.step_learned_f32(at, o, s, d, c, K, G, top, rate, begin, end);
        run(N >> 1, N);
        run(0, N >> 1);
        return Float32Array.of(...kernels.f32(o, N * K), ...kernels.f32(c, (N * K) / G));
      });
      const low = top === 12 ? -12 : -top - 1;
      const expected = new Float64Array(found.length);
      const undecided = new Set<number>();
      for (let g = 0; g < clips.length; g++) {
        const scale = scales[g]!;
        let [sum, size] = [0, 0];
        for (let i = g * G; i < (g + 1) * G; i++) {
          const u = Math.fround(w[i]! / scale);
          const t = u + offsets[i]! * stepOf(u, top);
          const code = nearestCode(t, top);
          const within = t <= top + 0.5 && t >= low - 0.5;
          if (Math.abs(t - top - 0.5) < 1e-3 || Math.abs(t - low + 0.5) < 1e-3) undecided.add(i);
          const term = gradients[i]! * (within ? code - u : code);
          sum += term;
          size += Math.abs(gradients[i]!) * (1 + Math.abs(u));
          const moved = offsets[i]! - (within ? rate * Math.sign(gradients[i]! * scale) : 0);
          expected[i] = Math.min(0.5, Math.max(-0.5, moved));
        }
        // A sum near zero, or one with a tie in it, may have either sign.
        if (Math.abs(sum) < 1e-2 * size) undecided.add(N * K + g);
        const clip = clips[g]! - rate * Math.sign(sum * scale);
        expected[N * K + g] = Math.min(1.5, Math.max(0.5, clip));
      }
      assert.ok(undecided.size < found.length / 4 + 2);
      assertWithin(found, expected, (i) => (undecided.has(i) ? 2 * rate : 2 * F32_EPSILON), `N=${N} K=${K} G=${G}`);
    }
  });
}

test.run();
