/** The chain rule through a linear layer of 4-bit weights with scales to tune. */
import { NULL, type Pointer } from "../../kernels/pointer.ts";
import type { GradientBuffers } from "../gradient-buffers.ts";
import type { Workspace } from "../workspace.ts";
import type { Linear } from "./linear.ts";

/** A layer that is one product, of 4-bit weights: with what is known of that. */
export interface GroupedLinear extends Linear {
  readonly K: number; // equals inFeatures
  readonly groupSize: number;
  readonly codes: "int4" | "fp4";
  readonly weights: Pointer;
}

/** The layer as one with scales to tune; a string says what it is instead. */
export function groupedLinear(linear: Linear): GroupedLinear | string {
  const [{ form, K, groupSize, weights }, ...others] = linear.products;
  if (linear.lowRank) return "low-rank terms";
  if (others.length > 0) return "weights in several forms";
  if (form !== "qb4w" && form !== "qb4fw") return `weights as ${form}`;
  if (K !== linear.inFeatures) return `${linear.inFeatures} in_features`;
  return { ...linear, K, groupSize, codes: form === "qb4fw" ? "fp4" : "int4", weights };
}

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
