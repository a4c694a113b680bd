/** Samples through a float model one layer at a time, with somebody looking on: calibration, and rounding while a layer is in memory. */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { type LinearInput, LINEAR_INPUTS } from "../../architecture/tensor-names.ts";
import { RecipeError, throwIfAborted } from "../../errors.ts";
import type { Pointer } from "../../kernels/kernel-exports.ts";
import { blockWork, type Site } from "../../model/block.ts";
import { EventLoopPacer } from "../../model/event-loop-pacer.ts";
import { LayerStream, type LayerStreamOptions } from "../../model/layer-stream.ts";
import type { OnProgress } from "../../progress.ts";
import type { Host } from "../../host/host.ts";

export interface CalibrateOptions {
  readonly threads?: number | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Counts tokens; one that has gone through half of the layers is half done. */
  readonly onProgress?: OnProgress | undefined;
}

export interface LayerVisitor {
  /**
   * Whether `settle` replaces weights, and all that comes after them is to be of the new ones: the rest of the layer, and later layers.
   */
  readonly replaces?: boolean;
  begin(): void;
  /** Sees f32[M, K] at `x`, rows `stride` elements apart, of one sample: each site once for each sample. */
  observe(sample: number, site: Site, x: Pointer, M: number, K: number, stride: number): void;
  /** All samples have been seen at `input`, and at k and v once it is behind them; in the order data flows. */
  settle(layer: number, input: LinearInput): Promise<void>;
  /** The layer is done. */
  end(): void;
}

/**
 * @param samples sequences of token ids, each run from position 0 on its own
 * @param visitorOf makes the visitor once memory exists
 * @throws RecipeError if there are no samples; CheckpointError, UnsupportedModelError, OptionError, CapabilityError, AbortError;
 *   NumericError naming the layer whose output has NaN or infinity
 */
export async function walkLayers(
  checkpoint: Checkpoint,
  samples: readonly Int32Array[],
  host: Host,
  { threads, signal, onProgress, onWarning }: CalibrateOptions,
  memory: Pick<LayerStreamOptions, "workspaceBytes" | "threadScratchBytes">,
  visitorOf: (stream: LayerStream) => LayerVisitor,
): Promise<void> {
  const tokens = countTokens(samples);
  const { config } = checkpoint;
  const rows = Math.max(...samples.map((sample) => sample.length));
  const stream = await LayerStream.open(checkpoint, host, { rows, threads, signal, onWarning, ...memory });
  try {
    const visitor = visitorOf(stream);
    const pacer = new EventLoopPacer(host);
    const hidden: Float32Array[] = [];
    for (const sample of samples) hidden.push(await stream.embed(sample));
    const passes = config.layers * (visitor.replaces ? LINEAR_INPUTS.length + 1 : 1);
    let tokensThroughLayers = 0;
    const pass = async (layer: number, run: (state: Float32Array, sample: number) => void) => {
      for (const [sample, state] of hidden.entries()) {
        throwIfAborted(signal, `calibration, layer ${layer}`);
        run(state, sample);
        const sampleRows = state.length / config.hiddenSize;
        tokensThroughLayers += sampleRows;
        onProgress?.({ phase: "calibrate", done: Math.floor(tokensThroughLayers / passes), total: tokens, unit: "tokens" });
        pacer.count(blockWork(config, sampleRows, 0));
        if (pacer.due()) await pacer.letEventsRun();
      }
    };
    for (let layer = 0; layer < config.layers; layer++) {
      await stream.loadLayer(layer);
      visitor.begin();
      if (!visitor.replaces) {
        await pass(layer, (state, sample) => stream.run(state, (...seen) => visitor.observe(sample, ...seen)));
        for (const input of LINEAR_INPUTS) await visitor.settle(layer, input);
      } else {
        // The layer again from its beginning for each input, since what comes before has changed; most of it is behind the last one.
        for (const [i, input] of LINEAR_INPUTS.entries()) {
          const earlier = new Set<Site>(LINEAR_INPUTS.slice(0, i));
          await pass(layer, (state, sample) => {
            stream.runUntil(input, state, (site, ...seen) => {
              const isNew = site === "k" || site === "v" ? input === "o" : !earlier.has(site);
              if (isNew) visitor.observe(sample, site, ...seen);
            });
          });
          await visitor.settle(layer, input);
        }
        await pass(layer, (state) => stream.run(state));
      }
      visitor.end();
    }
  } finally {
    await stream.dispose();
  }
}

/** @throws RecipeError if there are none */
export function countTokens(samples: readonly Int32Array[]): number {
  const tokens = samples.reduce((sum, sample) => sum + sample.length, 0);
  if (tokens === 0) throw new RecipeError("calibration: no samples, need at least one token");
  return tokens;
}
