/**
 * Activation ranges: what the policy decides on, and the figures and tables of FPTQ, section 3.2 and Appendix
 * A.3.
 */
import { allInputs, type Description, type InputName, type LinearInput, precedingNorm } from "../../architecture/description.ts";
import { type ActivationStats, channelAbsmax, type ChannelStats, largest } from "../calibrate/activation-stats.ts";
import { equalizationFactors, equalizedRange, type EqualizationMethod } from "../transform/equalize.ts";
import type { WeightStats } from "../calibrate/weight-stats.ts";

/** Range of a layer's input, and what equalization makes of it. */
export interface InputAnalysis {
  /** `model.layers.0.qkv` */
  readonly name: string;
  /** Number of the block. */
  readonly layer: number;
  /** Which input of the block. */
  readonly input: InputName;
  /** Whether a norm makes it, which can absorb factors. */
  readonly followsNorm: boolean;
  /** v of Algorithm 1: the largest channel absmax. */
  readonly range: number;
  /** The smallest and the median channel absmax: how far outliers stand out. */
  readonly smallest: number;
  /** Median channel absmax. */
  readonly median: number;
  /** Range after equalization; the range itself where no norm precedes the input. */
  readonly equalizedRange: number;
  /** Smallest channel absmax after equalization. */
  readonly equalizedSmallest: number;
  /** max|x| of each channel, f32[K], for figures. */
  readonly channelAbsmax: Float32Array;
  /**
   * s of the equalization, f32[K]; undefined where no norm precedes the input, or the method has no formula.
   */
  readonly factors: Float32Array | undefined;
}

/**
 * @param stats of this input
 * @param weightAbsmax as `equalizationFactors` has it, and `alike`
 */
export function analyzeInput(
  input: LinearInput,
  stats: ChannelStats,
  equalization: EqualizationMethod,
  weightAbsmax?: Float32Array,
  alike = 1,
): InputAnalysis {
  const followsNorm = precedingNorm(input) !== undefined;
  const channels = channelAbsmax(stats);
  const sorted = channels.toSorted();
  const factors = followsNorm ? equalizationFactors(channels, equalization, weightAbsmax, alike) : undefined;
  return {
    name: input.path,
    layer: input.layer,
    input: input.name,
    followsNorm,
    range: largest(channels),
    smallest: sorted[0] ?? 0,
    median: sorted[sorted.length >> 1] ?? 0,
    equalizedRange: equalizedRange(channels, factors),
    equalizedSmallest: channels.reduce((low, value, i) => Math.min(low, value / (factors?.[i] ?? 1)), Infinity),
    channelAbsmax: channels,
    factors,
  };
}

/** Analyzes every linear input of every layer, in the order data flows. */
export function analyzeInputs(
  description: Description,
  stats: ActivationStats,
  equalization: EqualizationMethod,
  weightStats?: WeightStats,
  alike = 1,
): InputAnalysis[] {
  return allInputs(description).map((input) => {
    const { layer, name } = input;
    return analyzeInput(input, stats[layer]![name]!, equalization, weightStats?.[layer]?.[name], alike);
  });
}

/** One column of the paper's Tables 8 and 9: the smallest and the largest channel absmax over all layers. */
export interface RangeSummary {
  readonly input: InputName;
  readonly min: number;
  readonly max: number;
  /** The same after equalization (Table 9). */
  readonly equalizedMin: number;
  readonly equalizedMax: number;
}

export function summarizeRanges(analysis: readonly InputAnalysis[]): RangeSummary[] {
  return [...new Set(analysis.map(({ input }) => input))].map((input) => {
    const rows = analysis.filter((row) => row.input === input);
    return {
      input,
      min: Math.min(...rows.map((row) => row.smallest)),
      max: Math.max(...rows.map((row) => row.range)),
      equalizedMin: Math.min(...rows.map((row) => row.equalizedSmallest)),
      equalizedMax: Math.max(...rows.map((row) => row.equalizedRange)),
    };
  });
}
