/** Buffers a forward pass writes, sized once for the largest chunk of rows. */
import type { ModelConfig } from "../architecture/model-config.ts";
import type { Pointer } from "../kernels/kernel-exports.ts";
import type { MemoryPlan } from "../kernels/memory-plan.ts";
import type { ActivationBuffers } from "./linear.ts";
import { planLowRankBuffers } from "./low-rank.ts";

/** Smallest group of in_features that shares a scale: 16 elements fill one vector of int8. */
const MIN_GROUP_SIZE = 16;
/** Tokens of a block of the KV cache (assembly/layouts/layout-kv.ts). */
export const BLOCK_TOKENS = 64;

export interface RunState {
  /** Most rows (tokens) in one chunk. */
  readonly maxRows: number; // M
  readonly ids: Pointer; // i32[M]
  readonly rows: Pointer; // i32[M][2], the row table (kernel-exports.ts)
  readonly blocks: Pointer; // i32[capacity / 64], the block table of the one sequence
  readonly hidden: Pointer; // f32[M, E], the residual stream
  readonly normed: Pointer; // f32[M, E]
  readonly qkv: Pointer; // f32[M, (H + 2 Hkv) * D]
  readonly attended: Pointer; // f32[M, H * D]
  readonly projected: Pointer; // f32[M, E], what o and down add to the residual stream
  readonly gateUp: Pointer; // f32[M, 2 F]
  readonly activated: Pointer; // f32[M, F]
  readonly activations: ActivationBuffers;
}

/**
 * @param capacity tokens in the KV cache
 * @param rank the largest of any layer's low-rank terms
 */
export function planRunState(plan: MemoryPlan, config: ModelConfig, maxRows: number, capacity: number, rank: number): RunState {
  const { hiddenSize: E, heads: H, kvHeads: Hkv, headDim: D, ffnSize: F } = config;
  const maxK = Math.max(E, H * D, F);
  const f32 = (what: string, columns: number) => plan.reserve("scratch", 4 * maxRows * columns, `${what} of ${maxRows} rows`);
  return {
    maxRows,
    ids: f32("token ids", 1),
    rows: f32("positions and block tables", 2),
    blocks: plan.reserve("scratch", 4 * Math.ceil(capacity / BLOCK_TOKENS), `block table of ${capacity} tokens`),
    hidden: f32("hidden states", E),
    normed: f32("normalized states", E),
    qkv: f32("queries, keys and values", (H + 2 * Hkv) * D),
    attended: f32("attention output", H * D),
    projected: f32("projections", E),
    gateUp: f32("gate and up projections", 2 * F),
    activated: f32("activated states", F),
    activations: {
      // Two bytes an element: activations of 14 bits.
      q: plan.reserve("scratch", 2 * maxRows * maxK, "quantized activations"),
      scales: f32("activation scales", 1),
      sums: f32("activation group sums", maxK / MIN_GROUP_SIZE),
      lowRank: rank > 0 ? planLowRankBuffers(plan, maxRows, rank, Math.max((H + 2 * Hkv) * D, 2 * F, E)) : undefined,
    },
  };
}
