/**
 * Folds: equalization between two linears with nothing between them that a factor per channel could not pass. What the first divides by,
 * the second multiplies by:
 *
 *   key    k_c / s_c, q_c * s_c     through the scores q k^T; both halves of a rotated pair share s. An int8 cache has one scale for k
 *   value  v_c / s_c, o_c * s_c     through attention's weighted means, for each query head that reads the value head
 *   up     up_c / s_c, down_c * s_c through silu(gate) * up
 *
 * (FPTQuant, section 3, calls these mergeable transforms.) For keys s is the largest magnitude, for the others the square root of the root
 * mean square: halfway between activations alike and weights as they were. Factors are powers of two, so the folded model computes the same floats, bit
 * for bit. They need no precision: whatever is quantized afterwards is calibrated on the folded model.
 */
import type { ModelConfig } from "../../architecture/model-config.ts";
import { attentionModule, linearModules } from "../../architecture/tensor-names.ts";
import { type ChannelStats, channelAbsmax, type LayerStats } from "../calibrate/activation-stats.ts";

export const FOLDS = ["key", "value", "up"] as const;
export type Fold = (typeof FOLDS)[number];

/** What a weight's rows, with its bias, and its columns are multiplied by. */
export interface ModuleFactors {
  readonly rows?: Float32Array | undefined; // f32[N]
  readonly columns?: Float32Array | undefined; // f32[K]
}

/**
 * Factors by module name of one layer.
 *
 * @param stats of the model as it is
 * @returns nothing for "key" in a model with norms on q and k, which would undo it
 */
export function foldFactors(
  config: ModelConfig,
  layer: number,
  stats: LayerStats,
  folds: readonly Fold[],
): Map<string, ModuleFactors> {
  const { heads, kvHeads, headDim: D } = config;
  const attention = attentionModule(layer);
  const factors = new Map<string, ModuleFactors>();
  /** Channels of the value head (or key head) that each query head reads, one head after another. */
  const toQueryHeads = (s: Float32Array) =>
    Float32Array.from({ length: heads * D }, (_, c) => s[Math.floor(Math.floor(c / D) / (heads / kvHeads)) * D + (c % D)]!);

  if (folds.includes("key") && !config.qkNorm) {
    const s = keyFactors(channelAbsmax(stats.k), D);
    factors.set(`${attention}.q_proj`, { rows: toQueryHeads(s) });
    factors.set(`${attention}.k_proj`, { rows: reciprocal(s) });
  }
  if (folds.includes("value")) {
    const s = powersOfTwo(rootMeanSquare(stats.v), 0.5);
    factors.set(`${attention}.v_proj`, { rows: reciprocal(s) });
    factors.set(`${attention}.o_proj`, { columns: toQueryHeads(s) });
  }
  if (folds.includes("up")) {
    const s = powersOfTwo(rootMeanSquare(stats.down), 0.5);
    const [, up] = linearModules(config, layer, "gate_up");
    const [down] = linearModules(config, layer, "down");
    factors.set(up!.name, { rows: reciprocal(s) });
    factors.set(down!.name, { columns: s });
  }
  return factors;
}

/** A key's channels are all to fill the cache's one range. */
function keyFactors(absmax: Float32Array, D: number): Float32Array {
  const half = D / 2;
  const pairs = absmax.map((_, c) => {
    const low = c - (c % D) + (c % half);
    return Math.max(absmax[low]!, absmax[low + half]!);
  });
  return powersOfTwo(pairs, 1);
}

function rootMeanSquare({ secondMoment }: ChannelStats): Float32Array {
  return Float32Array.from(secondMoment, Math.sqrt);
}

/** The powers of two nearest to (size / geometric mean of all sizes)^exponent; 1 for a channel that was never active. */
function powersOfTwo(sizes: Float32Array, exponent: number): Float32Array {
  const active = sizes.filter((size) => size > 0);
  const center = active.reduce((sum, size) => sum + Math.log2(size), 0) / active.length;
  return sizes.map((size) => (size > 0 ? 2 ** Math.round((Math.log2(size) - center) * exponent) : 1));
}

function reciprocal(factors: Float32Array): Float32Array {
  return factors.map((factor) => 1 / factor);
}
