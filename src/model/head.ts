/** The embedding and the head, which are often one matrix: what is stored, in which precision it runs, and when bytes are shared. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { EMBEDDING, HEAD } from "../architecture/tensor-names.ts";
import type { KernelExports } from "../kernels/kernel-exports.ts";
import type { MemoryPlan } from "../kernels/memory-plan.ts";
import { type LinearSpec, planLinear, readLinearSpec } from "./linear-spec.ts";
import type { Linear } from "./linear.ts";
import type { Precision } from "./precision.ts";
import type { WeightLoader } from "./weight-loader.ts";
import type { EmbeddingTable } from "./weights.ts";

export interface HeadSpec {
  readonly embedding: LinearSpec;
  readonly head: LinearSpec;
  /** Whether the head reads the embedding's packed bytes. */
  readonly shared: boolean;
}

/** @param precision of the head; undefined follows the checkpoint */
export async function readHeadSpec(checkpoint: Checkpoint, precision: Precision | undefined): Promise<HeadSpec> {
  const { vocabSize: V, hiddenSize: E, tiedEmbedding } = checkpoint.config;
  const stored = (name: string) => (checkpoint.quantization?.linear(name)?.weights === "int8" ? "q8" : undefined);
  const read = (name: string, asked: Precision | undefined) =>
    readLinearSpec(checkpoint, [{ name, outFeatures: V, inFeatures: E, bias: false }], asked);
  const embedding = await read(EMBEDDING, stored(EMBEDDING));
  const name = tiedEmbedding ? EMBEDDING : HEAD;
  const head = await read(name, precision ?? stored(name));
  return { embedding, head, shared: tiedEmbedding && embedding.run.kind === head.run.kind };
}

export function planHead(
  plan: MemoryPlan,
  sizes: KernelExports,
  spec: HeadSpec,
): { embedding: EmbeddingTable; table: Linear; head: Linear } {
  const table = planLinear(plan, sizes, spec.embedding);
  return {
    table,
    embedding: { kind: table.kind === "f32" ? "f32w" : "qc8w", table: table.weights },
    head: spec.shared ? table : planLinear(plan, sizes, spec.head),
  };
}

/** Asks the loader for the embedding, and for the head if it is not the same. */
export function loadHead(loader: WeightLoader, spec: HeadSpec, table: Linear, head: Linear): void {
  loader.linear(spec.embedding, table);
  if (!spec.shared) loader.linear(spec.head, head);
}
