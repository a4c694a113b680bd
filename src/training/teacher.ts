/** What the float model makes of the samples: all the student is compared with. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { RecipeError, throwIfAborted } from "../errors.ts";
import { blockWork } from "../model/block.ts";
import { EventLoopPacer } from "../model/event-loop-pacer.ts";
import { LayerStream } from "../model/layer-stream.ts";
import type { Work } from "../host/work.ts";

/**
 * Runs the samples through a float model, one layer in memory at a time.
 *
 * @param rows tokens of the longest sample there is: some kinds of RoPE follow it
 * @returns for each sample the residual stream behind the last layer, f32[S, E], before the final norm
 * @throws CheckpointError, UnsupportedModelError, OptionError, CapabilityError, AbortError; NumericError
 *   naming the layer
 */
export async function finalHiddenStates(
  checkpoint: Checkpoint,
  samples: readonly Int32Array[],
  rows: number,
  work: Work,
): Promise<Float32Array[]> {
  const { signal, onProgress, host } = work;
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

/**
 * A teacher has to speak of the same tokens, and its residual stream goes through the student's memory.
 *
 * @throws RecipeError naming what differs
 */
export function checkTeacher(teacher: Checkpoint, student: Checkpoint): void {
  for (const [what, size] of [
    ["vocabulary", "vocabSize"],
    ["hidden size", "hiddenSize"],
  ] as const) {
    const [got, need] = [teacher.config[size], student.config[size]];
    if (got !== need) throw new RecipeError(`teacher ${teacher.name}: ${what}: got ${got}, need ${need} as ${student.name} has`);
  }
  if (!teacher.tokenizer || !student.tokenizer) return;
  const vocabularyOf = ({ tokenizer }: Checkpoint) =>
    (tokenizer!.tokenizerJson["model"] as { vocab?: unknown } | undefined)?.vocab;
  if (JSON.stringify(vocabularyOf(teacher)) === JSON.stringify(vocabularyOf(student))) return;
  throw new RecipeError(`teacher ${teacher.name}: vocabulary: got other tokens than ${student.name} has, need the same`);
}
