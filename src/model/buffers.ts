/** Buffers a forward pass writes, sized once for the largest number of rows. */
import type { Pointer } from "../kernels/kernel-exports.ts";
import { widestInput } from "../architecture/description.ts";
import type { ActivationBuffers } from "./layers/linear.ts";
import { planLowRankBuffers } from "./layers/low-rank.ts";
import type { Planner } from "./workspace.ts";

/** Smallest group of in_features that shares a scale: 16 elements fill one vector of int8. */
const MIN_GROUP_SIZE = 16;

export interface Buffers {
  /** Most rows (tokens) of a pass. */
  readonly maxRows: number; // M
  readonly ids: Pointer; // i32[M]
  readonly rows: Pointer; // i32[M, 2], the row table (`batch.ts`)
  readonly hidden: Pointer; // f32[M, E], the residual stream
  readonly normed: Pointer; // f32[M, E]
  readonly qkv: Pointer; // f32[M, qkvStride]: H heads of queries, Hkv of keys, Hkv of values, and what else reads the same norm
  readonly qkvStride: number;
  readonly attended: Pointer; // f32[M, H * D]
  readonly projected: Pointer; // f32[M, E], what o and down add to the residual stream
  readonly up: Pointer; // f32[M, upStride]: gate and up, or up alone; within `qkv` where one norm feeds both
  readonly upStride: number;
  readonly activated: Pointer; // f32[M, F]
  readonly activations: ActivationBuffers;
}

/** @param rank the largest of any layer's low-rank terms */
export function planBuffers(planner: Planner, maxRows: number, rank: number): Buffers {
  const { plan, description } = planner;
  const { hiddenSize: E, heads: H, kvHeads: Hkv, headDim: D, ffnSize: F } = description.config;
  const maxK = widestInput(description);
  const widths = new Map(
    description.blocks[0]!.inputs.map(({ name, modules }) => [name, modules.reduce((sum, { outFeatures }) => sum + outFeatures, 0)]),
  );
  const f32 = (what: string, columns: number) => plan.reserve("scratch", 4 * maxRows * columns, `${what} of ${maxRows} rows`);
  const qkvStride = widths.get("qkv")!;
  const qkv = f32("queries, keys and values", qkvStride);
  const upStride = widths.get("up") ?? qkvStride;
  return {
    maxRows,
    ids: f32("token ids", 1),
    rows: f32("row table", 2),
    hidden: f32("hidden states", E),
    normed: f32("normalized states", E),
    qkv,
    qkvStride,
    attended: f32("attention output", H * D),
    projected: f32("projections", E),
    up: widths.has("up") ? f32("gate and up projections", upStride) : qkv + 4 * (H + 2 * Hkv) * D,
    upStride,
    activated: f32("activated states", F),
    activations: {
      // Two bytes an element: activations of 14 bits.
      q: plan.reserve("scratch", 2 * maxRows * maxK, "quantized activations"),
      scales: f32("activation scales", 1),
      sums: f32("activation group sums", maxK / MIN_GROUP_SIZE),
      lowRank: rank > 0 ? planLowRankBuffers(planner, maxRows, rank, Math.max(...widths.values())) : undefined,
    },
  };
}
