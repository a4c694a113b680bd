/**
 * One transformer block over M rows, the only forward pass there is: calibration, evaluation and generation run this function.
 *
 *   hidden += o(attention(rope(qkv(rmsnorm(hidden)))))
 *   hidden += down(silu(gate(rmsnorm(hidden))) * up(rmsnorm(hidden)))
 */
import type { ModelConfig } from "../architecture/model-config.ts";
import type { Kernels } from "../kernels/kernels.ts";
import { NULL, offsetBy, type Pointer } from "../kernels/pointer.ts";
import { appendToCache, attend, type LayerCache } from "./kv-cache.ts";
import { multiply, normInput, quantizeInput, swigluInput } from "./linear.ts";
import type { RopeTable } from "./rope.ts";
import type { RunState } from "./run-state.ts";
import type { LayerWeights } from "./weights.ts";

/** Places calibration looks at: the inputs of the four fused linear layers, and keys (after RoPE) and values entering the cache. */
export type Site = "qkv" | "o" | "gate_up" | "down" | "k" | "v";

/** Sees f32[M, K] at `x`, rows `stride` elements apart, before it is used. "stop" ends the block there. */
export type Observe = (site: Site, x: Pointer, M: number, K: number, stride: number) => "stop" | void;

/** Multiply-accumulates of one block over M rows that follow `position` others: its linear layers, and attention over what is cached. */
export function blockWork(config: ModelConfig, M: number, position: number): number {
  const { hiddenSize: E, heads: H, kvHeads: Hkv, headDim: D, ffnSize: F } = config;
  const linear = E * (H + 2 * Hkv) * D + H * D * E + 3 * E * F;
  const attention = 2 * H * D * (position + M);
  return M * (linear + attention);
}

/**
 * @param M rows in `state.hidden`, f32[M, E], updated in place
 * @param position of the first row; the cache holds everything before it
 * @param window how many of the latest tokens a row sees; 0 for all
 */
export function forwardBlock(
  kernels: Kernels,
  config: ModelConfig,
  layer: LayerWeights,
  cache: LayerCache,
  rope: RopeTable,
  state: RunState,
  M: number,
  position: number,
  window: number,
  observe?: Observe,
): void {
  const { hiddenSize: E, heads: H, kvHeads: Hkv, headDim: D, ffnSize: F, rmsNormEps: eps } = config;
  const { hidden, normed, qkv, attended, projected, gateUp, activated, activations } = state;
  const qkvWidth = (H + 2 * Hkv) * D;
  // Floats that only an int8 layer would read are quantized as they are made, unless somebody looks at them.
  const floats = observe !== undefined;

  normInput(kernels, layer.qkv, { hidden, residual: NULL, weight: layer.attentionNorm, eps }, normed, M, activations, floats);
  if (observe?.("qkv", normed, M, E, E) === "stop") return;
  multiply(kernels, layer.qkv, normed, qkv, M, activations);
  const k = offsetBy(qkv, 4 * H * D);
  if (layer.qNorm) kernels.split("rmsnorm_heads_f32", M, qkv, layer.qNorm, H, D, qkvWidth, eps);
  if (layer.kNorm) kernels.split("rmsnorm_heads_f32", M, k, layer.kNorm, Hkv, D, qkvWidth, eps);
  // Queries and keys lie side by side, so one call rotates both.
  const rotation = 4 * position * (D / 2);
  kernels.split("rope_f32", M, qkv, offsetBy(rope.cos, rotation), offsetBy(rope.sin, rotation), H + Hkv, D, qkvWidth);
  observe?.("k", k, M, Hkv * D, qkvWidth);
  observe?.("v", offsetBy(k, 4 * Hkv * D), M, Hkv * D, qkvWidth);
  appendToCache(kernels, config, cache, state, M, position);
  attend(kernels, config, cache, state, M, position, window);
  if (observe?.("o", attended, M, H * D, H * D) === "stop") return;
  quantizeInput(kernels, layer.o, attended, M, activations);
  multiply(kernels, layer.o, attended, projected, M, activations);

  normInput(kernels, layer.gateUp, { hidden, residual: projected, weight: layer.ffnNorm, eps }, normed, M, activations, floats);
  if (observe?.("gate_up", normed, M, E, E) === "stop") return;
  multiply(kernels, layer.gateUp, normed, gateUp, M, activations);
  swigluInput(kernels, layer.down, gateUp, activated, M, activations, floats);
  if (observe?.("down", activated, M, F, F) === "stop") return;
  multiply(kernels, layer.down, activated, projected, M, activations);
  kernels.split("add_f32", M, hidden, projected, E);
}
