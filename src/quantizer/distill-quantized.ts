/** The last stage of the quantizer: a rounded model is distilled (`src/distillation`), and its tensors are written as tuned. */
import type { OutputFolder } from "../checkpoint/byte-source.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { MemoryFolder } from "../checkpoint/memory-folder.ts";
import { openSafetensorsCheckpoint } from "../checkpoint/safetensors/safetensors-checkpoint.ts";
import { SafetensorsWriter } from "../checkpoint/safetensors/safetensors-writer.ts";
import { distill } from "../training/distill.ts";
import type { DistillOptions } from "../training/distill-options.ts";
import type { TunedTensors } from "../training/parameters.ts";
import type { Host } from "../host/host.ts";
import type { QuantizationPlan } from "./decide/quantization-plan.ts";
import { SCALE_STORAGE } from "./recipe/scale-type.ts";

/**
 * @param checkpoint the float model
 * @param rounded the quantized one, as it would be written without distillation
 * @returns the loss of each step
 * @throws as `distill`
 */
export async function distillQuantized(
  checkpoint: Checkpoint,
  rounded: MemoryFolder,
  samples: readonly Int32Array[],
  plan: QuantizationPlan,
  output: OutputFolder,
  host: Host,
  options: DistillOptions,
): Promise<readonly number[]> {
  const { distillSteps: steps, scales } = plan.recipe;
  const { round } = SCALE_STORAGE[scales];
  const student = await openSafetensorsCheckpoint(rounded, options.signal);
  try {
    const tuned = await distill(checkpoint, student, samples, { steps, round }, host, options);
    await writeTuned(student, tuned, plan, output);
    return tuned.losses;
  } finally {
    await student.close();
  }
}

/** All tensors of the plan: those that were tuned, and the others as they are. */
async function writeTuned(
  student: Checkpoint,
  { norms, scales }: TunedTensors,
  plan: QuantizationPlan,
  output: OutputFolder,
): Promise<void> {
  const writer = new SafetensorsWriter(output, plan.tensors);
  const { encode } = SCALE_STORAGE[plan.recipe.scales];
  for (const { name } of plan.tensors) {
    const scale = scales.get(name.replace(/\.weight_scale$/, ""));
    if (scale && name.endsWith(".weight_scale")) await writer.write(name, encode(scale));
    else await writer.write(name, norms.get(name) ?? (await student.readRaw(name)));
  }
  await writer.finish();
}
