/** Weights with a scale and a minimum for each group, as files have them: beside those of kept-weights.ts. */
import { f16ToF32, f32ToF16 } from "../../src/checkpoint/formats/float-formats.ts";
import { affineOracle } from "../oracle/linear.ts";
import { type KeptKind, type KeptWeights, nibbles, type Shape } from "./kept-weights.ts";
import { packToInt32 } from "./packed-weights.ts";

/** w[n, k] = scale[n, k / G] * u[n, k] + minimum[n, k / G], scale and minimum in pairs. */
interface AffineWeights extends Shape {
  u: Uint8Array;
  /** [N, K/G, 2] */
  affine: Float32Array;
}

function qb8aw({ N, K, G, u, affine }: AffineWeights): KeptWeights {
  const groups = K / G;
  return {
    N,
    K,
    G,
    source: { u, affine },
    sumsOf: G,
    packedBytes: (run) => run.packed_bytes_qb8aw(N, K, G),
    pack(kernel, packed, begin, end) {
      const words = packToInt32(Int8Array.from(u.subarray(begin * K, end * K), (value) => value - 128), 8); // prettier-ignore
      const source = kernel.put(words);
      const affineAt = kernel.put(affine.subarray(2 * begin * groups, 2 * end * groups));
      kernel.run.pack_qb8aw(source, affineAt, packed, begin, end - begin, N, K, G);
    },
    gemm: (run, at, M, begin, end) =>
      run.gemm_qd8_f32_qb8aw_x8c4(at.q, at.scales, at.sums, at.w, at.bias, at.y, M, N, K, G, begin, end, at.scratch),
    gemv: (run, at, begin, end) =>
      run.gemv_qd8_f32_qb8aw_1x8c4(at.q, at.scales, at.sums, at.w, at.bias, at.y, N, K, G, begin, end, at.scratch),
    oracle: (rows, bias) => affineOracle(rows, { N, K, G, u, affine }, bias),
  };
}

/** `halves` u16[N, K/G, 2]: the bits of scale and minimum. */
function qb4aw({ N, K, G, u, halves }: Shape & { u: Uint8Array; halves: Uint16Array }): KeptWeights {
  const affine = Float32Array.from(halves, f16ToF32);
  const groups = K / G;
  return {
    N,
    K,
    G,
    source: { u, halves },
    sumsOf: G,
    packedBytes: (run) => run.packed_bytes_qb4aw(N, K, G),
    pack(kernel, packed, begin, end) {
      const source = kernel.put(nibbles(u.subarray(begin * K, end * K)));
      const halvesAt = kernel.put(halves.subarray(2 * begin * groups, 2 * end * groups));
      kernel.run.pack_qb4aw(source, halvesAt, packed, begin, end - begin, N, K, G);
    },
    gemm: (run, at, M, begin, end) =>
      run.gemm_qd8_f32_qb4aw_x8c4(at.q, at.scales, at.sums, at.w, at.bias, at.y, M, N, K, G, begin, end, at.scratch),
    gemv: (run, at, begin, end) =>
      run.gemv_qd8_f32_qb4aw_1x8c4(at.q, at.scales, at.sums, at.w, at.bias, at.y, N, K, G, begin, end, at.scratch),
    oracle: (rows, bias) => affineOracle(rows, { N, K, G, u, affine }, bias),
  };
}

/** Codes below `count`, the first group at one end and the last at the other, one group all the same. */
function randomCodes(random: () => number, { N, K, G }: Shape, count: number): Uint8Array {
  const u = Uint8Array.from({ length: N * K }, () => count * random());
  u.fill(0, 0, G);
  u.fill(count - 1, N * K - G);
  if (N > 2) u.fill(count / 2, K, K + G);
  return u;
}

/** Codes at both ends with scales of both signs and minima without, below and above 0. */
const extremes = (largest: number) =>
  [0, largest].flatMap((code) => [1, -1].flatMap((scale) => [0, -8, 128].map((minimum) => ({ code, scale, minimum }))));

export const QB8AW: KeptKind = {
  name: "qb8aw",
  groups: [16, 32, 64, 128],
  random(random, shape) {
    const { N, K, G } = shape;
    const affine = Float32Array.from({ length: (2 * N * K) / G }, (_, i) => {
      const scale = 10 ** (4 * random() - 5);
      // Minima as a range about zero has them, a few of them positive, some scales negative, one pair 0.
      return i % 2 ? (random() < 0.8 ? -128 : 40) * scale : (random() < 0.8 ? 1 : -1) * scale;
    });
    affine.fill(0, affine.length - 2);
    return qb8aw({ ...shape, u: randomCodes(random, shape, 256), affine });
  },
  extremes: (shape) =>
    extremes(255).map(({ code, scale, minimum }) => ({
      value: scale * code + minimum,
      weights: qb8aw({
        ...shape,
        u: new Uint8Array(shape.N * shape.K).fill(code),
        affine: Float32Array.from({ length: (2 * shape.N * shape.K) / shape.G }, (_, i) => (i % 2 ? minimum : scale)),
      }),
    })),
};

export const QB4AW: KeptKind = {
  name: "qb4aw",
  groups: [32, 64, 96, 128],
  random(random, shape) {
    const { N, K, G } = shape;
    // All finite binary16: both zeros, subnormals, the largest numbers.
    const halves = Uint16Array.from({ length: (2 * N * K) / G }, (_, i) => {
      if (random() < 0.3) return [0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x7bff, 0xfbff][Math.floor(7 * random())]!;
      return f32ToF16((i % 2 ? -8 : 1) * 10 ** (3 * random() - 4));
    });
    return qb4aw({ ...shape, u: randomCodes(random, shape, 16), halves });
  },
  extremes: (shape) =>
    extremes(15).map(({ code, scale, minimum }) => ({
      value: scale * code + minimum,
      weights: qb4aw({
        ...shape,
        u: new Uint8Array(shape.N * shape.K).fill(code),
        halves: Uint16Array.from({ length: (2 * shape.N * shape.K) / shape.G }, (_, i) => f32ToF16(i % 2 ? minimum : scale)),
      }),
    })),
};
