/**
 * Calibration: float32 forward passes over the samples, one layer in memory at a time, with observers at every linear input and at
 * k and v as they enter the cache.
 */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { Host } from "../../host/host.ts";
import type { ActivationStats, LayerStats } from "./activation-stats.ts";
import { ChannelObservers, placeChannels } from "./channel-observers.ts";
import { type CalibrateOptions, countTokens, walkLayers } from "./layer-walk.ts";
import { RegionCursor } from "../round/rounding-memory.ts";
import { NULL } from "../../kernels/pointer.ts";

export type { CalibrateOptions } from "./layer-walk.ts";

/**
 * @param samples sequences of token ids, each run from position 0 on its own
 * @returns statistics of every layer
 * @throws as `walkLayers`
 */
export async function calibrate(
  checkpoint: Checkpoint,
  samples: readonly Int32Array[],
  host: Host,
  options: CalibrateOptions = {},
): Promise<ActivationStats> {
  const tokens = countTokens(samples);
  const size = new RegionCursor(NULL);
  placeChannels(size, checkpoint.config);
  const stats: LayerStats[] = [];
  await walkLayers(checkpoint, samples, host, options, { workspaceBytes: size.end }, ({ kernels, workspace, config }) => {
    const observers = new ChannelObservers(kernels, placeChannels(new RegionCursor(workspace), config));
    return {
      begin: () => observers.reset(),
      observe: (_, site, x, M, K, stride) => observers.observe(site, x, M, K, stride),
      settle: () => Promise.resolve(),
      end: () => void stats.push(observers.read(tokens)),
    };
  });
  return stats;
}
