/**
 * Where logits are written, and what is computed from them in wasm, where its last bit is the same
 * everywhere.
 */
import type { Kernels } from "../kernels/kernels.ts";
import type { Pointer } from "../kernels/pointer.ts";
import type { LogitsBlock } from "./forward-pass.ts";
import type { Planner } from "./workspace/workspace.ts";

/** Share of the rows of a chunk whose logits are computed together: a row of them is much longer. */
const SHARE = 1 / 8;

export interface LogitsBuffers {
  readonly rows: number; // R
  readonly values: Pointer; // f32[R, V]
  readonly probabilities: Pointer; // f32[V], also the logits of another model
  readonly targets: Pointer; // i32[R]
  readonly losses: Pointer; // f64[R]
}

/** @param maxRows tokens in a chunk, at most */
export function planLogits({ plan, config }: Planner, maxRows: number): LogitsBuffers {
  const { vocabSize: V } = config;
  const rows = Math.ceil(maxRows * SHARE);
  return {
    rows,
    values: plan.reserve("scratch", 4 * rows * V, "logits"),
    probabilities: plan.reserve("scratch", 4 * V, "probabilities"),
    targets: plan.reserve("scratch", 4 * rows, "targets"),
    losses: plan.reserve("scratch", 8 * rows, "losses"),
  };
}

export class LogitsFunctions {
  readonly #kernels: Kernels;
  readonly #buffers: LogitsBuffers;

  constructor(kernels: Kernels, buffers: LogitsBuffers) {
    this.#kernels = kernels;
    this.#buffers = buffers;
  }

  softmax(logits: Float32Array, temperature: number): Float32Array {
    const { probabilities } = this.#buffers;
    this.#kernels.run.softmax_f32(this.#place(logits), probabilities, logits.length, temperature);
    return this.#kernels.f32(probabilities, logits.length);
  }

  argmax(logits: Float32Array): number {
    return this.#kernels.run.argmax_f32(this.#place(logits), logits.length);
  }

  /** @returns f64[rows], for each row of a block the negative log-likelihood of its target in nats */
  crossEntropy({ values, pointer, rows }: LogitsBlock, targets: ArrayLike<number>): Float64Array {
    const { targets: staged, losses } = this.#buffers;
    this.#kernels.i32(staged, rows).set(targets);
    this.#kernels.split("cross_entropy_f32", rows, pointer, staged, losses, values.length / rows);
    return this.#kernels.f64(losses, rows).slice();
  }

  klDivergence(base: Float32Array, logits: Float32Array): number {
    const { probabilities } = this.#buffers;
    this.#kernels.f32(probabilities, base.length).set(base);
    return this.#kernels.run.kl_divergence_f32(probabilities, this.#place(logits), logits.length);
  }

  /**
   * Logits changed by the caller are copied back to where kernels can read them; a view of them already is
   * there.
   */
  #place(logits: Float32Array): Pointer {
    if (logits.buffer === this.#kernels.memory.buffer) return logits.byteOffset as Pointer;
    this.#kernels.f32(this.#buffers.values, logits.length).set(logits);
    return this.#buffers.values;
  }
}
