/**
 * The embedding: token ids to the residual stream, multiplied by a number, with learned positions and a norm
 * where the model has them.
 */
import { NULL, offsetBy, type Pointer } from "../../kernels/pointer.ts";
import type { Batch } from "../batch.ts";
import type { WeightLoader } from "../weights/weight-loader.ts";
import type { Planner, Workspace } from "../workspace/workspace.ts";
import type { HeadSpec } from "./head.ts";
import { copyRows, type Linear, multiply, quantizeInput } from "./linear.ts";
import { applyNorm, type LoadedNorm, loadNorm, planNorm } from "./norm.ts";
import { turnResidual } from "./online-transforms.ts";
import { planLinear } from "./plan-linear.ts";

/** The embedding and what comes after it. */
export interface LoadedEmbedding {
  /** [V, W], packed by channels of which each is a token's row. */
  readonly table: Linear;
  /** The linear layer behind it [E, W], if there is one. */
  readonly projection: Linear | undefined;
  /** Rows added by position, f32[positions, E]; 0 for none. */
  readonly positions: Pointer;
  readonly norm: LoadedNorm | undefined;
}

/** @param positions tokens of a sequence, at most */
export function planEmbedding(planner: Planner, spec: HeadSpec, positions: number): LoadedEmbedding {
  const { plan, description } = planner;
  const { hiddenSize: E } = description.config;
  const { positions: tensor, embeddingNorm } = description;
  return {
    table: planLinear(planner, spec.embedding),
    projection: spec.projectIn && planLinear(planner, spec.projectIn),
    positions: tensor === undefined ? NULL : plan.reserve("weights", 4 * positions * E, tensor),
    norm: embeddingNorm && planNorm(planner, embeddingNorm, E),
  };
}

export function loadEmbedding(loader: WeightLoader, space: Workspace, spec: HeadSpec, loaded: LoadedEmbedding): void {
  const { table, projection, positions, norm } = loaded;
  const { hiddenSize: E, positionOffset } = space.config;
  const tensor = space.description.positions;
  loader.linear(spec.embedding, table);
  if (projection) loader.linear(spec.projectIn!, projection);
  if (tensor !== undefined) loader.matrix(tensor, positions, space.positions, E, positionOffset);
  if (norm) loadNorm(loader, norm, E);
}

/** Writes f32[M, E] to `buffers.hidden` for the ids of a batch. */
export function embed(space: Workspace, { table, projection, positions, norm }: LoadedEmbedding, batch: Batch): void {
  const { kernels, buffers, config } = space;
  const { vocabSize: V, hiddenSize: E, embeddingScale } = config;
  kernels.i32(buffers.ids, batch.rows).set(batch.ids);
  const [{ form, weights, K }] = table.products;
  const kernel = form === "f32w" ? "embed_f32w" : "embed_qc8w";
  const { inFeatures: W } = table;
  const embedded = projection ? buffers.embedded : buffers.hidden;
  const target = K === W ? embedded : buffers.paddedInput;
  kernels.run[kernel](buffers.ids, weights, target, batch.rows, V, K);
  if (target !== embedded) copyRows(space, target, embedded, batch.rows, [K, W]);
  if (embeddingScale !== 1) kernels.split("scale_f32", batch.rows, embedded, W, Math.fround(embeddingScale));
  if (projection) project(space, projection, batch.rows);
  if (positions) {
    for (const { begin, rows, position } of batch.spans) {
      kernels.split("add_f32", rows, offsetBy(buffers.hidden, 4 * begin * E), offsetBy(positions, 4 * position * E), E);
    }
  }
  if (norm) applyNorm(space, norm, buffers.hidden, buffers.hidden, batch.rows);
  turnResidual(space, buffers.hidden, buffers.hidden, batch.rows);
}

/** Makes f32[M, E] at `buffers.hidden` of f32[M, W] at `buffers.embedded`. */
export function project(space: Workspace, projection: Linear, M: number): void {
  const { embedded, hidden } = space.buffers;
  quantizeInput(space, projection, embedded, M);
  multiply(space, projection, embedded, hidden, M);
}
