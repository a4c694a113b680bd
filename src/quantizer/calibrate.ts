/**
 * Calibration: float32 forward passes over the samples, one layer in memory at a time, with observers at every linear input and at
 * k and v as they enter the cache.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { linearModules } from "../checkpoint/tensor-names.ts";
import { RecipeError, throwIfAborted } from "../errors.ts";
import type { Pointer } from "../kernels/kernel-exports.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { EventLoopPacer } from "../model/event-loop-pacer.ts";
import { LayerStream } from "../model/layer-stream.ts";
import type { OnProgress } from "../progress.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  type ActivationStats,
  type ChannelStats,
  type LayerStats,
  OBSERVED_SITES,
  type ObservedSite,
} from "./activation-stats.ts";

export interface CalibrateOptions {
  readonly threads?: number | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Counts tokens; one that has gone through half of the layers is half done. */
  readonly onProgress?: OnProgress | undefined;
}

/**
 * @param samples sequences of token ids, each run from position 0 on its own
 * @returns statistics of every layer
 * @throws RecipeError if there are no samples; CheckpointError, UnsupportedModelError, OptionError, CapabilityError, AbortError;
 *   NumericError naming the layer whose output has NaN or infinity
 */
export async function calibrate(
  checkpoint: Checkpoint,
  samples: readonly Int32Array[],
  runtime: Runtime,
  { threads, signal, onProgress, onWarning }: CalibrateOptions = {},
): Promise<ActivationStats> {
  const tokens = samples.reduce((sum, sample) => sum + sample.length, 0);
  if (tokens === 0) throw new RecipeError("calibration: no samples, need at least one token");
  const { config } = checkpoint;
  const channels = siteChannels(config);
  const rows = Math.max(...samples.map((sample) => sample.length));
  const workspaceBytes = OBSERVED_SITES.reduce((sum, site) => sum + BYTES_PER_CHANNEL * paddedChannels(channels[site]), 0);
  const stream = await LayerStream.open(checkpoint, runtime, { rows, threads, signal, onWarning, workspaceBytes });
  try {
    const pacer = new EventLoopPacer(runtime);
    const observers = new Observers(stream.kernels, stream.workspace, channels);
    const hidden: Float32Array[] = [];
    for (const sample of samples) hidden.push(await stream.embed(sample));

    const stats: LayerStats[] = [];
    let tokensThroughLayers = 0;
    for (let layer = 0; layer < config.layers; layer++) {
      await stream.loadLayer(layer);
      observers.reset();
      for (const state of hidden) {
        throwIfAborted(signal, `calibration, layer ${layer}`);
        stream.run(state, (site, x, M, K, stride) => observers.observe(site, x, M, K, stride));
        tokensThroughLayers += state.length / config.hiddenSize;
        onProgress?.({
          phase: "calibrate",
          done: Math.floor(tokensThroughLayers / config.layers),
          total: tokens,
          unit: "tokens",
        });
        if (pacer.due()) await pacer.letEventsRun();
      }
      stats.push(observers.read(tokens));
    }
    return stats;
  } finally {
    await stream.dispose();
  }
}

/** Columns of each observed activation. */
function siteChannels(config: ModelConfig): Record<ObservedSite, number> {
  const K = (input: "qkv" | "o" | "gate_up" | "down") => linearModules(config, 0, input)[0]!.inFeatures;
  const kv = config.kvHeads * config.headDim;
  return { qkv: K("qkv"), o: K("o"), gate_up: K("gate_up"), down: K("down"), k: kv, v: kv };
}

/** Sum of squares f64, minimum and maximum f32. */
const BYTES_PER_CHANNEL = 8 + 4 + 4;

/** Keeps every array on a 16-byte boundary. */
function paddedChannels(channels: number): number {
  return Math.ceil(channels / 4) * 4;
}

/** Running statistics of the sites of one layer, in linear memory: `sumSquares` f64[K], `min` f32[K], `max` f32[K] for each. */
class Observers {
  readonly #kernels: Kernels;
  readonly #sites: Readonly<Record<ObservedSite, { K: number; sumSquares: Pointer; min: Pointer; max: Pointer }>>;

  constructor(kernels: Kernels, workspace: Pointer, channels: Record<ObservedSite, number>) {
    this.#kernels = kernels;
    let next = workspace;
    const place = (K: number) => {
      const padded = paddedChannels(K);
      const sumSquares = next;
      const min = sumSquares + 8 * padded;
      const max = min + 4 * padded;
      next = max + 4 * padded;
      return { K, sumSquares, min, max };
    };
    this.#sites = {
      qkv: place(channels.qkv),
      o: place(channels.o),
      gate_up: place(channels.gate_up),
      down: place(channels.down),
      k: place(channels.k),
      v: place(channels.v),
    };
  }

  reset(): void {
    for (const site of OBSERVED_SITES) {
      const { K, sumSquares, min, max } = this.#sites[site];
      this.#kernels.f64(sumSquares, K).fill(0);
      this.#kernels.f32(min, K).fill(Infinity);
      this.#kernels.f32(max, K).fill(-Infinity);
    }
  }

  observe(site: ObservedSite, x: Pointer, M: number, K: number, stride: number): void {
    const { sumSquares, min, max } = this.#sites[site];
    this.#kernels.run.observe_f32(x, min, max, sumSquares, M, K, stride);
  }

  /** A copy of what was seen since `reset`. */
  read(tokens: number): LayerStats {
    const copy = (site: ObservedSite): ChannelStats => {
      const { K, sumSquares, min, max } = this.#sites[site];
      return {
        min: this.#kernels.f32(min, K).slice(),
        max: this.#kernels.f32(max, K).slice(),
        secondMoment: this.#kernels.f64(sumSquares, K).map((sum) => sum / tokens),
        tokens,
      };
    };
    return {
      qkv: copy("qkv"),
      o: copy("o"),
      gate_up: copy("gate_up"),
      down: copy("down"),
      k: copy("k"),
      v: copy("v"),
    };
  }
}
