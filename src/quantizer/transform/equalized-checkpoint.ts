/** A checkpoint with the equalization that was decided on. */
import { describeModel } from "../../architecture/description.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { InputPlan } from "../decide/quantization-plan.ts";
import { equalization } from "./equalize.ts";
import { joinTransforms, transformCheckpoint } from "./transform.ts";

/** @param inputs of the whole model, in the order data flows */
export function equalizedCheckpoint(checkpoint: Checkpoint, inputs: readonly InputPlan[]): Checkpoint {
  const transforms = describeModel(checkpoint.config)
    .blocks.flatMap((block) => block.inputs)
    .flatMap((input, i) => {
      const { factors } = inputs[i]!;
      return factors ? [equalization(input, factors)] : [];
    });
  return transformCheckpoint(checkpoint, joinTransforms(transforms));
}
