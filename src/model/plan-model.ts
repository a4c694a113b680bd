/** What a whole model needs in memory, known from its configuration and how its weights are stored. */
import { type Description, describeModel } from "../architecture/description.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Host } from "../host/host.ts";
import type { RegionKind } from "../kernels/memory-plan.ts";
import { type BlockSpec, largestRank, planBlock, planBlockCache, readBlockSpec } from "./block.ts";
import { BLOCK_TOKENS, type CacheScales, readCacheScales } from "./layers/attention.ts";
import { planEmbedding } from "./layers/embedding.ts";
import { type HeadSpec, planHead, readHeadSpec } from "./layers/head.ts";
import { isKeptProduct, isRefinedLayer } from "./layers/linear-spec.ts";
import { type LoadOptions, type ResolvedLoadOptions, resolveLoadOptions } from "./load-options.ts";
import { planLogits } from "./logits.ts";
import { planWorkspace, type WorkspaceSize } from "./open-workspace.ts";
import type { Planner } from "./workspace.ts";

export interface ModelPlan {
  readonly description: Description;
  readonly options: ResolvedLoadOptions;
  readonly head: HeadSpec;
  readonly blocks: readonly BlockSpec[];
  readonly scales: readonly CacheScales[];
  readonly size: WorkspaceSize;
  /** Blocks of the cache. */
  readonly cacheBlocks: number;
}

/** @throws CheckpointError, UnsupportedModelError, OptionError */
export async function readModelPlan(checkpoint: Checkpoint, given: LoadOptions): Promise<ModelPlan> {
  const options = resolveLoadOptions(given, checkpoint);
  const { kv, weights, contextSize, chunkSize, cacheTokens, build, poll } = options;
  const description = describeModel(checkpoint.config);
  const head = await readHeadSpec(checkpoint, options.head, weights);
  const blocks: BlockSpec[] = [];
  const scales: CacheScales[] = [];
  // One after another, in the order of the files, as a network has them fastest.
  for (const block of description.blocks) {
    blocks.push(await readBlockSpec(checkpoint, block, weights));
    scales.push(await readCacheScales(checkpoint, block, kv));
  }
  const linears = [
    head.embedding,
    head.head ?? [],
    head.projectIn ?? [],
    head.projectOut ?? [],
    blocks.map((spec) => Object.values(spec.linears)),
  ].flat(2);
  const keepsWeights = linears.some(({ products }) => products.some(isKeptProduct));
  const rank = Math.max(...blocks.map(largestRank));
  const refined = Math.max(0, ...linears.filter(isRefinedLayer).map(({ N }) => N));
  const size = { rows: Math.min(chunkSize, contextSize), positions: contextSize, rank, build, poll, keepsWeights, refined };
  return { description, options, head, blocks, scales, size, cacheBlocks: Math.ceil(cacheTokens / BLOCK_TOKENS) };
}

/** Reserves memory for all of a model but what a workspace has of its own. */
export function placeModel(planner: Planner, { options, head: headSpec, blocks: specs, scales, size, cacheBlocks }: ModelPlan) {
  const { plan } = planner;
  const { kv, contextSize, maxSequences } = options;
  const caches = specs.map(({ block }, l) => planBlockCache(planner, block, cacheBlocks, kv, scales[l]!));
  const tableBytes = 4 * Math.ceil(contextSize / BLOCK_TOKENS);
  const tables = Array.from({ length: maxSequences }, () => plan.reserve("scratch", tableBytes, "block table"));
  const begin = plan.reserve("weights", 0, "weights");
  const blocks = specs.map((spec, l) => planBlock(planner, spec, caches[l]!));
  const { embedding: embeddingLinears, head } = planHead(planner, headSpec);
  const embedding = planEmbedding(planner, embeddingLinears, contextSize);
  const weights = [begin, plan.reserve("weights", 0, "weights")] as const;
  return {
    caches,
    blocks,
    head,
    embedding,
    weights,
    tables,
    logits: planLogits(planner, size.rows),
  };
}

/**
 * Plans a model's memory without making it or reading weights.
 *
 * @returns the plan, and bytes by purpose
 * @throws CapabilityError if it does not fit; CheckpointError, UnsupportedModelError, OptionError
 */
export async function memoryNeeded(
  checkpoint: Checkpoint,
  host: Host,
  options: LoadOptions,
): Promise<{ readonly plan: ModelPlan; readonly bytes: Readonly<Record<RegionKind, number>> }> {
  const plan = await readModelPlan(checkpoint, options);
  const { planner } = await planWorkspace({ host, ...options }, plan.description, plan.size, (at) => placeModel(at, plan));
  return { plan, bytes: planner.plan.bytes() };
}
