/** Calibration statistics made up for tests. */
import type { ActivationStats, ChannelStats } from "../../../src/quantizer/calibrate/activation-stats.ts";
import type { InputName } from "../../../src/architecture/description.ts";

/** Symmetric channels with these absolute maxima. */
export function channels(absmax: ArrayLike<number>): ChannelStats {
  const max = Float32Array.from(absmax);
  return { max, min: max.map((value) => -value), secondMoment: Float64Array.from(max, (value) => value ** 2 / 3), tokens: 100 };
}

/** One layer per entry; each input has channels of these absolute maxima. */
export function statsOf(layers: readonly Record<InputName, readonly number[]>[]): ActivationStats {
  return layers.map((layer) => ({
    qkv: channels(layer.qkv),
    o: channels(layer.o),
    up: channels(layer.up),
    down: channels(layer.down),
    k: channels([2, 3]),
    v: channels([0.5, 1]),
  }));
}
