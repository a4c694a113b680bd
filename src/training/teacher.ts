/** What the float model makes of the samples: all the student is compared with. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { throwIfAborted } from "../errors.ts";
import { blockWork } from "../model/block.ts";
import { EventLoopPacer } from "../model/event-loop-pacer.ts";
import { LayerStream } from "../model/layer-stream.ts";
import type { Work } from "../host/work.ts";

/**
 * Runs the samples through a float model, one layer in memory at a time.
 *
 * @returns for each sample the residual stream behind the last layer, f32[S, E], before the final norm
 * @throws CheckpointError, UnsupportedModelError, OptionError, CapabilityError, AbortError; NumericError
 *   naming the layer
 */
export async function finalHiddenStates(
  checkpoint: Checkpoint,
  samples: readonly Int32Array[],
  work: Work,
): Promise<Float32Array[]> {
  const { signal, onProgress, host } = work;
  const rows = Math.max(...samples.map(({ length }) => length));
  const { stream } = await LayerStream.open(checkpoint, work, { rows }, () => {});
  const { config, blocks } = stream.description;
  try {
    const pacer = new EventLoopPacer(host);
    const hidden: Float32Array[] = [];
    for (const sample of samples) hidden.push(await stream.embed(sample));
    for (let layer = 0; layer < config.layers; layer++) {
      await stream.loadLayer(layer);
      for (const state of hidden) {
        throwIfAborted(signal, `distillation, layer ${layer} of the float model`);
        stream.run(state);
        pacer.count(blockWork(blocks[layer]!, config, state.length / config.hiddenSize, 0));
        if (pacer.due()) await pacer.letEventsRun();
      }
      onProgress?.({ phase: "float model", done: layer + 1, total: config.layers, unit: "layers" });
    }
    return hidden;
  } finally {
    await stream.dispose();
  }
}
