/** Keys and values of past tokens, one region per layer and half, float32 or int8 with a static scale (FPTQ, section 3.3.2). */
import type { ModelConfig } from "../architecture/model-config.ts";
import type { KernelExports } from "../kernels/kernel-exports.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { MemoryPlan } from "../kernels/memory-plan.ts";
import { offsetBy, type Pointer } from "../kernels/pointer.ts";
import type { KvPrecision } from "./precision.ts";
import type { RunState } from "./run-state.ts";

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

/** Appends the keys and values of M rows of `state.qkv`, the first at `position`. */
export function appendToCache(
  kernels: Kernels,
  config: ModelConfig,
  cache: LayerCache,
  state: RunState,
  M: number,
  position: number,
): void {
  const { heads: H, kvHeads: Hkv, headDim: D } = config;
  const { capacity: S, precision } = cache;
  const stride = (H + 2 * Hkv) * D;
  const k = offsetBy(state.qkv, 4 * H * D);
  const v = offsetBy(k, 4 * Hkv * D);
  if (precision.k === "q8") kernels.split("append_k_qs8", M, k, cache.k, position, stride, Hkv, D, S, cache.kScale);
  else kernels.split("append_k_f32", M, k, cache.k, position, stride, Hkv, D, S);
  if (precision.v === "q8") kernels.split("append_v_qs8", M, v, cache.v, position, stride, Hkv, D, S, cache.vScale);
  else kernels.split("append_v_f32", M, v, cache.v, position, stride, Hkv, D, S);
}

/** `state.attended` = causal attention of M rows of queries in `state.qkv`, the first at `position`, over the cache. */
export function attend(
  kernels: Kernels,
  config: ModelConfig,
  cache: LayerCache,
  state: RunState,
  M: number,
  position: number,
  window: number,
): void {
  const { heads: H, kvHeads: Hkv, headDim: D } = config;
  const { precision, capacity: S, k, v, kScale, vScale } = cache;
  const stride = (H + 2 * Hkv) * D;
  const kernel = `attention_f32_${precision.k === "q8" ? "kqs8" : "kf32"}_${precision.v === "q8" ? "vqs8" : "vf32"}` as const;
  kernels.split(kernel, H * M, state.qkv, k, v, state.attended, M, position, stride, H, Hkv, D, S, window, kScale, vScale);
}
