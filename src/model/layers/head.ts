/**
 * The head: the residual stream to logits. It is often one matrix with the embedding: what is stored, how it
 * runs, and when bytes are shared.
 */
import { NULL, type Pointer } from "../../kernels/pointer.ts";
import { describeModel, type Description } from "../../architecture/description.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { Precision, WeightPrecision } from "../precision.ts";
import type { WeightLoader } from "../weights/weight-loader.ts";
import type { Planner, Workspace } from "../workspace/workspace.ts";
import { type LinearSpec, readLinearSpec } from "./linear-spec.ts";
import { type Linear, multiply, quantizeInput } from "./linear.ts";
import { type LoadedNorm, loadNorm, normInput, planNorm, streamInput } from "./norm.ts";
import { turnedBack } from "./online-transforms.ts";
import { planLinear } from "./plan-linear.ts";

export interface HeadSpec {
  readonly embedding: LinearSpec;
  /** undefined for a model without a head */
  readonly head: LinearSpec | undefined;
  /** What stands between the embedding and the blocks, and between these and the head, if anything. */
  readonly projectIn: LinearSpec | undefined;
  readonly projectOut: LinearSpec | undefined;
  /** Whether the head reads the embedding's packed bytes: the two are tied and have one precision. */
  readonly shared: boolean;
}

export interface LoadedHead {
  /** The final one. */
  readonly norm: LoadedNorm | undefined;
  /** [W, E] */
  readonly projection: Linear | undefined;
  /** [V, W]; undefined for a model without a head. */
  readonly linear: Linear | undefined;
}

/**
 * @param precision of the head; undefined follows the checkpoint: int8 where it is stored in 8 bits, or
 *   quantized and `weights` are kept. Its input then has 14 bits, so floats are rounded anew, by channels.
 */
export async function readHeadSpec(
  checkpoint: Checkpoint,
  precision: Precision | undefined,
  weights: WeightPrecision = "f32",
): Promise<HeadSpec> {
  const { embedding, projectIn, projectOut, head } = describeModel(checkpoint.config);
  const stored = (name: string): Precision | undefined => {
    const form = checkpoint.keptForm(name)?.form;
    return form === "qc8w" || (form && weights === "kept") ? "q8" : undefined;
  };
  const table = await readLinearSpec(checkpoint, [embedding], { precision: stored(embedding.name) });
  const spec = head && (await readLinearSpec(checkpoint, [head], { precision: precision ?? stored(head.name) }));
  const runs = [table, spec].map((linear) => linear?.products[0]!.run.kind);
  return {
    embedding: table,
    head: spec,
    projectIn: projectIn && (await readLinearSpec(checkpoint, [projectIn])),
    projectOut: projectOut && (await readLinearSpec(checkpoint, [projectOut])),
    shared: head === embedding && runs[0] === runs[1],
  };
}

/** @param table the embedding's, in the same memory; needed where the head shares it */
export function planHead(planner: Planner, spec: HeadSpec, table: Linear | undefined): LoadedHead {
  const { finalNorm, config } = planner.description;
  return {
    linear: spec.shared ? table : spec.head && planLinear(planner, spec.head),
    projection: spec.projectOut && planLinear(planner, spec.projectOut),
    norm: finalNorm && planNorm(planner, finalNorm, config.hiddenSize),
  };
}

/** Asks for the head, if it is not the embedding, and for what comes before it. */
export function loadHead(loader: WeightLoader, { config }: Description, spec: HeadSpec, head: LoadedHead): void {
  if (spec.projectOut) loader.linear(spec.projectOut, head.projection!);
  if (!spec.shared && spec.head) loader.linear(spec.head, head.linear!);
  if (head.norm) loadNorm(loader, head.norm, config.hiddenSize);
}

/**
 * Writes the logits f32[M, V] of `hidden` f32[M, E] to `logits`, multiplied and capped as the model has it,
 * in a model that has a head.
 */
export function multiplyHead(space: Workspace, head: LoadedHead, hidden: Pointer, logits: Pointer, M: number): void {
  const { norm, projection, linear } = head;
  if (!linear) throw new RangeError("head: got a model without one, need one with logits");
  const { normed, embedded } = space.buffers;
  const rows = { hidden: turnedBack(space, hidden, M), residual: NULL, M };
  if (norm) normInput(space, norm, projection ?? linear, rows);
  else streamInput(space, projection ?? linear, rows);
  if (projection) {
    multiply(space, projection, normed, embedded, M);
    quantizeInput(space, linear, embedded, M);
  }
  multiply(space, linear, projection ? embedded : normed, logits, M);
  const { kernels, config } = space;
  const { vocabSize: V, logitScale, logitCap } = config;
  if (logitScale !== 1) kernels.split("scale_f32", M, logits, V, Math.fround(logitScale));
  if (logitCap !== 0) kernels.split("softcap_f32", M, logits, V, Math.fround(logitCap));
}
