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
import { inputOf, partsOfRows } from "./block-modules.ts";
import { joinTransforms, sharedAlike, type ModuleFactors, type Transform } from "./transform.ts";

export const FOLDS = ["key", "value", "up"] as const;
export type Fold = (typeof FOLDS)[number];

/** Says why a model cannot have a fold; undefined if it can. */
export function foldObstacle(fold: Fold, config: ModelConfig, alike = 1): string | undefined {
  const { qkNorm, gatedMlp, activation, headDim: D } = config;
  if (fold === "value" && D % alike !== 0) return `got heads of ${D}, need a multiple of ${alike}, whose channels share a factor`;
  if (fold === "key" && qkNorm !== "none") return "got norms of queries and keys, which undo it";
  if (fold === "up" && !gatedMlp && activation !== "relu") return `got an MLP of ${activation}, need a gated one, or one of relu`;
  return undefined;
}

/**
 * Makes the transform of one layer.
 *
 * @param stats of the model as it is
 * @param alike consecutive columns of a weight that share a factor
 * @returns nothing for folds that the model cannot have (`foldObstacle`)
 */
export function foldTransform(
  config: ModelConfig,
  block: Block,
  stats: LayerStats,
  folds: readonly Fold[],
  alike = 1,
): Transform {
  // Between the linears of a convolution nothing is folded.
  const inBlock = block.convolution ? folds.filter((fold) => fold === "up") : folds;
  const possible = inBlock.filter((fold) => foldObstacle(fold, config, alike) === undefined);
  const found = possible.map((fold) => ({ fold, s: FACTORS[fold](stats, { config, block, alike }) }));
  return joinTransforms(found.map(({ fold, s }) => foldWith(config, block, fold, s)));
}

/**
 * Makes the transform of one fold in one layer from its factors.
 *
 * @param s f32[Hkv * D] for keys and values, f32[F] for up
 */
export function foldWith(config: ModelConfig, block: Block, fold: Fold, s: Float32Array): Transform {
  const parts = MERGES[fold](s, config, block);
  return joinTransforms(parts.map((part) => ({ modules: new Map([part]), norms: new Map() })));
}

interface FoldedBlock {
  readonly config: ModelConfig;
  readonly block: Block;
  /** Consecutive columns of a weight that share a factor. */
  readonly alike: number;
}

const FACTORS: Readonly<Record<Fold, (stats: LayerStats, where: FoldedBlock) => Float32Array>> = {
  key: (stats, { config, block }) => keyFactors(channelAbsmax(stats.k!), config, block),
  value: (stats, { alike }) => powersOfTwo(rootMeanSquare(stats.v!, alike), 0.5),
  up: (stats, { alike }) => powersOfTwo(rootMeanSquare(stats.down, alike), 0.5),
};

type NamedFactors = readonly [module: string, factors: ModuleFactors];

const MERGES: Readonly<Record<Fold, (s: Float32Array, config: ModelConfig, block: Block) => readonly NamedFactors[]>> = {
  key(s, config, block) {
    const { input, firstRow } = foldedRows(config, block, "key");
    return [...rowFactors(input.modules, 0, toQueryHeads(s, config)), ...rowFactors(input.modules, firstRow, reciprocal(s))];
  },
  value(s, config, block) {
    const { input, firstRow } = foldedRows(config, block, "value");
    const columns = toQueryHeads(s, config);
    return [
      ...rowFactors(input.modules, firstRow, reciprocal(s)),
      ...inputOf(block, "o").modules.map(({ name }) => [name, { columns }] as const),
    ];
  },
  up(s, config, block) {
    const { input, firstRow } = foldedRows(config, block, "up");
    return [
      ...rowFactors(input.modules, firstRow, reciprocal(s)),
      ...inputOf(block, "down").modules.map(({ name }) => [name, { columns: s }] as const),
    ];
  },
};

/**
 * The rows that a fold divides: those of `input`'s modules, as they are fused, from `firstRow` on, `rows` of
 * them.
 */
export function foldedRows(
  { heads: H, kvHeads: Hkv, headDim: D, ffnSize: F }: ModelConfig,
  block: Block,
  fold: Fold,
): { readonly input: LinearInput; readonly firstRow: number; readonly rows: number } {
  const qkv = inputOf(block, "qkv");
  if (fold !== "up") return { input: qkv, firstRow: (fold === "key" ? H : H + Hkv) * D, rows: Hkv * D };
  // The MLP's first linears come last among those of their input, and of a gated MLP's rows the gated ones.
  const input = block.inputs.find(({ name }) => name === "up") ?? qkv;
  const total = input.modules.reduce((sum, { outFeatures }) => sum + outFeatures, 0);
  return { input, firstRow: total - F, rows: F };
}

/** Divides factors of some rows of all modules, as they are fused, among the modules that have those rows. */
function rowFactors(modules: readonly LinearModule[], firstRow: number, factors: Float32Array): NamedFactors[] {
  return partsOfRows(modules, firstRow, factors.length).map(({ module, row, from, to }) => {
    const rows = new Float32Array(module.outFeatures).fill(1);
    rows.set(factors.subarray(from, to), row);
    return [module.name, { rows }];
  });
}

/**
 * Factors of the key or value head that each query head reads, one head after another: f32[Hkv * D] -> f32[H
 * * D].
 */
function toQueryHeads(s: Float32Array, { heads: H, kvHeads: Hkv, headDim: D }: ModelConfig): Float32Array {
  return Float32Array.from({ length: H * D }, (_, c) => s[Math.floor(Math.floor(c / D) / (H / Hkv)) * D + (c % D)]!);
}

/** A key's channels are all to fill the cache's one range. */
function keyFactors(absmax: Float32Array, config: ModelConfig, block: Block): Float32Array {
  const pairs = absmax.map((own, c) => Math.max(own, absmax[turningWith(c, config, block)]!));
  return powersOfTwo(pairs, 1);
}

/**
 * The channel of all key heads that turns together with channel c: of the first r of a head, i and i + r/2
 * do, or 2i and 2i + 1; the others stay alone.
 */
export function turningWith(
  c: number,
  { headDim: D, rotaryDim, rotaryPairs }: ModelConfig,
  { rope }: Pick<Block, "rope">,
): number {
  const channel = c % D;
  if (rope === undefined || channel >= rotaryDim) return c;
  return c - channel + (rotaryPairs === "neighbours" ? channel ^ 1 : (channel + rotaryDim / 2) % rotaryDim);
}

/** Root mean square of each channel, or of each `alike` consecutive ones together. */
function rootMeanSquare({ secondMoment }: ChannelStats, alike: number): Float32Array {
  if (alike === 1) return Float32Array.from(secondMoment, Math.sqrt);
  const mean = (some: Float32Array) => some.reduce((sum, value) => sum + value, 0) / some.length;
  return sharedAlike(Float32Array.from(secondMoment), alike, (some) => Math.sqrt(mean(some)));
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
