/** Keys and values of past tokens, one pool of blocks per layer and half, float32 or int8 with a static scale (FPTQ, section 3.3.2). */
import type { ModelConfig } from "../architecture/model-config.ts";
import type { KernelExports, Pointer } from "../kernels/kernel-exports.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { MemoryPlan } from "../kernels/memory-plan.ts";
import type { KvPrecision } from "./precision.ts";
import { BLOCK_TOKENS, type RunState } from "./run-state.ts";

/** One layer's cache of `capacity` tokens. */
export interface LayerCache {
  readonly precision: KvPrecision;
  readonly capacity: number; // S
  readonly k: Pointer;
  readonly v: Pointer;
  /** Real value of one step of int8; 1 and unused for float32. */
  readonly kScale: number;
  readonly vScale: number;
}

export function planLayerCache(
  plan: MemoryPlan,
  sizes: KernelExports,
  config: ModelConfig,
  capacity: number,
  precision: KvPrecision,
  scales: { k: number; v: number },
): LayerCache {
  const { kvHeads: Hkv, headDim: D } = config;
  const kBytes = (precision.k === "q8" ? sizes.k_cache_bytes_qs8 : sizes.k_cache_bytes_f32)(Hkv, capacity, D);
  const vBytes = (precision.v === "q8" ? sizes.v_cache_bytes_qs8 : sizes.v_cache_bytes_f32)(Hkv, capacity, D);
  return {
    precision,
    capacity,
    k: plan.reserve("kvCache", kBytes >>> 0, `keys of ${capacity} tokens`),
    v: plan.reserve("kvCache", vBytes >>> 0, `values of ${capacity} tokens`),
    kScale: scales.k,
    vScale: scales.v,
  };
}

/** Says that the next M rows are one sequence's, the first at `position`, and that its blocks lie in order. */
export function fillRows(kernels: Kernels, state: RunState, position: number, M: number): void {
  const rows = kernels.i32(state.rows, 2 * M);
  for (let m = 0; m < M; m++) {
    rows[2 * m] = position + m;
    rows[2 * m + 1] = state.blocks;
  }
  const blocks = kernels.i32(state.blocks, Math.ceil((position + M) / BLOCK_TOKENS));
  for (let b = 0; b < blocks.length; b++) blocks[b] = b;
}

/** Appends the keys and values of M rows of `state.qkv`, placed as `state.rows` says. */
export function appendToCache(kernels: Kernels, config: ModelConfig, cache: LayerCache, state: RunState, M: number): void {
  const { heads: H, kvHeads: Hkv, headDim: D } = config;
  const { precision, kScale, vScale } = cache;
  const { qkv, rows } = state;
  const stride = (H + 2 * Hkv) * D;
  const k = qkv + 4 * H * D;
  const v = k + 4 * Hkv * D;
  if (precision.k === "q8") kernels.split("append_k_qs8", M, k, cache.k, rows, stride, Hkv, D, kScale);
  else kernels.split("append_k_f32", M, k, cache.k, rows, stride, Hkv, D);
  if (precision.v === "q8") kernels.split("append_v_qs8", M, v, cache.v, rows, stride, Hkv, D, vScale);
  else kernels.split("append_v_f32", M, v, cache.v, rows, stride, Hkv, D);
}

/** `state.attended` = causal attention of M rows of queries in `state.qkv`, placed as `state.rows` says. */
export function attend(
  kernels: Kernels,
  config: ModelConfig,
  cache: LayerCache,
  state: RunState,
  M: number,
  window: number,
): void {
  const { heads: H, kvHeads: Hkv, headDim: D } = config;
  const { precision, capacity: S, k, v, kScale, vScale } = cache;
  const { qkv, attended, rows } = state;
  const stride = (H + 2 * Hkv) * D;
  const kernel = `attention_f32_${precision.k === "q8" ? "kqs8" : "kf32"}_${precision.v === "q8" ? "vqs8" : "vf32"}` as const;
  kernels.split(kernel, H * M, qkv, k, v, attended, rows, 0, M, stride, H, Hkv, D, S, window, kScale, vScale);
}
