/**
 * The loss (`loss.ts`), averaged over rows, and the chain rule from there to the last block.
 */
import { NULL, offsetBy, type Pointer } from "../kernels/pointer.ts";
import type { GradientBuffers } from "../model/gradient-buffers.ts";
import { type LoadedHead, multiplyHead } from "../model/layers/head.ts";
import { backwardNorm } from "../model/layers/norm.ts";
import type { Planner, Workspace } from "../model/workspace/workspace.ts";
import type { LossKind } from "./loss.ts";

/** Rows whose logits are in memory at a time: two times 12 MB for a vocabulary of 49152. */
const LOGITS_ROWS = 64;

/** Both models' heads, and what the teacher's reads. */
export interface HeadPair {
  readonly teacher: LoadedHead;
  readonly student: LoadedHead;
  readonly teacherHidden: Pointer; // f32[M, E], the float model's residual stream behind its last layer
}

export interface LossBuffers {
  readonly teacherLogits: Pointer; // f32[rows, V]
  readonly logits: Pointer; // f32[rows, V]
  readonly losses: Pointer; // f64[rows]
  /** The teacher's head as f32w panels of [E, V]; rounding the student's to int8 counts as if it were not. */
  readonly transposedHead: Pointer;
}

export function planLoss({ plan, sizes, config }: Planner): LossBuffers {
  const { vocabSize: V, hiddenSize: E } = config;
  return {
    teacherLogits: plan.reserve("scratch", 4 * LOGITS_ROWS * V, `logits of ${LOGITS_ROWS} rows`),
    logits: plan.reserve("scratch", 4 * LOGITS_ROWS * V, `logits of ${LOGITS_ROWS} rows`),
    losses: plan.reserve("scratch", 8 * LOGITS_ROWS, "losses of rows"),
    transposedHead: plan.reserve("weights", sizes.packed_bytes_f32w(E, V) >>> 0, "transposed head"),
  };
}

/** One sample behind the last block, and what its loss is. */
export interface HeadTask {
  readonly heads: HeadPair;
  readonly M: number;
  readonly loss: LossKind;
}

/**
 * @param gradients `hidden` receives the gradient of f32[M, E] in `buffers.hidden`, `norms.final` that of the
 *   student's norm
 * @returns the loss in nats
 */
export function backwardHead(space: Workspace, task: HeadTask, gradients: GradientBuffers, loss: LossBuffers): number {
  const { kernels, buffers, config } = space;
  const { vocabSize: V, hiddenSize: E } = config;
  const { hidden, normed, norms } = gradients;
  const { logits, transposedHead } = loss;
  kernels.f32(hidden, task.M * E).fill(0);
  kernels.f32(norms.final, E).fill(0);
  return sumOverRows(space, task, loss, (row, rows) => {
    kernels.split("gemm_f32_f32_f32w_4x8c1", Math.ceil(E / 8), logits, transposedHead, NULL, normed, rows, E, V);
    const [x, dx] = [offsetBy(buffers.hidden, 4 * row * E), offsetBy(hidden, 4 * row * E)];
    backwardNorm(space, task.heads.student.norm!, { x, dy: normed, dx, weight: norms.final }, rows);
  });
}

/** The loss alone, in nats. */
export function headLoss(space: Workspace, task: HeadTask, loss: LossBuffers): number {
  return sumOverRows(space, task, loss, () => {});
}

/** @param then called for some rows at a time, when `logits` has the gradients of their logits */
function sumOverRows(
  space: Workspace,
  { heads: { teacher, student, teacherHidden }, M, loss: kind }: HeadTask,
  { teacherLogits, logits, losses }: LossBuffers,
  then: (row: number, rows: number) => void,
): number {
  const { kernels, buffers, config } = space;
  const { vocabSize: V, hiddenSize: E } = config;
  let loss = 0;
  for (let row = 0; row < M; row += LOGITS_ROWS) {
    const rows = Math.min(LOGITS_ROWS, M - row);
    const offset = 4 * row * E;
    multiplyHead(space, teacher, offsetBy(teacherHidden, offset), teacherLogits, rows);
    multiplyHead(space, student, offsetBy(buffers.hidden, offset), logits, rows);
    if (kind === "kl") {
      for (let m = 0; m < rows; m++) {
        loss += kernels.run.kl_divergence_f32(offsetBy(teacherLogits, 4 * m * V), offsetBy(logits, 4 * m * V), V);
      }
      kernels.split("kl_gradient_f32", rows, teacherLogits, logits, 1 / M, V);
    } else {
      kernels.split("jsd_gradient_f32", rows, teacherLogits, logits, losses, 1 / M, V);
      for (const value of kernels.f64(losses, rows)) loss += value;
    }
    then(row, rows);
  }
  return loss / M;
}
