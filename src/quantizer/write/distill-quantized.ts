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
import { type Distillation, distill } from "../../training/distill.ts";
import type { TunedTensors } from "../../training/parameters.ts";
import type { PlannedTensor, QuantizationPlan } from "../decide/quantization-plan.ts";
import { encodeF16 } from "../../checkpoint/formats/float-formats.ts";
import { runStore } from "./run-store.ts";
import { SCALE_STORAGE } from "../recipe/scale-type.ts";

export interface ModelToDistill {
  /** The float model. */
  readonly checkpoint: Checkpoint;
  /** The quantized one, as it would be written without distillation. */
  readonly rounded: MemoryFolder;
  /** Sequences to distil on, one for each step. */
  readonly samples: readonly Int32Array[];
  /** Sequences that decide which step's parameters are kept. */
  readonly validation: readonly Int32Array[];
}

/** @throws as `distill` */
export async function distillQuantized(
  { checkpoint, rounded, samples, validation }: ModelToDistill,
  plan: QuantizationPlan,
  output: OutputFolder,
  work: Work,
): Promise<Distillation> {
  const { distillSteps: steps, distillLoss: loss, distillTrain: trained, scales } = plan.recipe;
  const { round } = SCALE_STORAGE[scales];
  const student = await openSafetensorsCheckpoint(rounded, work.signal);
  try {
    const store = await runStore(output, { teacher: checkpoint, student, samples, validation, recipe: plan.recipe }, work);
    const found = await distill(checkpoint, student, { steps, loss, trained, round, samples, validation, store }, work);
    await writeTuned(student, found.tuned, plan, output);
    return found;
  } finally {
    await student.close();
  }
}

/** All tensors of the plan: those that were tuned, and the others as they are. */
async function writeTuned(student: Checkpoint, tuned: TunedTensors, plan: QuantizationPlan, output: OutputFolder): Promise<void> {
  const writer = new SafetensorsWriter(output, plan.tensors);
  for (const tensor of plan.tensors) {
    const values = tuned.get(tensor.name);
    await writer.write(tensor.name, values ? encode(values, tensor, plan) : await student.readRaw(tensor.name));
  }
  await writer.finish();
}

function encode(values: Float32Array, { role }: PlannedTensor, { recipe }: QuantizationPlan): ArrayBufferView {
  if (role === "scale") return SCALE_STORAGE[recipe.scales].encode(values);
  return role === "low_rank" ? encodeF16(values) : values;
}
