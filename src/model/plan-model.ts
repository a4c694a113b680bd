/** What a whole model needs in memory, known from its configuration and how its weights are stored. */
import { type Description, describeModel } from "../architecture/description.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Host } from "../host/host.ts";
import { type RegionKind, totalBytes } from "../kernels/memory-plan.ts";
import { type BlockSpec, largestRank, type LoadedBlock, planBlock, planBlockCache, readBlockSpec } from "./block.ts";
import { BLOCK_TOKENS, type CacheScales, readCacheScales } from "./layers/attention.ts";
import { type LoadedEmbedding, planEmbedding } from "./layers/embedding.ts";
import { type HeadSpec, type LoadedHead, planHead, readHeadSpec } from "./layers/head.ts";
import { isKeptProduct, isRefinedLayer } from "./layers/linear-spec.ts";
import { type LoadOptions, type ResolvedLoadOptions, resolveLoadOptions } from "./load-options.ts";
import { type LogitsBuffers, planLogits } from "./logits.ts";
import { type Part, planWorkspaces, type WorkspaceSize } from "./workspace/open-workspace.ts";
import type { WeightRange } from "./sequences/saved-sequences.ts";
import type { Planner } from "./workspace/workspace.ts";

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
  const { kv, weights, contextSize, chunkSize, cacheTokens, maxSequences, build, poll, memoryLimit } = options;
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
  // A text whose tokens see those after them goes through a layer as a whole.
  const rows = description.config.bidirectional ? contextSize : Math.min(chunkSize, contextSize);
  const pass = { rows, positions: contextSize, sequences: maxSequences, rank, keepsWeights, refined };
  const size = { ...pass, build, poll, memoryLimit };
  return { description, options, head, blocks, scales, size, cacheBlocks: Math.ceil(cacheTokens / BLOCK_TOKENS) };
}

/** A part of a model in memory: a block, the embedding, the head, or the last two. */
export interface PlacedPart {
  readonly embedding?: LoadedEmbedding;
  readonly block?: LoadedBlock;
  readonly head?: LoadedHead;
  /** With the head. */
  readonly logits?: LogitsBuffers;
  readonly weights: WeightRange;
}

/**
 * The parts of a model that each need one memory, in the order of a pass. A head that reads the embedding's
 * table is one part with it, the first: the table is there once, and the residual stream comes back to it.
 */
export function modelParts(plan: ModelPlan): readonly Part<PlacedPart>[] {
  const { options, head: spec, blocks: specs, scales, size, cacheBlocks } = plan;
  const blocks = specs.map((block, l) => ({
    name: block.block.name,
    place(planner: Planner) {
      const cache = planBlockCache(planner, block.block, cacheBlocks, options.kv, scales[l]!);
      return withWeights(planner, () => ({ block: planBlock(planner, block, cache) }));
    },
  }));
  const embedding = (planner: Planner) => planEmbedding(planner, spec, options.contextSize);
  const headed = (planner: Planner, place: () => Omit<PlacedPart, "weights">) => {
    const logits = planLogits(planner, size.rows);
    return { ...withWeights(planner, place), logits };
  };
  if (spec.shared) {
    const place = (planner: Planner) =>
      headed(planner, () => {
        const table = embedding(planner);
        return { embedding: table, head: planHead(planner, spec, table.table) };
      });
    return [{ name: "embedding and head", place }, ...blocks];
  }
  return [
    { name: "embedding", place: (planner) => withWeights(planner, () => ({ embedding: embedding(planner) })) },
    ...blocks,
    { name: "head", place: (planner) => headed(planner, () => ({ head: planHead(planner, spec, undefined) })) },
  ];
}

/** Where weights begin and end that `place` plans, and nothing else. */
function withWeights(planner: Planner, place: () => Omit<PlacedPart, "weights">): PlacedPart {
  const begin = planner.plan.reserve("weights", 0, "weights");
  const placed = place();
  return { ...placed, weights: [begin, planner.plan.reserve("weights", 0, "weights")] };
}

/**
 * Plans a model's memory without making it or reading weights.
 *
 * @returns the plan, how many memories it takes, and bytes by purpose in all of them
 * @throws CapabilityError if a part does not fit; CheckpointError, UnsupportedModelError, OptionError
 */
export async function memoryNeeded(
  checkpoint: Checkpoint,
  host: Host,
  options: LoadOptions,
): Promise<{ readonly plan: ModelPlan; readonly memories: number; readonly bytes: Readonly<Record<RegionKind, number>> }> {
  const plan = await readModelPlan(checkpoint, options);
  const { planned } = await planWorkspaces({ host, ...options }, plan.description, plan.size, modelParts(plan));
  return { plan, memories: planned.length, bytes: totalBytes(planned.map((memory) => memory.plan.bytes())) };
}
