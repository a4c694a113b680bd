/** Where logits are written, and what is computed from them. */
import type { Pointer } from "../kernels/kernel-exports.ts";
import type { MemoryPlan } from "../kernels/memory-plan.ts";

/** Of the rows of a chunk, how many have their logits computed together when all are wanted: a row of them is much longer. */
const SHARE = 1 / 8;

export interface LogitsBuffers {
  readonly logitsRows: number; // R
  readonly logits: Pointer; // f32[R, V]
  readonly probabilities: Pointer; // f32[V], also the logits of another model
  readonly targets: Pointer; // i32[R]
  readonly losses: Pointer; // f64[R]
}

/** @param maxRows tokens in a chunk, at most */
export function planLogits(plan: MemoryPlan, vocabSize: number, maxRows: number): LogitsBuffers {
  const logitsRows = Math.ceil(maxRows * SHARE);
  return {
    logitsRows,
    logits: plan.reserve("scratch", 4 * logitsRows * vocabSize, "logits"),
    probabilities: plan.reserve("scratch", 4 * vocabSize, "probabilities"),
    targets: plan.reserve("scratch", 4 * logitsRows, "targets"),
    losses: plan.reserve("scratch", 8 * logitsRows, "losses"),
  };
}
