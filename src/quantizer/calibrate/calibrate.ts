/**
 * Calibration: float32 forward passes over the samples, one layer in memory at a time, with observers at
 * every linear input and at k and v as they enter the cache.
 */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { Work } from "../../host/work.ts";
import type { ActivationStats, LayerStats } from "./activation-stats.ts";
import { ChannelObservers, placeChannels } from "./channel-observers.ts";
import { countTokens, walkLayers } from "./layer-walk.ts";

/**
 * Collects statistics of every layer.
 *
 * @param samples sequences of token ids, each run from position 0 on its own
 * @throws as `walkLayers`
 */
export async function calibrate(checkpoint: Checkpoint, samples: readonly Int32Array[], work: Work): Promise<ActivationStats> {
  const tokens = countTokens(samples);
  const stats: LayerStats[] = [];
  await walkLayers(checkpoint, samples, work, {
    place: placeChannels,
    visit: ({ kernels }, regions) => {
      const observers = new ChannelObservers(kernels, regions);
      return {
        replaces: false,
        begin: () => observers.reset(),
        observe: (_, { site, x, M, stride }) => observers.observe(site, x, M, stride),
        finishInput: () => Promise.resolve(),
        end: () => void stats.push(observers.read(tokens)),
      };
    },
  });
  return stats;
}
