/** The loss, KL(teacher || student) of the next token's distribution, averaged over rows, and the chain rule from there to the last block. */
import type { ModelConfig } from "../architecture/model-config.ts";
import type { KernelExports } from "../kernels/kernel-exports.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { MemoryPlan } from "../kernels/memory-plan.ts";
import { NULL, offsetBy, type Pointer } from "../kernels/pointer.ts";
import { type Linear, multiply, normInput } from "../model/linear.ts";
import type { RunState } from "../model/run-state.ts";
import type { GradientBuffers } from "./gradient-buffers.ts";

/** Rows whose logits are in memory at a time: two times 12 MB for a vocabulary of 49152. */
const LOGITS_ROWS = 64;

export interface Head {
  readonly finalNorm: Pointer; // f32[E]
  readonly head: Linear; // [V, E]
}

export interface LossBuffers {
  readonly teacherLogits: Pointer; // f32[rows, V]
  readonly logits: Pointer; // f32[rows, V]
  /** The teacher's head as f32w panels of [E, V]; rounding the student's to int8 counts as if it were not. */
  readonly transposedHead: Pointer;
}

export function planLoss(plan: MemoryPlan, sizes: KernelExports, { vocabSize: V, hiddenSize: E }: ModelConfig): LossBuffers {
  return {
    teacherLogits: plan.reserve("scratch", 4 * LOGITS_ROWS * V, `logits of ${LOGITS_ROWS} rows`),
    logits: plan.reserve("scratch", 4 * LOGITS_ROWS * V, `logits of ${LOGITS_ROWS} rows`),
    transposedHead: plan.reserve("weights", sizes.packed_bytes_f32w(E, V) >>> 0, "transposed head"),
  };
}

/**
 * @param teacherHidden f32[M, E], the float model's residual stream behind its last layer
 * @param gradients `hidden` receives the gradient of f32[M, E] in `state.hidden`, `norms.final` that of the student's norm
 * @returns the loss in nats
 */
export function backwardHead(
  kernels: Kernels,
  { vocabSize: V, hiddenSize: E, rmsNormEps: eps }: ModelConfig,
  teacher: Head,
  student: Head,
  teacherHidden: Pointer,
  state: RunState,
  M: number,
  { hidden, normed, norms }: GradientBuffers,
  { teacherLogits, logits, transposedHead }: LossBuffers,
): number {
  kernels.f32(hidden, M * E).fill(0);
  kernels.f32(norms.final, E).fill(0);
  let loss = 0;
  for (let row = 0; row < M; row += LOGITS_ROWS) {
    const rows = Math.min(LOGITS_ROWS, M - row);
    const offset = 4 * row * E;
    const logitsOf = ({ finalNorm, head }: Head, of: Pointer, to: Pointer) => {
      const norm = { hidden: offsetBy(of, offset), residual: NULL, weight: finalNorm, eps };
      normInput(kernels, head, norm, state.normed, rows, state.activations);
      multiply(kernels, head, state.normed, to, rows, state.activations);
    };
    logitsOf(teacher, teacherHidden, teacherLogits);
    logitsOf(student, state.hidden, logits);
    for (let m = 0; m < rows; m++) {
      loss += kernels.run.kl_divergence_f32(offsetBy(teacherLogits, 4 * m * V), offsetBy(logits, 4 * m * V), V);
    }
    kernels.split("kl_gradient_f32", rows, teacherLogits, logits, 1 / M, V);
    kernels.split("gemm_f32_f32_f32w_4x8c1", Math.ceil(E / 8), logits, transposedHead, NULL, normed, rows, E, V);
    const [x, dx] = [offsetBy(state.hidden, offset), offsetBy(hidden, offset)];
    kernels.run.rmsnorm_backward_f32(x, student.finalNorm, normed, dx, norms.final, rows, E, eps);
  }
  return loss / M;
}
