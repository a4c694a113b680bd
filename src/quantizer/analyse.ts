/**
 * Activation ranges: what the policy decides on, and the figures and tables of FPTQ, section 3.2 and Appendix A.3.
 */
import { type LinearInput, LINEAR_INPUTS } from "../checkpoint/tensor-names.ts";
import { type ActivationStats, channelAbsmax, largest } from "./activation-stats.ts";
import { equalizationFactors, equalizedRange, type EqualizationMethod } from "./equalize.ts";
import { followsNorm, linearInputName } from "./linear-inputs.ts";

export interface InputAnalysis {
  /** `model.layers.0.qkv` */
  readonly name: string;
  readonly layer: number;
  readonly input: LinearInput;
  /** v of Algorithm 1: the largest channel absmax. */
  readonly range: number;
  /** The smallest and the median channel absmax: how far outliers stand out. */
  readonly smallest: number;
  readonly median: number;
  /** Range after equalization; the range itself where no norm precedes the input. */
  readonly equalizedRange: number;
  /** Smallest channel absmax after equalization. */
  readonly equalizedSmallest: number;
  /** max|x| of each channel, f32[K], for figures. */
  readonly channelAbsmax: Float32Array;
}

/** Every linear input of every layer, in the order data flows. */
export function analyse(stats: ActivationStats, equalization: EqualizationMethod): InputAnalysis[] {
  return stats.flatMap((layerStats, layer) =>
    LINEAR_INPUTS.map((input): InputAnalysis => {
      const channels = channelAbsmax(layerStats[input]);
      const sorted = channels.toSorted();
      const factors = followsNorm(input) ? equalizationFactors(channels, equalization) : undefined;
      return {
        name: linearInputName(layer, input),
        layer,
        input,
        range: largest(channels),
        smallest: sorted[0] ?? 0,
        median: sorted[sorted.length >> 1] ?? 0,
        equalizedRange: equalizedRange(channels, factors),
        equalizedSmallest: channels.reduce((low, value, i) => Math.min(low, value / (factors?.[i] ?? 1)), Infinity),
        channelAbsmax: channels,
      };
    }),
  );
}

/** One column of the paper's Tables 8 and 9: the smallest and the largest channel absmax over all layers. */
export interface RangeSummary {
  readonly input: LinearInput;
  readonly min: number;
  readonly max: number;
  /** The same after equalization (Table 9). */
  readonly equalizedMin: number;
  readonly equalizedMax: number;
}

export function summarizeRanges(analysis: readonly InputAnalysis[]): RangeSummary[] {
  return LINEAR_INPUTS.map((input) => {
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
