/**
 * Attention over keys and values of past tokens, which lie in blocks of 64 tokens: float32, int8 with a
 * static scale (FPTQ, section 3.3.2), or int8 with a scale for each token and K/V head.
 *
 * A layer has a pool of blocks for keys and one for values; which blocks a row's sequence has, and the row's
 * position, stand in the row table (`batch.ts`). Only this file and `positions.ts` see that rows belong to
 * sequences.
 */
import { UnsupportedModelError } from "../../errors.ts";
import { offsetBy, type Pointer } from "../../kernels/pointer.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import type { Block } from "../../architecture/description.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { HeadBuffers } from "../workspace/buffers.ts";
import type { GradientBuffers } from "../gradient-buffers.ts";
import type { KvPrecision, StoredCachePrecision } from "../precision.ts";
import type { Planner, Workspace } from "../workspace/workspace.ts";
import { clampToInt4 } from "./int4-activations.ts";
import { readScale } from "./linear-spec.ts";

/**
 * Tokens in a block of the cache: those whose probabilities the kernels quantize together
 * (`assembly/layouts/layout-kv.ts`).
 */
export const BLOCK_TOKENS = 64;
/** Elements of a head that lie side by side in the cache. */
const LANES = 8;
/** Beyond it sums of integer products might not stay in 32 bits (`assembly/attention/attention-kqs8.ts`). */
const MOST_HEAD_DIM = 2048;

/** What kernels call a precision. */
const KIND = { f32: "f32", q8: "qs8", q4: "qs8", q8t: "qd8" } as const satisfies Record<StoredCachePrecision, string>;

const isStatic = (precision: StoredCachePrecision) => precision === "q8" || precision === "q4";

/** Real values of one step of static int8; 1 and unused for others. */
export interface CacheScales {
  readonly k: number;
  readonly v: number;
}

/** One layer's pools: of keys and of values, or of what a convolution keeps, in place of keys. */
export interface LayerCache {
  readonly precision: KvPrecision;
  /** Bytes of a block. */
  readonly blockBytes: { readonly k: number; readonly v: number };
  readonly k: Pointer;
  readonly v: Pointer;
  readonly scales: CacheScales;
}

/** @throws CheckpointError unless the scales a static int8 cache needs are there */
export async function readCacheScales(
  checkpoint: Checkpoint,
  { attention, convolution }: Block,
  precision: KvPrecision,
): Promise<CacheScales> {
  const scale = (half: "k" | "v") =>
    isStatic(precision[half]) && !convolution ? readScale(checkpoint, `${attention}.${half}_scale`) : 1;
  return { k: await scale("k"), v: await scale("v") };
}

/** Bytes of one block of one layer, of keys and of values. */
function blockBytes({ sizes, config }: Pick<Planner, "sizes" | "config">, { k, v }: KvPrecision): { k: number; v: number } {
  const { kvHeads: Hkv, headDim } = config;
  const D = paddedHead(headDim);
  return {
    k: sizes[`k_cache_bytes_${KIND[k]}`](Hkv, BLOCK_TOKENS, D) >>> 0,
    v: sizes[`v_cache_bytes_${KIND[v]}`](Hkv, BLOCK_TOKENS, D) >>> 0,
  };
}

export function planCache(planner: Planner, blocks: number, precision: KvPrecision, scales: CacheScales): LayerCache {
  const bytes = blockBytes(planner, precision);
  const tokens = blocks * BLOCK_TOKENS;
  return {
    precision,
    blockBytes: bytes,
    k: planner.plan.reserve("kvCache", blocks * bytes.k, `keys of ${tokens} tokens`),
    v: planner.plan.reserve("kvCache", blocks * bytes.v, `values of ${tokens} tokens`),
    scales,
  };
}

/** Elements of a head the kernels and the cache have: with zeros up to a multiple of 8. */
export function paddedHead(headDim: number): number {
  if (headDim > MOST_HEAD_DIM) {
    throw new UnsupportedModelError(`head dimension: got ${headDim}, need at most ${MOST_HEAD_DIM}`);
  }
  return LANES * Math.ceil(headDim / LANES);
}

/** Reserves what heads need that are not whole lanes; undefined if they are. @param maxRows of a pass */
export function planHeads({ plan, config }: Planner, maxRows: number): HeadBuffers | undefined {
  const { heads: H, kvHeads: Hkv, headDim } = config;
  const D = paddedHead(headDim);
  if (D === headDim) return undefined;
  const f32 = (heads: number, what: string) => plan.reserve("scratch", 4 * maxRows * heads * D, `${what} of ${maxRows} rows`);
  return { D, qkv: f32(H + 2 * Hkv, "padded heads"), attended: f32(H, "attention output of padded heads") };
}

/** Queries, keys and values as the kernels take them, and where their output goes. */
interface Heads {
  readonly D: number;
  readonly qkv: Pointer;
  readonly stride: number;
  readonly attended: Pointer;
}

function headsOf({ config, buffers }: Workspace): Heads {
  const { qkv, qkvStride: stride, attended, padded } = buffers;
  if (!padded) return { D: config.headDim, qkv, stride, attended };
  return { ...padded, stride: (config.heads + 2 * config.kvHeads) * padded.D };
}

/**
 * Copies the heads of M rows to their padded places, whose zeros are never written. Scores are divided by
 * what grows as the root of D does (`scoreDivisor`): queries make up for it. A product rounded to float32, as
 * everywhere.
 */
function spreadHeads({ kernels, config, buffers }: Workspace, { D, qkv }: HeadBuffers, M: number): void {
  const { heads: H, kvHeads: Hkv, headDim } = config;
  const heads = H + 2 * Hkv;
  const from = kernels.f32(buffers.qkv, M * buffers.qkvStride);
  const to = kernels.f32(qkv, M * heads * D);
  const factor = Math.fround(Math.sqrt(D / headDim));
  for (let m = 0; m < M; m++) {
    for (let h = 0; h < heads; h++) {
      const [source, target] = [m * buffers.qkvStride + h * headDim, (m * heads + h) * D];
      const scale = h < H ? factor : 1;
      for (let d = 0; d < headDim; d++) to[target + d] = from[source + d]! * scale;
    }
  }
}

/** What kernels divide the scores of heads of D elements by: as much more as padded heads are longer. */
function scoreDivisor({ scoreDivisor: own, headDim }: ModelConfig, D: number): number {
  return Math.fround(own === undefined ? Math.sqrt(D) : own * Math.sqrt(D / headDim));
}

/** Copies the output of M rows to where it is read. */
function gatherHeads({ kernels, config, buffers }: Workspace, { D, attended }: HeadBuffers, M: number): void {
  const { heads: H, headDim } = config;
  const from = kernels.f32(attended, M * H * D);
  const to = kernels.f32(buffers.attended, M * H * headDim);
  for (let head = 0; head < M * H; head++) to.set(from.subarray(head * D, head * D + headDim), head * headDim);
}

/** Appends the keys and values of M rows in `buffers.qkv` to the cache, each at its row's position. */
export function append(space: Workspace, cache: LayerCache, M: number): void {
  const { kernels, config, buffers } = space;
  if (buffers.padded) spreadHeads(space, buffers.padded, M);
  const { heads: H, kvHeads: Hkv } = config;
  const { rows } = buffers;
  const { precision, scales } = cache;
  const { D, qkv, stride } = headsOf(space);
  const k = offsetBy(qkv, 4 * H * D);
  const v = offsetBy(k, 4 * Hkv * D);
  if (precision.k === "q4") clampToInt4(space, k, M, { K: Hkv * D, stride, scale: scales.k });
  if (precision.v === "q4") clampToInt4(space, v, M, { K: Hkv * D, stride, scale: scales.v });
  const [kKind, vKind] = [KIND[precision.k], KIND[precision.v]];
  if (kKind === "qs8") kernels.split("append_k_qs8", M, k, cache.k, rows, stride, Hkv, D, scales.k);
  else kernels.split(`append_k_${kKind}`, M, k, cache.k, rows, stride, Hkv, D);
  if (vKind === "qs8") kernels.split("append_v_qs8", M, v, cache.v, rows, stride, Hkv, D, scales.v);
  else kernels.split(`append_v_${vKind}`, M, v, cache.v, rows, stride, Hkv, D);
}

/**
 * `buffers.attended` = causal attention of M rows of queries in `buffers.qkv` over the cache, to which their
 * keys and values were appended just before.
 * @param window how many of the latest tokens a row sees; 0 for all
 */
export function attend(space: Workspace, cache: LayerCache, window: number, M: number): void {
  const { kernels, config, buffers, tables, positions } = space;
  const { heads: H, kvHeads: Hkv } = config;
  const { precision, k, v, scales } = cache;
  const { D, qkv, stride, attended } = headsOf(space);
  const { rows, padded } = buffers;
  const divisor = scoreDivisor(config, D);
  const kernel = `attention_f32_k${KIND[precision.k]}_v${KIND[precision.v]}` as const;
  kernels.split(
    kernel,
    H * M,
    qkv,
    k,
    v,
    attended,
    rows,
    tables.slopes,
    M,
    stride,
    H,
    Hkv,
    D,
    positions,
    window,
    divisor,
    config.scoreCap,
    scales.k,
    scales.v,
  );
  if (padded) gatherHeads(space, padded, M);
}

/**
 * The chain rule through attention of M rows from position 0: `gradients.attended` to `gradients.qkv`. What
 * is cached in int8 counts as exact; where the ranges of a static cache are trained, keys and values are what
 * these have left of them, and `gradients.cache` receives what concerns the scales.
 */
export function backwardAttention(space: Workspace, loaded: LoadedAttention, M: number, gradients: GradientBuffers): void {
  const { kernels, config, buffers } = space;
  const { heads: H, kvHeads: Hkv, headDim: D } = config;
  const { qkv, qkvStride: stride } = buffers;
  const { precision, scales } = loaded.cache;
  const offsets = { k: 4 * H * D, v: 4 * (H + Hkv) * D };
  const halves = (["k", "v"] as const).filter((half) => precision[half] === "q8" && gradients.cache[half]);
  if (halves.length > 0) kernels.f32(gradients.cacheInput, M * stride).set(kernels.f32(qkv, M * stride));
  for (const half of halves) {
    const x = offsetBy(qkv, offsets[half]);
    kernels.split("round_range_f32", M, x, x, Hkv * D, stride, scales[half]);
  }
  const { window } = loaded.block;
  kernels.split("attention_backward_f32", Hkv, qkv, gradients.attended, gradients.qkv, M, H, Hkv, D, window);
  for (const half of halves) {
    const [x, dx] = [offsetBy(gradients.cacheInput, offsets[half]), offsetBy(gradients.qkv, offsets[half])];
    kernels.split("range_gradient_f32", M, x, dx, gradients.cache[half], Hkv * D, stride, scales[half]);
  }
}

/** What a block's attention depends on beside its input. */
export interface LoadedAttention {
  readonly block: Pick<Block, "window">;
  readonly cache: LayerCache;
}
