/**
 * A linear layer, y[M, N] = x[M, K] * W[N, K]^T + bias[N], in each of the forms this package runs.
 *
 * The projections of a block that share an input are one layer with their rows one after another (q, k, v; gate, up): one pass
 * over the activations, one kernel call, one barrier.
 */
import type { Pointer } from "../kernels/kernel-exports.ts";
import type { Kernels } from "../kernels/kernels.ts";

/** How activations become int8 (FPTQ, section 3.3.1): one calibrated scale, or one per token. */
export type ActivationScale = { kind: "static"; scale: number } | { kind: "dynamic" };

interface Matrix {
  readonly N: number; // out_features
  readonly K: number; // in_features
  /** Packed panels of 8 channels (`assembly/layout.ts`). */
  readonly weights: Pointer;
  /** f32[N], or 0 for none. */
  readonly bias: Pointer;
}

export type Linear =
  | (Matrix & { readonly kind: "f32" })
  /** INT4 weights with a scale per group of `groupSize` in_features. */
  | (Matrix & { readonly kind: "w4a8"; readonly groupSize: number; readonly activation: ActivationScale })
  /** INT8 weights with a scale per channel. */
  | (Matrix & { readonly kind: "w8a8"; readonly activation: ActivationScale });

/** Where quantized activations of a layer's input live while it runs. */
export interface ActivationBuffers {
  readonly q: Pointer; // i8[M, K]
  readonly scales: Pointer; // f32[M]
  readonly sums: Pointer; // i32[M, K/G]
}

/** y = x * W^T + bias over M rows. @param x f32[M, K] @param y f32[M, N] */
export function applyLinear(
  kernels: Kernels,
  linear: Linear,
  x: Pointer,
  y: Pointer,
  M: number,
  buffers: ActivationBuffers,
): void {
  const { N, K, weights, bias } = linear;
  const panels = Math.ceil(N / 8);
  if (linear.kind === "f32") {
    kernels.split("gemm_f32_f32_f32w_4x8c1", panels, x, weights, bias, y, M, N, K);
    return;
  }
  const { q, scales, sums } = buffers;
  const groupSize = linear.kind === "w4a8" ? linear.groupSize : K;
  if (linear.activation.kind === "static") {
    kernels.split("quantize_f32_qs8", M, x, q, scales, sums, K, groupSize, linear.activation.scale);
  } else {
    kernels.split("quantize_f32_qd8", M, x, q, scales, sums, K, groupSize);
  }
  if (linear.kind === "w4a8") {
    if (M === 1) kernels.split("gemv_qd8_f32_qb4w_1x8c4", panels, q, scales, sums, weights, bias, y, N, K, groupSize);
    else kernels.split("gemm_qd8_f32_qb4w_x8c4", panels, q, scales, sums, weights, bias, y, M, N, K, groupSize);
  } else if (M === 1) kernels.split("gemv_qd8_f32_qc8w_1x8c4", panels, q, scales, weights, bias, y, N, K);
  else kernels.split("gemm_qd8_f32_qc8w_x8c4", panels, q, scales, weights, bias, y, M, N, K);
}
