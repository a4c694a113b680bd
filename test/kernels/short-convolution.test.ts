import { suite } from "uvu";
import { NULL, offsetBy } from "../../src/kernels/pointer.ts";
import { assertSameBits, assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { shortConvolution } from "../oracle/short-convolution.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const SEED = 47;
const test = suite(`short convolution (seed ${SEED})`);
const gaussian = normal(mulberry32(SEED));
const BLOCK = 64;

interface Sequence {
  /** Numbers of its blocks. */
  readonly blocks: readonly number[];
  /** B, C and u of each token, f32[S, stride]. */
  readonly x: Float32Array;
}

interface Shape {
  readonly E: number;
  readonly K: number;
  readonly stride: number;
}

/** Appends and convolves in chunks, chunk after chunk of all sequences together; f32[S, E] of each. */
function convolve(
  sequences: readonly Sequence[],
  { E, K, stride }: Shape,
  weight: Float32Array,
  bias: Float32Array | undefined,
  chunk: number,
): Float32Array {
  const lengths = sequences.map(({ x }) => x.length / stride);
  return onBothBuilds(`E=${E} K=${K} chunk=${chunk}`, (kernels) => {
    const cache = kernels.put(fill(6 * BLOCK * E, () => Number.NaN));
    const [weightAt, biasAt] = [kernels.put(weight), bias ? kernels.put(bias, 4) : NULL];
    const tables = sequences.map(({ blocks }) => kernels.put(Int32Array.from(blocks)));
    const results = sequences.map((_, i) => new Float32Array(lengths[i]! * E));
    for (let begin = 0; begin < Math.max(...lengths); begin += chunk) {
      const parts = sequences.map((_, i) => Math.max(0, Math.min(chunk, lengths[i]! - begin)));
      const M = parts.reduce((sum, rows) => sum + rows, 0);
      const x = new Float32Array(M * stride);
      const rows = new Int32Array(2 * M);
      let row = 0;
      for (const [i, count] of parts.entries()) {
        x.set(sequences[i]!.x.subarray(begin * stride, (begin + count) * stride), row * stride);
        for (let m = 0; m < count; m++, row++) rows.set([begin + m, tables[i]!], 2 * row);
      }
      const [xAt, rowsAt, y] = [kernels.put(x, 4 * (E % 4)), kernels.put(rows), kernels.region(4 * M * E)];
      const middle = M >> 1;
      kernels.run.append_gated_f32(xAt, cache, rowsAt, stride, E, middle, M);
      kernels.run.append_gated_f32(xAt, cache, rowsAt, stride, E, 0, middle);
      kernels.run.convolve_f32(xAt, cache, weightAt, biasAt, y, rowsAt, stride, E, K, middle, M);
      kernels.run.convolve_f32(xAt, cache, weightAt, biasAt, y, rowsAt, stride, E, K, 0, middle);
      let at = 0;
      for (const [i, count] of parts.entries()) {
        if (count > 0) results[i]!.set(kernels.f32(offsetBy(y, 4 * at * E), count * E), begin * E);
        at += count;
      }
    }
    const all = new Float32Array(results.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const result of results) {
      all.set(result, at);
      at += result.length;
    }
    return all;
  });
}

test("equals the definition for every tail of channels and kernel, across blocks, whatever the chunks", () => {
  for (const [E, K, extra] of [
    [1, 3, 0], [2, 3, 1], [3, 2, 0], [4, 1, 0], [5, 3, 2], [7, 4, 0], [8, 3, 0], [64, 3, 8],
  ] as const) {
    const stride = 3 * E + extra;
    const sequence = (S: number, ...blocks: number[]): Sequence => ({ blocks, x: fill(S * stride, gaussian) });
    const sequences = [sequence(130, 4, 1, 0), sequence(1, 3), sequence(65, 5, 2)];
    const weight = fill(K * E, gaussian);
    for (const bias of [undefined, fill(E, gaussian)]) {
      const whole = convolve(sequences, { E, K, stride }, weight, bias, 130);
      for (const chunk of [1, 7, 64]) assertSameBits(convolve(sequences, { E, K, stride }, weight, bias, chunk), whole, `chunks of ${chunk}`);
      let at = 0;
      for (const { x } of sequences) {
        const S = x.length / stride;
        for (let e = 0; e < E; e++) {
          const part = (first: number) => Array.from({ length: S }, (_, t) => x[t * stride + first + e]!);
          const weights = Array.from({ length: K }, (_, k) => weight[k * E + e]!);
          const expected = shortConvolution({ b: part(0), c: part(E), u: part(2 * E), weights, bias: bias?.[e] ?? 0 });
          const found = Float32Array.from({ length: S }, (_, t) => whole[at + t * E + e]!);
          // v, product, and at most K + 1 sums and the gate: each rounds a part of the magnitude.
          const bound = (t: number) => 0.5 * (K + 4) * F32_EPSILON * expected[t]!.magnitude + 2 ** -149;
          assertWithin(found, Float64Array.from(expected, ({ value }) => value), bound, `E=${E} K=${K} channel ${e}`);
        }
        at += S * E;
      }
    }
  }
}); // prettier-ignore

test("two sequences may share a block, and zeros stay zeros", () => {
  const [E, K, stride] = [6, 3, 18];
  const x = fill(70 * stride, gaussian);
  const weight = fill(K * E, gaussian);
  const [one, other] = [x.slice(), x.slice()];
  other.fill(0, 66 * stride);
  const apart = [one, other].map((values, i) => convolve([{ blocks: [0, 1 + i], x: values }], { E, K, stride }, weight, undefined, 70)); // prettier-ignore
  const together = convolve([{ blocks: [0, 1], x: one }, { blocks: [0, 2], x: other }], { E, K, stride }, weight, undefined, 70); // prettier-ignore
  assertSameBits(together, Float32Array.of(...apart[0]!, ...apart[1]!), "together");
  assertSameBits(
    apart[1]!.slice(68 * E).map(Math.abs),
    fill(2 * E, () => 0),
    "zeros",
  );
});

test.run();
