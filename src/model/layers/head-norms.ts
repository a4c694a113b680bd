/** Norms of queries and keys, before they turn. */
import type { Block, HeadNorm } from "../../architecture/description.ts";
import { NULL, offsetBy, type Pointer } from "../../kernels/pointer.ts";
import type { GradientBuffers } from "../gradient-buffers.ts";
import type { WeightLoader } from "../weights/weight-loader.ts";
import type { Planner, Workspace } from "../workspace/workspace.ts";

/** The weights of a block's norms of q and k; NULL for none. */
export interface HeadNormWeights {
  readonly queryNorm: Pointer;
  readonly keyNorm: Pointer;
}

const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);

export function planHeadNorm({ plan }: Planner, norm: HeadNorm | undefined): Pointer {
  if (!norm) return NULL;
  const elements = norm.weights.reduce((sum, { shape }) => sum + size(shape), 0);
  return plan.reserve("weights", 4 * elements, norm.weights.map(({ tensor }) => tensor).join(", "));
}

export function loadHeadNorm(loader: WeightLoader, { weights }: HeadNorm, pointer: Pointer): void {
  let at = pointer;
  for (const { tensor, shape } of weights) {
    loader.floats(tensor, at, shape);
    at = offsetBy(at, 4 * size(shape));
  }
}

/** Normalizes queries and keys, where the model has norms for them. */
export function normalizeHeads(
  { kernels, config, buffers }: Workspace,
  { queryNorm, keyNorm }: Pick<Block, "queryNorm" | "keyNorm">,
  weights: HeadNormWeights,
  M: number,
): void {
  const { heads: H, headDim: D, rmsNormEps: eps } = config;
  const { qkv, qkvStride } = buffers;
  const normalize = (x: Pointer, weight: Pointer, { kind, parts, width }: HeadNorm) =>
    kernels.split(kind === "rms" ? "rmsnorm_heads_f32" : "layernorm_heads_f32", M, x, weight, parts, width, qkvStride, eps);
  if (queryNorm) normalize(qkv, weights.queryNorm, queryNorm);
  if (keyNorm) normalize(offsetBy(qkv, 4 * H * D), weights.keyNorm, keyNorm);
}

/**
 * The chain rule through the norms of queries and keys, for M rows of `gradients.qkv` from position 0;
 * nothing without norms. `gradients.projected` has queries and keys as they were before.
 */
export function backwardHeadNorms(
  { kernels, config, buffers }: Workspace,
  { queryNorm, keyNorm }: Pick<Block, "queryNorm" | "keyNorm">,
  weights: HeadNormWeights,
  M: number,
  { projected, qkv, heads, norms }: GradientBuffers,
): void {
  if (!queryNorm || !keyNorm) return;
  const { heads: H, kvHeads: Hkv, headDim: D, rmsNormEps: eps } = config;
  kernels.f32(norms.query, queryNorm.width).fill(0);
  kernels.f32(norms.key, keyNorm.width).fill(0);
  const elements = (H + Hkv) * D;
  const dx = kernels.f32(heads, elements);
  for (let m = 0; m < M; m++) {
    const row = 4 * m * buffers.qkvStride;
    const [x, dy] = [offsetBy(projected, row), offsetBy(qkv, row)];
    dx.fill(0);
    const back = (offset: number, { parts, width }: HeadNorm, weight: Pointer, gradient: Pointer) => {
      const [from, of, to] = [offsetBy(x, offset), offsetBy(dy, offset), offsetBy(heads, offset)];
      kernels.run.rmsnorm_backward_f32(from, weight, of, to, gradient, parts, width, eps);
    };
    back(0, queryNorm, weights.queryNorm, norms.query);
    back(4 * H * D, keyNorm, weights.keyNorm, norms.key);
    kernels.f32(dy, elements).set(dx);
  }
}
