/**
 * Attention over keys and values of past tokens, which lie in blocks of 64 tokens: float32, or int8 with a
 * static scale (FPTQ, section 3.3.2).
 *
 * A layer has a pool of blocks for keys and one for values; which blocks a row's sequence has, and the row's
 * position, stand in the row table (`batch.ts`). Only this file and `positions.ts` see that rows belong to
 * sequences.
 */
import { offsetBy, type Pointer } from "../../kernels/pointer.ts";
import type { Block } from "../../architecture/description.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { GradientBuffers } from "../gradient-buffers.ts";
import type { KvPrecision } from "../precision.ts";
import type { Planner, Workspace } from "../workspace.ts";
import { readScale } from "./linear-spec.ts";

/**
 * Tokens in a block of the cache: those whose probabilities the kernels quantize together
 * (`assembly/layouts/layout-kv.ts`).
 */
export const BLOCK_TOKENS = 64;

/** Real values of one step of int8; 1 and unused for float32. */
export interface CacheScales {
  readonly k: number;
  readonly v: number;
}

/** One layer's pools. */
export interface LayerCache {
  readonly precision: KvPrecision;
  readonly k: Pointer;
  readonly v: Pointer;
  readonly scales: CacheScales;
}

/** @throws CheckpointError unless the scales an int8 cache needs are there */
export async function readCacheScales(
  checkpoint: Checkpoint,
  { attention }: Block,
  precision: KvPrecision,
): Promise<CacheScales> {
  const scale = (half: "k" | "v") => (precision[half] === "q8" ? readScale(checkpoint, `${attention}.${half}_scale`) : 1);
  return { k: await scale("k"), v: await scale("v") };
}

/** Bytes of one block of one layer, of keys and of values. */
export function blockBytes(
  { sizes, config }: Pick<Planner, "sizes" | "config">,
  { k, v }: KvPrecision,
): { k: number; v: number } {
  const { kvHeads: Hkv, headDim: D } = config;
  return {
    k: (k === "q8" ? sizes.k_cache_bytes_qs8 : sizes.k_cache_bytes_f32)(Hkv, BLOCK_TOKENS, D) >>> 0,
    v: (v === "q8" ? sizes.v_cache_bytes_qs8 : sizes.v_cache_bytes_f32)(Hkv, BLOCK_TOKENS, D) >>> 0,
  };
}

export function planCache(planner: Planner, blocks: number, precision: KvPrecision, scales: CacheScales): LayerCache {
  const bytes = blockBytes(planner, precision);
  const tokens = blocks * BLOCK_TOKENS;
  return {
    precision,
    k: planner.plan.reserve("kvCache", blocks * bytes.k, `keys of ${tokens} tokens`),
    v: planner.plan.reserve("kvCache", blocks * bytes.v, `values of ${tokens} tokens`),
    scales,
  };
}

/** Appends the keys and values of M rows in `buffers.qkv` to the cache, each at its row's position. */
export function append({ kernels, config, buffers }: Workspace, cache: LayerCache, M: number): void {
  const { heads: H, kvHeads: Hkv, headDim: D } = config;
  const { rows, qkvStride: stride } = buffers;
  const { precision, scales } = cache;
  const k = offsetBy(buffers.qkv, 4 * H * D);
  const v = offsetBy(k, 4 * Hkv * D);
  if (precision.k === "q8") kernels.split("append_k_qs8", M, k, cache.k, rows, stride, Hkv, D, scales.k);
  else kernels.split("append_k_f32", M, k, cache.k, rows, stride, Hkv, D);
  if (precision.v === "q8") kernels.split("append_v_qs8", M, v, cache.v, rows, stride, Hkv, D, scales.v);
  else kernels.split("append_v_f32", M, v, cache.v, rows, stride, Hkv, D);
}

/**
 * `buffers.attended` = causal attention of M rows of queries in `buffers.qkv` over the cache.
 * @param window how many of the latest tokens a row sees; 0 for all
 */
export function attend(
  { kernels, config, buffers, tables, positions }: Workspace,
  cache: LayerCache,
  window: number,
  M: number,
): void {
  const { heads: H, kvHeads: Hkv, headDim: D } = config;
  const { precision, k, v, scales } = cache;
  const { qkv, attended, rows, qkvStride: stride } = buffers;
  const kernel = `attention_f32_${precision.k === "q8" ? "kqs8" : "kf32"}_${precision.v === "q8" ? "vqs8" : "vf32"}` as const;
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
    scales.k,
    scales.v,
  );
}

/**
 * The chain rule through attention of M rows from position 0: `gradients.attended` to `gradients.qkv`, what
 * is cached in int8 taken as exact.
 */
export function backwardAttention(
  { kernels, config, buffers }: Workspace,
  window: number,
  M: number,
  gradients: GradientBuffers,
): void {
  const { heads: H, kvHeads: Hkv, headDim: D } = config;
  kernels.split("attention_backward_f32", Hkv, buffers.qkv, gradients.attended, gradients.qkv, M, H, Hkv, D, window);
}
