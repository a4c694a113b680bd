/**
 * A linear layer, y[M, N] = x[M, K] * W[N, K]^T + bias[N], in each of the forms this package runs.
 *
 * The projections of a block that share an input are one layer with their rows one after another (q, k, v;
 * gate, up): one pass over the activations, one kernel call, one barrier.
 */
import { NULL, offsetBy, type Pointer } from "../../kernels/pointer.ts";
import { FLOAT8_FORMATS, type Float8Name } from "../../checkpoint/formats/float8.ts";
import type { GradientBuffers } from "../gradient-buffers.ts";
import type { Workspace } from "../workspace.ts";
import { addLowRank, type LowRank } from "./low-rank.ts";

/** How activations become int8 (FPTQ, section 3.3.1): one calibrated scale, or one per token. */
export type ActivationScale = { kind: "static"; scale: number } | { kind: "dynamic" };

/** Rows that go through a GEMV one after another sooner than through a GEMM, which unpacks panels first. */
const GEMV_ROWS = 3;
/** Longer groups might not stay in the 32 bits of a GEMV of 4-bit weights (`gemv-qd8-f32-qb4w.ts`). */
const GEMV_GROUP = 4096;

interface Matrix {
  readonly N: number; // out_features
  /** in_features, with zeros up to whole vectors where integers are multiplied (`paddedInputs`). */
  readonly K: number;
  /** Elements of its input. */
  readonly inFeatures: number;
  /** Packed panels of 8 channels (`assembly/layouts/layout.ts`). */
  readonly weights: Pointer;
  /** f32[N], or 0 for none. */
  readonly bias: Pointer;
  /** Added to the product. Its layer needs its input in floats too. */
  readonly lowRank?: LowRank;
}

export type Linear =
  /** Floats; `inputFormat` is what its input is rounded to first, if anything. */
  | (Matrix & { readonly kind: "f32"; readonly inputFormat: Float8Name | undefined })
  /** 4-bit weights, integers or floats (E2M1), with a scale per group of `groupSize` in_features. */
  | (Matrix & {
      readonly kind: "w4a8";
      readonly codes: "int4" | "fp4";
      readonly groupSize: number;
      readonly activation: ActivationScale;
    })
  /** INT8 weights with a scale per channel. */
  | (Matrix & { readonly kind: "w8a8"; readonly activation: ActivationScale })
  /** INT8 weights with a scale per channel, 14-bit activations with a scale per token: the head. */
  | (Matrix & { readonly kind: "w8a14" });

/** Integer kernels take rows in vectors of 16. */
export function paddedInputs(inFeatures: number): number {
  return 16 * Math.ceil(inFeatures / 16);
}

/**
 * Whether a layer reads its input as floats: it multiplies floats, or has a low-rank term that does, or needs
 * zeros behind them.
 */
export function readsFloats(linear: Linear): boolean {
  return linear.kind === "f32" || linear.lowRank !== undefined || isPadded(linear);
}

function isPadded({ K, inFeatures }: Linear): boolean {
  return K !== inFeatures;
}

/** Copies rows of `from` elements to rows of `to`, cut off or with zeros behind them; not in place. */
export function copyRows(
  { kernels }: Workspace,
  source: Pointer,
  target: Pointer,
  M: number,
  [from, to]: [number, number],
): void {
  const [x, y] = [kernels.f32(source, M * from), kernels.f32(target, M * to)];
  if (to > from) y.fill(0);
  for (let m = 0; m < M; m++) y.set(x.subarray(m * from, m * from + Math.min(from, to)), m * to);
}

/** Quantizes the input of a layer, f32[M, inFeatures] at `input`; nothing to do for a layer in f32. */
export function quantizeInput(space: Workspace, linear: Linear, input: Pointer, M: number): void {
  if (linear.kind === "f32") return;
  const { kernels, buffers } = space;
  let x = input;
  if (isPadded(linear)) {
    x = buffers.paddedInput;
    copyRows(space, input, x, M, [linear.inFeatures, linear.K]);
  }
  const { q, scales, sums } = buffers.activations;
  if (linear.kind === "w8a14") return kernels.split("quantize_f32_qd14", M, x, q, scales, linear.K);
  const { K, activation } = linear;
  const G = groupSize(linear);
  if (activation.kind === "static") kernels.split("quantize_f32_qs8", M, x, q, scales, sums, K, G, activation.scale);
  else kernels.split("quantize_f32_qd8", M, x, q, scales, sums, K, G);
}

/**
 * y = x * W^T + bias over M rows, whose input was made before: by `quantizeInput`, a norm or an activation.
 *
 * @param x f32[M, inFeatures], read by a layer in f32 or with a low-rank term only, and rounded in place
 *   where its input is an 8-bit float
 * @param y f32[M, N]
 */
export function multiply(space: Workspace, linear: Linear, x: Pointer, y: Pointer, M: number): void {
  multiplyWeights(space, linear, x, y, M);
  const { N, inFeatures: K, lowRank } = linear;
  if (lowRank) addLowRank(space, { N, K, lowRank }, x, y, M);
}

function multiplyWeights({ kernels, buffers }: Workspace, linear: Linear, x: Pointer, y: Pointer, M: number): void {
  const { N, K, weights, bias } = linear;
  const { q, scales, sums } = buffers.activations;
  const panels = Math.ceil(N / 8);
  switch (linear.kind) {
    case "f32":
      if (linear.inputFormat) {
        const { mantissaBits, minExponent, largest } = FLOAT8_FORMATS[linear.inputFormat];
        kernels.split("round_f32_f8", M, x, K, mantissaBits, minExponent, largest);
      }
      return kernels.split("gemm_f32_f32_f32w_4x8c1", panels, x, weights, bias, y, M, N, K);
    case "w4a8": {
      const G = linear.groupSize;
      const format = linear.codes === "fp4" ? "qb4fw" : "qb4w";
      if (M > GEMV_ROWS || G > GEMV_GROUP) {
        return kernels.split(`gemm_qd8_f32_${format}_x8c4`, panels, q, scales, sums, weights, bias, y, M, N, K, G);
      }
      for (let m = 0; m < M; m++) {
        const [row, scale, out] = [offsetBy(q, m * K), offsetBy(scales, 4 * m), offsetBy(y, 4 * m * N)];
        const rowSums = offsetBy(sums, (4 * m * K) / G);
        kernels.split(`gemv_qd8_f32_${format}_1x8c4`, panels, row, scale, rowSums, weights, bias, out, N, K, G);
      }
      return;
    }
    case "w8a8":
    case "w8a14": {
      const [input, bytes] = linear.kind === "w8a8" ? (["qd8", 1] as const) : (["qd14", 2] as const);
      if (M > GEMV_ROWS) {
        return kernels.split(`gemm_${input}_f32_qc8w_x8c4`, panels, q, scales, weights, bias, y, M, N, K);
      }
      for (let m = 0; m < M; m++) {
        const [row, scale, out] = [offsetBy(q, bytes * m * K), offsetBy(scales, 4 * m), offsetBy(y, 4 * m * N)];
        kernels.split(`gemv_${input}_f32_qc8w_1x8c4`, panels, row, scale, weights, bias, out, N, K);
      }
    }
  }
}

type Int8InputLinear = Extract<Linear, { readonly activation: ActivationScale }>;

/** Elements of a row whose sum is kept: INT8 weights have one group. */
export function groupSize(linear: Int8InputLinear): number {
  return linear.kind === "w4a8" ? linear.groupSize : linear.K;
}

/** The scale of all rows; 0 stands for one scale per row. */
export function staticScale({ activation }: Int8InputLinear): number {
  return activation.kind === "static" ? activation.scale : 0;
}

/** A linear layer with scales to tune. */
export type GroupedLinear = Extract<Linear, { kind: "w4a8" }>;

/** What the chain rule through a linear layer reads and writes, over M rows. */
export interface LinearGradient {
  readonly x: Pointer; // f32[M, K], its input
  readonly dy: Pointer; // f32[M, N], gradient of its output
  readonly dx: Pointer; // f32[M, K], receives that of its input
  readonly scales: Pointer; // f32[N, K/G], receives those of the logarithms of its scales
}

export function backwardLinear(
  { kernels }: Workspace,
  { N, K, groupSize: G, codes, weights }: GroupedLinear,
  { x, dy, dx, scales }: LinearGradient,
  M: number,
  { transposed, inputColumns, outputColumns, values }: GradientBuffers,
): void {
  kernels.split("transpose_qb4w_f32w", Math.ceil(N / 8), weights, values[codes], transposed, N, K, G);
  kernels.split("pack_columns_f32w", Math.ceil(K / 8), x, inputColumns, M, K);
  kernels.split("pack_columns_f32w", Math.ceil(N / 8), dy, outputColumns, M, N);
  kernels.split("scale_gradient_f32", K / G, outputColumns, inputColumns, transposed, scales, M, N, K, G);
  kernels.split("gemm_f32_f32_f32w_4x8c1", Math.ceil(K / 8), dy, transposed, NULL, dx, M, K, N);
}
