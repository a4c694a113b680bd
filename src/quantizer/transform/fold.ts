/**
 * Folds: equalization between two linears with nothing between them that a factor per channel could not pass.
 * What the first divides by, the second multiplies by:
 *
 *   key    k_c / s_c, q_c * s_c      through the scores q k^T; both channels of a rotated pair share s
 *   value  v_c / s_c, o_c * s_c      through attention's means, for each query head of the value head
 *   up     up_c / s_c, down_c * s_c  through activation(gate) * up, or ReLU, which s > 0 passes
 *
 * (FPTQuant, section 3, calls these mergeable transforms.) For keys s is the largest magnitude, since an
 * int8 cache has one scale for all of them, for the others the square root of the root mean square: halfway
 * between activations alike and weights as they were. Factors are powers of two, so the folded model computes
 * the same floats, bit for bit. They need no precision: whatever is quantized afterwards is calibrated on the
 * folded model.
 */
import type { Block, LinearInput, LinearModule } from "../../architecture/description.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import { type ChannelStats, channelAbsmax, type LayerStats } from "../calibrate/activation-stats.ts";
import { joinTransforms, type ModuleFactors, type Transform } from "./transform.ts";

export const FOLDS = ["key", "value", "up"] as const;
export type Fold = (typeof FOLDS)[number];

/** Says why a model cannot have a fold; undefined if it can. */
export function foldObstacle(fold: Fold, { qkNorm, gatedMlp, activation }: ModelConfig): string | undefined {
  if (fold === "key" && qkNorm !== "none") return "got norms of queries and keys, which undo it";
  if (fold === "up" && !gatedMlp && activation !== "relu") return `got an MLP of ${activation}, need a gated one, or one of relu`;
  return undefined;
}

/**
 * Makes the transform of one layer.
 *
 * @param stats of the model as it is
 * @returns nothing for folds that the model cannot have (`foldObstacle`)
 */
export function foldTransform(config: ModelConfig, block: Block, stats: LayerStats, folds: readonly Fold[]): Transform {
  const possible = folds.filter((fold) => foldObstacle(fold, config) === undefined);
  return joinTransforms(possible.map((fold) => ({ modules: new Map(FACTORS[fold](config, block, stats)), norms: new Map() })));
}

type NamedFactors = readonly [module: string, factors: ModuleFactors];

const FACTORS: Readonly<Record<Fold, (config: ModelConfig, block: Block, stats: LayerStats) => readonly NamedFactors[]>> = {
  key(config, block, stats) {
    const { heads: H, headDim: D } = config;
    const s = keyFactors(channelAbsmax(stats.k), config, block);
    const { modules } = inputOf(block, "qkv");
    const [queries, keys] = [rowFactors(modules, 0, toQueryHeads(s, config)), rowFactors(modules, H * D, reciprocal(s))];
    return [...joinTransforms([queries, keys].map((part) => ({ modules: new Map(part), norms: new Map() }))).modules];
  },
  value(config, block, stats) {
    const { heads: H, kvHeads: Hkv, headDim: D } = config;
    const s = powersOfTwo(rootMeanSquare(stats.v), 0.5);
    const columns = toQueryHeads(s, config);
    return [
      ...rowFactors(inputOf(block, "qkv").modules, (H + Hkv) * D, reciprocal(s)),
      ...inputOf(block, "o").modules.map(({ name }) => [name, { columns }] as const),
    ];
  },
  up(_config, block, stats) {
    const s = powersOfTwo(rootMeanSquare(stats.down), 0.5);
    // The MLP's first linears come last among those of their input, and of a gated MLP's rows the gated ones.
    const { modules } = block.inputs.find(({ name }) => name === "up") ?? inputOf(block, "qkv");
    const rows = modules.reduce((sum, { outFeatures }) => sum + outFeatures, 0);
    return [
      ...rowFactors(modules, rows - s.length, reciprocal(s)),
      ...inputOf(block, "down").modules.map(({ name }) => [name, { columns: s }] as const),
    ];
  },
};

function inputOf({ inputs }: Block, name: "qkv" | "o" | "down"): LinearInput {
  return inputs.find((input) => input.name === name)!;
}

/**
 * Divides factors of some rows of all modules, as they are fused, among the modules that have those rows: q,
 * k and v are one after another, whether in three modules or in one.
 */
function rowFactors(modules: readonly LinearModule[], firstRow: number, factors: Float32Array): NamedFactors[] {
  const found: NamedFactors[] = [];
  let begin = 0;
  for (const { name, outFeatures } of modules) {
    const [from, to] = [Math.max(firstRow, begin), Math.min(firstRow + factors.length, begin + outFeatures)];
    if (from < to) {
      const rows = new Float32Array(outFeatures).fill(1);
      rows.set(factors.subarray(from - firstRow, to - firstRow), from - begin);
      found.push([name, { rows }]);
    }
    begin += outFeatures;
  }
  return found;
}

/**
 * Factors of the key or value head that each query head reads, one head after another: f32[Hkv * D] -> f32[H
 * * D].
 */
function toQueryHeads(s: Float32Array, { heads: H, kvHeads: Hkv, headDim: D }: ModelConfig): Float32Array {
  return Float32Array.from({ length: H * D }, (_, c) => s[Math.floor(Math.floor(c / D) / (H / Hkv)) * D + (c % D)]!);
}

/**
 * A key's channels are all to fill the cache's one range. Two channels of the first r of a head turn
 * together: i and i + r/2, or 2i and 2i + 1.
 */
function keyFactors(
  absmax: Float32Array,
  { headDim: D, rotaryDim, rotaryPairs }: ModelConfig,
  { rope }: Pick<Block, "rope">,
): Float32Array {
  const half = rotaryDim / 2;
  const pairs = absmax.map((own, c) => {
    const channel = c % D;
    if (rope === undefined || channel >= rotaryDim) return own;
    const other = rotaryPairs === "neighbours" ? channel ^ 1 : (channel + half) % rotaryDim;
    return Math.max(own, absmax[c - channel + other]!);
  });
  return powersOfTwo(pairs, 1);
}

function rootMeanSquare({ secondMoment }: ChannelStats): Float32Array {
  return Float32Array.from(secondMoment, Math.sqrt);
}

/**
 * The powers of two nearest to (size / geometric mean of all sizes)^exponent; 1 for a channel that was never
 * active.
 */
function powersOfTwo(sizes: Float32Array, exponent: number): Float32Array {
  const active = sizes.filter((size) => size > 0);
  const center = active.reduce((sum, size) => sum + Math.log2(size), 0) / active.length;
  return sizes.map((size) => (size > 0 ? 2 ** Math.round((Math.log2(size) - center) * exponent) : 1));
}

function reciprocal(factors: Float32Array): Float32Array {
  return factors.map((factor) => 1 / factor);
}
