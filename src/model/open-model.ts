/** A whole model: its memories planned, created and loaded. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import type { Work } from "../host/work.ts";
import { loadBlock } from "./block.ts";
import { loadEmbedding } from "./layers/embedding.ts";
import { loadHead } from "./layers/head.ts";
import { LayerThreads } from "./layer-threads.ts";
import { loadWorkspaces, openWorkspaces } from "./workspace/open-workspace.ts";
import type { LoadedModel } from "./pass.ts";
import { modelParts, type ModelPlan, type PlacedPart } from "./plan-model.ts";
import type { KvCacheMemory } from "./sequences/kv-cache.ts";
import type { WeightRange } from "./sequences/saved-sequences.ts";
import type { Placed } from "./workspace/workspace.ts";

/** All that a transformer computes with. */
export interface OpenedModel extends LoadedModel, KvCacheMemory {
  readonly contextSize: number;
  /** Those of the blocks, of the embedding and of the head, in this order. */
  readonly weights: readonly Placed<WeightRange>[];
}

/**
 * Creates the memories of a plan, and streams the checkpoint into them.
 *
 * @param meanwhile work of the caller's own for the time in which threads start
 * @throws CheckpointError, UnsupportedModelError, OptionError, CapabilityError, AbortError; nothing stays
 *   open then
 */
export async function openModel(
  checkpoint: Checkpoint,
  plan: ModelPlan,
  work: Work,
  meanwhile: () => void,
): Promise<OpenedModel> {
  const { description, head: headSpec, blocks: specs, cacheBlocks, size, options } = plan;
  const { spaces, placed } = await openWorkspaces(work, description, size, modelParts(plan));
  const embedding = itemsOf(placed, "embedding")[0]!;
  const blocks = itemsOf(placed, "block");
  const head = itemsOf(placed, "head")[0]!;
  const total = [...checkpoint.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  await loadWorkspaces(
    spaces,
    checkpoint,
    (loaderOf) => {
      meanwhile();
      loadEmbedding(loaderOf(embedding.space), embedding.space, headSpec, embedding.item);
      loadHead(loaderOf(head.space), description, headSpec, head.item);
      for (const [l, { space, item }] of blocks.entries()) loadBlock(loaderOf(space), description.config, specs[l]!, item);
    },
    work,
    (bytes) => {
      done += bytes;
      work.onProgress?.({ phase: "load", done: Math.min(done, total), total, unit: "bytes" });
    },
  );
  const weights = placed.toSorted((a, b) => Number(!a.item.block) - Number(!b.item.block));
  return {
    spaces,
    embedding,
    blocks,
    head,
    logits: itemsOf(placed, "logits")[0]!.item,
    layerThreads: new LayerThreads(spaces[0]!.kernels, work.onWarning),
    caches: blocks.map(({ space, item }) => ({ space, item: item.cache })),
    cacheBlocks,
    window: widestWindow(description.config),
    maxRows: size.rows,
    contextSize: options.contextSize,
    weights: weights.map(({ space, item }) => ({ space, item: item.weights })),
  };
}

/** How many of the latest tokens a row sees in any layer; Infinity for all. */
function widestWindow({ attentionWindows, bidirectional }: ModelConfig): number {
  const slides = !bidirectional && attentionWindows.every((window) => window > 0);
  return slides ? Math.max(...attentionWindows) : Infinity;
}

/** One kind of what parts have, in their order. */
function itemsOf<Kind extends keyof PlacedPart>(
  placed: readonly Placed<PlacedPart>[],
  kind: Kind,
): Placed<NonNullable<PlacedPart[Kind]>>[] {
  return placed.flatMap(({ space, item }) => {
    const found = item[kind];
    return found === undefined ? [] : [{ space, item: found as NonNullable<PlacedPart[Kind]> }];
  });
}
