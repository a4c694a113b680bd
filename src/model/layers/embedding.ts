/**
 * The embedding: token ids to the residual stream, multiplied by a number, with learned positions and a norm
 * where the model has them.
 */
import { NULL, offsetBy, type Pointer } from "../../kernels/pointer.ts";
import type { Batch } from "../batch.ts";
import type { WeightLoader } from "../weight-loader.ts";
import type { Planner, Workspace } from "../workspace.ts";
import { copyRows, type Linear } from "./linear.ts";
import { applyNorm, type LoadedNorm, loadNorm, planNorm } from "./norm.ts";
import { turnResidual } from "./online-transforms.ts";

/**
 * The embedding matrix [V, E], packed by channels of which each is a token's row, and what comes after it.
 */
export interface LoadedEmbedding {
  readonly table: Linear;
  /** Rows added by position, f32[positions, E]; 0 for none. */
  readonly positions: Pointer;
  readonly norm: LoadedNorm | undefined;
}

/** @param positions tokens of a sequence, at most */
export function planEmbedding(planner: Planner, table: Linear, positions: number): LoadedEmbedding {
  const { plan, description } = planner;
  const { hiddenSize: E } = description.config;
  const { positions: tensor, embeddingNorm } = description;
  return {
    table,
    positions: tensor === undefined ? NULL : plan.reserve("weights", 4 * positions * E, tensor),
    norm: embeddingNorm && planNorm(planner, embeddingNorm, E),
  };
}

/** Asks for what comes after the table, which the head may share. */
export function loadEmbedding(loader: WeightLoader, space: Workspace, { positions, norm }: LoadedEmbedding): void {
  const { hiddenSize: E } = space.config;
  const tensor = space.description.positions;
  if (tensor !== undefined) loader.matrix(tensor, positions, space.positions, E);
  if (norm) loadNorm(loader, norm, E);
}

/** Writes f32[M, E] to `buffers.hidden` for the ids of a batch. */
export function embed(space: Workspace, { table, positions, norm }: LoadedEmbedding, batch: Batch): void {
  const { kernels, buffers, config } = space;
  const { vocabSize: V, hiddenSize: E, embeddingScale } = config;
  kernels.i32(buffers.ids, batch.rows).set(batch.ids);
  const [{ form, weights, K }] = table.products;
  const kernel = form === "f32w" ? "embed_f32w" : "embed_qc8w";
  const target = K === E ? buffers.hidden : buffers.paddedInput;
  kernels.run[kernel](buffers.ids, weights, target, batch.rows, V, K);
  if (target !== buffers.hidden) copyRows(space, target, buffers.hidden, batch.rows, [K, E]);
  if (embeddingScale !== 1) kernels.split("scale_f32", batch.rows, buffers.hidden, E, Math.fround(embeddingScale));
  if (positions) {
    for (const { begin, rows, position } of batch.spans) {
      kernels.split("add_f32", rows, offsetBy(buffers.hidden, 4 * begin * E), offsetBy(positions, 4 * position * E), E);
    }
  }
  if (norm) applyNorm(space, norm, buffers.hidden, buffers.hidden, batch.rows);
  turnResidual(space, buffers.hidden, buffers.hidden, batch.rows);
}
