/**
 * The chain rule through a linear layer (`linear.ts`): to its input, and to those of its numbers whose
 * gradients are wanted.
 */
import { NULL, type Pointer } from "../../kernels/pointer.ts";
import type { GradientBuffers, LinearGradients, LowRankScratch } from "../gradient-buffers.ts";
import type { Workspace } from "../workspace/workspace.ts";
import { type ActivationScale, type Linear } from "./linear.ts";
import type { LowRank } from "./low-rank.ts";

const FORMS = ["f32w", "qb4w", "qb4fw", "qc8w"] as const;
export type DifferentiableForm = (typeof FORMS)[number];

/** A layer that is one product, of weights that can be transposed: with what is known of that. */
export interface DifferentiableLinear extends Linear {
  readonly form: DifferentiableForm;
  readonly K: number; // equals inFeatures
  /** k that share a scale; K for a channel's. */
  readonly groupSize: number;
  readonly weights: Pointer;
  /** How its input becomes int8; undefined where it stays float. */
  readonly activation: ActivationScale | undefined;
}

/** The layer as one that has a gradient; a string says why it has none. */
export function differentiableLinear(linear: Linear): DifferentiableLinear | string {
  const [{ form, input, K, groupSize, weights, order }, ...others] = linear.products;
  if (others.length > 0) return "weights in several forms";
  const known = FORMS.find((each) => each === form);
  if (known === undefined) return `weights as ${form}`;
  if (input.kind === "qd14") return "inputs of 14 bits";
  if (input.kind === "f32" && input.rounding) return `inputs rounded to ${input.rounding.kind}`;
  if (input.kind === "qd8" && input.activation.kind === "static" && input.activation.bits === 4) return "inputs of 4 bits";
  if (order) return "weights whose columns are in another order";
  if (K !== linear.inFeatures) return `${linear.inFeatures} in_features`;
  const activation = input.kind === "qd8" ? input.activation : undefined;
  return { ...linear, form: known, K, groupSize: known === "qc8w" ? K : groupSize, weights, activation };
}

/** The scale all rows of a static input share; 0 for any other. */
function staticScale({ activation }: DifferentiableLinear): number {
  return activation?.kind === "static" ? activation.scale : 0;
}

/** What the chain rule through a linear layer reads and writes, over M rows. */
export interface LinearGradient {
  readonly x: Pointer; // f32[M, K], its input
  readonly dy: Pointer; // f32[M, N], gradient of its output
  readonly dx: Pointer; // f32[M, K], receives that of its input
  readonly gradients: LinearGradients;
}

/**
 * What an int8 input is rounded to counts as the input itself; where its range is trained, what lies beyond
 * the range has no part in it.
 */
export function backwardLinear(
  space: Workspace,
  linear: DifferentiableLinear,
  { x, dy, dx, gradients }: LinearGradient,
  M: number,
  buffers: GradientBuffers,
): void {
  const { kernels } = space;
  const { N, K, bias } = linear;
  const { transposed, inputColumns, roundedInput, outputColumns, outputRows, ones } = buffers;
  transposeWeights(space, linear, buffers);
  const scale = staticScale(linear);
  const hasRange = gradients.range && scale > 0;
  if (hasRange) kernels.split("round_range_f32", M, x, roundedInput, K, K, scale);
  kernels.split("pack_columns_f32w", Math.ceil(K / 8), hasRange ? roundedInput : x, inputColumns, M, K);
  kernels.split("pack_columns_f32w", Math.ceil(N / 8), dy, outputColumns, M, N);
  if (gradients.scales && linear.form !== "f32w") {
    const G = linear.groupSize;
    const [groups, to] = [K / G, gradients.scales];
    kernels.split("scale_gradient_f32", groups, outputColumns, inputColumns, transposed, to, M, N, K, G);
  }
  if (gradients.bias && bias) {
    kernels.split("gemm_f32_f32_f32w_4x8c1", Math.ceil(N / 8), ones, outputColumns, NULL, gradients.bias, 1, N, M);
  }
  if (outputRows) kernels.split("transpose_f32", M, dy, outputRows, M, N);
  if (gradients.weights) {
    kernels.split("gemm_f32_f32_f32w_4x8c1", Math.ceil(K / 8), outputRows, inputColumns, NULL, gradients.weights, N, K, M);
  }
  kernels.split("gemm_f32_f32_f32w_4x8c1", Math.ceil(K / 8), dy, transposed, NULL, dx, M, K, N);
  if (hasRange) kernels.split("range_gradient_f32", M, x, dx, gradients.range, K, K, scale);
  if (!linear.lowRank) return;
  if (hasRange) kernels.split("pack_columns_f32w", Math.ceil(K / 8), x, inputColumns, M, K);
  backwardLowRank(space, linear, linear.lowRank, { x, dy, dx, gradients }, M, buffers);
}

function transposeWeights({ kernels }: Workspace, linear: DifferentiableLinear, { transposed, values }: GradientBuffers): void {
  const { N, K, weights } = linear;
  const panels = Math.ceil(N / 8);
  switch (linear.form) {
    case "qb4w":
    case "qb4fw":
      return kernels.split("transpose_qb4w_f32w", panels, weights, values[linear.form], transposed, N, K, linear.groupSize);
    case "qc8w":
      return kernels.split("transpose_qc8w_f32w", panels, weights, transposed, N, K);
    case "f32w":
      return kernels.split("transpose_f32w_f32w", panels, weights, transposed, N, K);
  }
}

/**
 * Through y += (x A^T) B^T, whose input is not rounded: with u = x A^T and v = dy B,
 *
 *   dB[n,r] = sum of dy[m,n] u[m,r]        dA[r,k] = sum of v[m,r] x[m,k]        dx += v A
 */
function backwardLowRank(
  { kernels }: Workspace,
  { N, K }: DifferentiableLinear,
  { rank: R, a, b }: LowRank,
  { x, dy, dx, gradients }: LinearGradient,
  M: number,
  { inputColumns, outputRows, lowRank }: GradientBuffers,
): void {
  const { inner, outer, transposed, columns, rows, added } = lowRank as LowRankScratch;
  const [panelsR, panelsK] = [Math.ceil(R / 8), Math.ceil(K / 8)];
  kernels.split("transpose_f32w_f32w", Math.ceil(N / 8), b, transposed, N, R);
  kernels.split("gemm_f32_f32_f32w_4x8c1", panelsR, dy, transposed, NULL, outer, M, R, N);
  if (gradients.lowRank) {
    kernels.split("gemm_f32_f32_f32w_4x8c1", panelsR, x, a, NULL, inner, M, R, K);
    kernels.split("pack_columns_f32w", panelsR, inner, columns, M, R);
    kernels.split("gemm_f32_f32_f32w_4x8c1", panelsR, outputRows, columns, NULL, gradients.lowRank.b, N, R, M);
    kernels.split("transpose_f32", M, outer, rows, M, R);
    kernels.split("gemm_f32_f32_f32w_4x8c1", panelsK, rows, inputColumns, NULL, gradients.lowRank.a, R, K, M);
  }
  kernels.split("transpose_f32w_f32w", panelsR, a, transposed, R, K);
  kernels.split("gemm_f32_f32_f32w_4x8c1", panelsK, outer, transposed, NULL, added, M, K, R);
  kernels.split("add_f32", M, dx, added, K);
}
