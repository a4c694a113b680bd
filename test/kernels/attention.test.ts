import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ATTENTION_KINDS, attentionOracle, type AttentionInput, type AttentionKind } from "../oracle/attention.ts";
import { assertSameBits, assertWithin } from "../oracle/compare.ts";
import { mulberry32, normal } from "../random.ts";
import { alibiSlopes, runAttention, sharpInput } from "./attention-run.ts";
import { SIMD_BUILDS, type SimdBuild } from "./kernel-memory.ts";

const SEED = 31;
const test = suite(`attention (seed ${SEED})`);
const random = mulberry32(SEED);
const gaussian = normal(random);

const input = (kind: AttentionKind, shape: Partial<AttentionInput>) => sharpInput(gaussian, kind, shape);

/**
 * One row at a time, twin and tiles, against the oracle; then every other way to cut the same work, bit for
 * bit.
 */
function check(
  build: SimdBuild,
  problem: AttentionInput,
  chunkings: readonly (readonly number[])[],
  splits: readonly (readonly number[])[],
): number {
  const decoded = runAttention(build, problem, [1]);
  assert.ok(decoded.untouched, "wrote past the end of a region");
  const { y, bound } = attentionOracle(problem);
  assertWithin(decoded.y, y, (i) => bound[i]!, problem.kind);
  assertSameBits(decoded.y, runAttention("scalar", problem, [problem.T]).y, "scalar twin");
  for (const chunks of chunkings) {
    const { y: chunked, untouched } = runAttention(build, problem, chunks);
    assertSameBits(chunked, decoded.y, `chunks of ${chunks}`);
    assert.ok(untouched, "wrote past the end of a region");
  }
  for (const boundaries of splits) {
    const { y: split } = runAttention(build, problem, [5], boundaries);
    assertSameBits(split, decoded.y, `heads split at ${boundaries}`);
  }
  return Math.max(...y.map((value, i) => Math.abs(value - decoded.y[i]!) / bound[i]!));
}

/** Root mean square of the differences. */
const rms = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.sqrt(Array.from(a).reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0) / a.length);

for (const build of SIMD_BUILDS) {
  for (const kind of ATTENTION_KINDS) {
    test(`${build} ${kind}: windows and groups of heads`, () => {
      let closest = 0;
      for (const window of [0, 1, 5, 8, 64]) {
        for (const [H, Hkv] of [
          [1, 1],
          [4, 2],
          [9, 3],
          [8, 1],
        ] as const) {
          // prettier-ignore
          const splits = H > 1 ? [[1], [Math.ceil(H / 2)], Array.from({ length: H - 1 }, (_, h) => h + 1)] : [];
          const D = [16, 32][window % 2]!;
          closest = Math.max(closest, check(build, input(kind, { H, Hkv, D, window }), [[71], [7], [0, 3, 8, 2, 9, 4]], splits));
        }
      }
      console.log(`\nfigure: ${build} attention_f32_${kind}: largest error / derived bound ${closest.toFixed(3)}`);
    });

    test(`${build} ${kind}: tokens that see those after them, with windows and groups of heads`, () => {
      for (const [H, Hkv, window, T] of [[4, 2, 0, 140], [3, 1, 5, 71], [1, 1, 64, 140], [3, 3, 1, 9], [8, 1, 0, 1]] as const) {
        const problem = input(kind, { T, H, Hkv, D: 16, window, bothWays: true });
        const whole = runAttention(build, problem, [T]);
        assert.ok(whole.untouched, "wrote past the end of a region");
        const { y, bound } = attentionOracle(problem);
        assertWithin(whole.y, y, (i) => bound[i]!, `window ${window}`);
        assertSameBits(whole.y, runAttention("scalar", problem, [T]).y, "scalar twin");
        if (H > 1) assertSameBits(runAttention(build, problem, [T], [1, H - 1]).y, whole.y, "heads split");
      }
    }); // prettier-ignore

    test(`${build} ${kind}: head sizes, and more than two blocks of 64 tokens`, () => {
      for (const D of [8, 16, 32, 64, 80, 96, 128]) check(build, input(kind, { T: 140, H: 3, Hkv: 1, D }), [[140], [7]], [[2]]);
    });

    test(`${build} ${kind}: every chunk length 1..9`, () => {
      const chunkings = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((M) => [M]);
      check(build, input(kind, { H: 4, Hkv: 2, D: 16 }), chunkings, []);
      check(build, input(kind, { H: 4, Hkv: 2, D: 16, window: 3 }), chunkings, []);
    });

    test(`${build} ${kind}: the capacity of the cache does not change a bit`, () => {
      const problem = input(kind, { H: 4, Hkv: 2, D: 16, T: 67 });
      const { y } = runAttention(build, problem, [67]);
      for (const capacity of [68, 72, 100, 1024]) {
        const { y: larger, untouched } = runAttention(build, problem, [67], [], capacity);
        assertSameBits(larger, y, `capacity ${capacity}`);
        assert.ok(untouched, "wrote past the end of a region");
      }
    });

    test(`${build} ${kind}: ALiBi's slopes, with windows, groups of heads and heads of their own`, () => {
      for (const [H, Hkv, window, D] of [[4, 2, 0, 16], [4, 4, 5, 8], [9, 3, 64, 16], [5, 1, 0, 32], [1, 1, 0, 16]] as const) {
        const problem = input(kind, { T: 140, H, Hkv, D, window, slopes: alibiSlopes(H) });
        check(build, problem, [[140], [7], [0, 3, 8, 2, 9, 4]], H > 1 ? [[1], [Math.ceil(H / 2)]] : []);
      }
    }); // prettier-ignore

    test(`${build} ${kind}: slopes of zero are none, others change every row but the first`, () => {
      const problem = input(kind, { H: 4, Hkv: 2, D: 16 });
      const { y } = runAttention(build, problem, [7]);
      const flat = runAttention(build, { ...problem, slopes: new Float32Array(4) }, [7]);
      assertSameBits(flat.y, y, "slopes of zero");
      const { y: sloped } = runAttention(build, { ...problem, slopes: Float32Array.of(1, 1, 1, 1) }, [7]);
      for (let row = 0; row < 71 * 4; row++) {
        const [a, b] = [y, sloped].map((all) => String(all.subarray(row * 16, row * 16 + 16)));
        assert.is(a === b, row < 4, `position ${row >> 2}, head ${row % 4}`);
      }
    });

    test(`${build} ${kind}: divisors and caps of scores, with windows, groups of heads and slopes`, () => {
      for (const [H, Hkv, window, D, divisor, cap] of [[4, 2, 0, 16, 1, 2.5], [4, 4, 5, 8, 3, 0], [9, 3, 64, 16, 0.5, 50], [5, 1, 0, 32, 6, 0.125]] as const) {
        const slopes = H === 4 ? { slopes: alibiSlopes(H) } : {};
        const problem = input(kind, { T: 140, H, Hkv, D, window, divisor, cap, ...slopes });
        check(build, problem, [[140], [7], [0, 3, 8, 2, 9, 4]], [[1], [Math.ceil(H / 2)]]);
      }
    }); // prettier-ignore

    test(`${build} ${kind}: the root of D as divisor and no cap are what there is otherwise; a far cap is near none`, () => {
      const problem = input(kind, { H: 4, Hkv: 2, D: 16 });
      const { y } = runAttention(build, problem, [7]);
      assertSameBits(runAttention(build, { ...problem, divisor: 4, cap: 0 }, [7]).y, y, "as it was");
      const far = runAttention(build, { ...problem, cap: 1e5 }, [7]).y;
      const near = runAttention(build, { ...problem, cap: 1 }, [7]).y;
      const distance = (a: Float32Array) => rms(a, y) / rms(y, new Float32Array(y.length));
      assert.ok(distance(far) < 1e-3 && distance(near) > 0.1, `${distance(far)}, ${distance(near)}`);
    });

    test(`${build} ${kind}: all-zero queries average the values`, () => {
      const problem = input(kind, { H: 4, Hkv: 2, D: 16, T: 130 });
      for (let p = 0; p < 130; p++) problem.qkv.fill(0, p * 128, p * 128 + 64);
      check(build, problem, [[130]], []);
    });

    test(`${build} ${kind}: all-zero values give zero`, () => {
      const problem = input(kind, { H: 4, Hkv: 2, D: 16 });
      for (let p = 0; p < 71; p++) problem.qkv.fill(0, p * 128 + 96, p * 128 + 128);
      const { y } = runAttention(build, problem, [71]);
      assertSameBits(y, new Float32Array(y.length), "zeros");
    });

    test(`${build} ${kind}: a score that dwarfs the others selects its token`, () => {
      const [T, D] = [130, 16];
      const problem = input(kind, { H: 1, Hkv: 1, D, T });
      const stride = 3 * D;
      const chosen = 5;
      for (let p = 0; p < T; p++) {
        problem.qkv.fill(1e6, p * stride, p * stride + D);
        problem.qkv.fill(p === chosen ? 3 : -3, p * stride + D, p * stride + 2 * D);
      }
      const { y } = runAttention(build, problem, [T]);
      const { y: exact } = attentionOracle(problem);
      // One weight of 1: what is left are the product with the weight, the factor, the division and the last
      // product.
      assertWithin(
        y.subarray(chosen * D),
        exact.subarray(chosen * D),
        (i) => 4 * 2 ** -24 * Math.abs(exact[chosen * D + i]!),
        kind,
      );
    });

    test(`${build} ${kind}: NaN and infinity in a query reach that head's row and no other`, () => {
      const problem = input(kind, { H: 4, Hkv: 2, D: 16 });
      const clean = runAttention(build, problem, [71]).y;
      for (const bad of [NaN, Infinity, -Infinity]) {
        const qkv = problem.qkv.slice();
        qkv[13 * 128 + 2 * 16 + 7] = bad; // row 13, head 2
        const { y } = runAttention(build, { ...problem, qkv }, [7]);
        y.forEach((value, i) => {
          if (Math.floor(i / 16) === 13 * 4 + 2) assert.ok(Number.isNaN(value), `${bad}: got ${value} at ${i}`);
          else assert.is(value, clean[i], `${bad}: element ${i}`);
        });
      }
    });
  }

  for (const [kind, part] of [
    ["kf32_vf32", "k"],
    ["kf32_vqs8", "k"],
    ["kqd8_vf32", "k"],
    ["kqd8_vqd8", "k"],
    ["kf32_vf32", "v"],
    ["kqs8_vf32", "v"],
    ["kf32_vqd8", "v"],
    ["kqd8_vqd8", "v"],
  ] as const) {
    // prettier-ignore
    test(`${build} ${kind}: NaN in ${part} reaches the rows that attend to it and no other`, () => {
    for (const window of [0, 5]) {
      const problem = input(kind, { H: 4, Hkv: 2, D: 16, window });
      const clean = runAttention(build, problem, [71]).y;
      const qkv = problem.qkv.slice();
      const [token, head, channel] = [21, 1, 3]; // K/V head 1 serves query heads 2 and 3
      qkv[token * 128 + (part === "k" ? 64 : 96) + head * 16 + channel] = NaN;
      for (const chunks of [[1], [7], [71]]) {
        const { y } = runAttention(build, { ...problem, qkv }, chunks);
        y.forEach((value, i) => {
          const [p, h, d] = [Math.floor(i / 64), Math.floor(i / 16) % 4, i % 16];
          const attends = p >= token && (window === 0 || p < token + window) && h >= 2;
          // A dynamic int8 cache has the NaN in the scale of the whole head.
          const reached = part === "k" || d === channel || kind.endsWith("vqd8");
          if (attends && reached) assert.ok(Number.isNaN(value), `row ${p}, head ${h}: ${value}`);
          else assert.is(value, clean[i], `row ${p}, head ${h}, channel ${d}`);
        });
      }
    }
  });
  }

  test(`${build}: 2^t is within its stated error and exactly 1 at 0`, () => {
    // A window of 2 over tokens that alternate between score 0, value 0 and score t, value 1: odd rows are
    // 2^t / (1 + 2^t).
    const [T, D] = [8192, 8];
    const qkv = new Float32Array(T * 3 * D);
    const scale = Math.fround(Math.fround(Math.LOG2E) / Math.fround(Math.sqrt(D)));
    const unit = Math.fround(1 / scale);
    assert.is(Math.fround(unit * scale), 1, "a query that the kernel scales to exactly 1");
    const exponents = Float32Array.from({ length: T / 2 }, (_, i) => (i === 0 ? 0 : -125 * random() ** 3));
    for (let p = 0; p < T; p++) {
      qkv[p * 3 * D] = unit;
      if (p % 2 === 1) qkv[p * 3 * D + D] = exponents[p >> 1]!;
      if (p % 2 === 1) qkv[p * 3 * D + 2 * D] = 1;
    }
    const { y } = runAttention(build, { qkv, T, H: 1, Hkv: 1, D, window: 2, kScale: 1, vScale: 1, kind: "kf32_vf32" }, [T]);
    let worst = 0;
    exponents.forEach((t, i) => {
      const exact = 2 ** t / (1 + 2 ** t);
      const relative = Math.abs(y[(2 * i + 1) * D]! - exact) / exact;
      worst = Math.max(worst, relative);
      assert.ok(relative <= 2 ** -22.3 + 4 * 2 ** -24, `t = ${t}: relative error ${relative}`);
    });
    assert.is(y[D], 0.5);
    console.log(
      `\nfigure: ${build} attention's 2^t: largest relative error 2^${Math.log2(worst).toFixed(1)} over 4096 exponents`,
    );
  });

  for (const kind of ["kqs8_vqs8", "kqd8_vqd8"] as const) {
    test(`${build} ${kind}: quantizing query and probabilities costs little beside quantizing the cache`, () => {
      const quantized = input(kind, { T: 300, H: 3, Hkv: 1, D: 64 });
      const exact = attentionOracle({ ...quantized, kind: "kf32_vf32" }).y;
      const { y: cacheOnly } = attentionOracle(quantized);
      const cache = rms(cacheOnly, exact);
      const integers = rms(runAttention(build, quantized, [300]).y, cacheOnly);
      console.log(
        `figure: ${build} attention_f32_${kind}, RMS error: cache ${cache.toExponential(1)}, integer arithmetic ${integers.toExponential(1)}`,
      );
      assert.ok(integers < cache / 50, `integer arithmetic adds ${integers}, the cache ${cache}`);
    });
  }

  test(`${build} kqd8_vqd8: tokens of very different sizes, an attention sink of next to no value among them`, () => {
    const [T, H, Hkv, D] = [200, 4, 2, 16];
    const stride = (H + 2 * Hkv) * D;
    const exact = input("kf32_vf32", { T, H, Hkv, D });
    // Keys and values from 2^-12 to 2^3; token 0 draws most of the attention of every row and is worth 2^-20.
    for (let p = 0; p < T; p++) {
      const [k, v] = p === 0 ? [1, 2 ** -20] : [2 ** -((5 * p) % 9), 2 ** (3 - ((7 * p) % 16))];
      const row = exact.qkv.subarray(p * stride, (p + 1) * stride);
      row.forEach((x, i) => (row[i] = i < H * D ? x : i < (H + Hkv) * D ? x * k : x * v));
      row.fill(3, 0, (H * D) / 2);
      if (p === 0) row.fill(3, H * D, (H + Hkv) * D);
    }
    check(build, { ...exact, kind: "kqd8_vqd8" }, [[T], [7]], []);
    const { y } = attentionOracle(exact);
    const [own, one] = (["kqd8_vqd8", "kqs8_vqs8"] as const).map((kind) =>
      rms(runAttention(build, { ...exact, kind }, [T]).y, y),
    );
    console.log(
      `figure: ${build} int8 attention, uneven tokens, RMS error: scales of their own ${own!.toExponential(1)}, one for all ${one!.toExponential(1)}`,
    );
    assert.ok(own! < one! / 4, `scales of their own: ${own}, one scale: ${one}`);
  });

  test(`${build} kqd8_vqd8: values as small and as large as float32 has them`, () => {
    for (const size of [2 ** -149, 2 ** -126, 2 ** -104, 2 ** -100, 2 ** -90, 2 ** 100, 2 ** 112]) {
      const problem = input("kqd8_vqd8", { H: 4, Hkv: 2, D: 16, T: 130 });
      problem.qkv.forEach((x, i) => (problem.qkv[i] = i % 128 < 96 ? x : x * size));
      check(build, problem, [[130]], []);
    }
  });
}

test.run();
