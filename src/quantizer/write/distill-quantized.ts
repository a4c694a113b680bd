/**
 * The last stage of the quantizer: a rounded model is distilled (`src/training`), and its tensors are written
 * as tuned.
 */
import type { OutputFolder } from "../../checkpoint/byte-source.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { MemoryFolder } from "../../checkpoint/memory-folder.ts";
import { openSafetensorsCheckpoint } from "../../checkpoint/safetensors/safetensors-checkpoint.ts";
import { SafetensorsWriter } from "../../checkpoint/safetensors/safetensors-writer.ts";
import type { Work } from "../../host/work.ts";
import { distill } from "../../training/distill.ts";
import type { TunedTensors } from "../../training/parameters.ts";
import type { QuantizationPlan } from "../decide/quantization-plan.ts";
import { SCALE_STORAGE } from "../recipe/scale-type.ts";

export interface ModelToDistill {
  /** The float model. */
  readonly checkpoint: Checkpoint;
  /** The quantized one, as it would be written without distillation. */
  readonly rounded: MemoryFolder;
  /** Sequences to distil on, one for each step. */
  readonly samples: readonly Int32Array[];
}

/**
 * @returns the loss of each step
 * @throws as `distill`
 */
export async function distillQuantized(
  { checkpoint, rounded, samples }: ModelToDistill,
  plan: QuantizationPlan,
  output: OutputFolder,
  work: Work,
): Promise<readonly number[]> {
  const { distillSteps: steps, scales } = plan.recipe;
  const { round } = SCALE_STORAGE[scales];
  const student = await openSafetensorsCheckpoint(rounded, work.signal);
  try {
    const tuned = await distill(checkpoint, student, samples, { steps, round }, work);
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
  for (const { name, role } of plan.tensors) {
    const scale = role === "scale" ? scales.get(name.replace(/\.weight_scale$/, "")) : undefined;
    await writer.write(name, scale ? encode(scale) : (norms.get(name) ?? (await student.readRaw(name))));
  }
  await writer.finish();
}
