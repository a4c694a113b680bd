/**
 * What calibration leaves behind: statistics per channel of every linear input, and of k and v as they enter
 * the cache. Plain data; every later stage reads it and none runs the model again.
 */
import type { ByInput } from "../../architecture/description.ts";
import type { Site } from "../../model/block.ts";

/** Statistics of one activation over all calibration tokens; channel i is column i of the activation. */
export interface ChannelStats {
  /** Smallest and largest value of each channel, f32[K]. */
  readonly min: Float32Array;
  readonly max: Float32Array;
  /** Mean of x^2 of each channel, f64[K]. */
  readonly secondMoment: Float64Array;
  /** Rows that went into them. */
  readonly tokens: number;
}

/** One entry per layer. */
export type ActivationStats = readonly LayerStats[];
/** Statistics of a block's inputs and, if it has attention, of k after RoPE, and of v. */
export type LayerStats = ByInput<ChannelStats> & Readonly<Partial<Record<"k" | "v", ChannelStats>>>;

/** max|x| of each channel, f32[K]: the `max(|X_i|)` of FPTQ, Equation 1. */
export function channelAbsmax({ min, max }: ChannelStats): Float32Array {
  return max.map((high, channel) => Math.max(Math.abs(high), Math.abs(min[channel]!)));
}

/** max|x| over all channels: the activation range v of FPTQ, Algorithm 1. */
export function absmax(stats: ChannelStats): number {
  return largest(channelAbsmax(stats));
}

export function largest(values: Float32Array): number {
  // Math.max propagates NaN; a comparison would lose it.
  return values.reduce((high, value) => Math.max(high, value), 0);
}

/** A few numbers per site, for JSON. */
export interface SiteSummary {
  readonly min: number;
  readonly max: number;
  readonly absmax: number;
  /** Root of the mean square over all channels and tokens. */
  readonly rms: number;
}

export interface StatsSummary {
  readonly tokens: number;
  readonly layers: readonly Readonly<Partial<Record<Site, SiteSummary>>>[];
}

export function summarizeStats(stats: ActivationStats): StatsSummary {
  const layers = stats.map((layer) =>
    Object.fromEntries(Object.entries(layer).map(([site, channels]) => [site, summarizeSite(channels)])),
  );
  return { tokens: stats[0]?.qkv.tokens ?? 0, layers };
}

function summarizeSite(stats: ChannelStats): SiteSummary {
  const sum = stats.secondMoment.reduce((total, value) => total + value, 0);
  return {
    min: stats.min.reduce((low, value) => Math.min(low, value), Infinity),
    max: stats.max.reduce((high, value) => Math.max(high, value), -Infinity),
    absmax: absmax(stats),
    rms: Math.sqrt(sum / stats.secondMoment.length),
  };
}
