/** The activations of a checkpoint that are simulated, and the words for it in every report. */
import type { Checkpoint } from "../checkpoint.ts";
import { FLOAT8_FORMATS, type Float8Name, isFloat8 } from "../formats/float8.ts";
import { blockModules, describeModel } from "../../architecture/description.ts";

/** The 8-bit floats that inputs of the model's linear layers are rounded to. */
export function simulatedActivations({ config, quantization }: Checkpoint): readonly Float8Name[] {
  const kinds = blockModules(describeModel(config)).map(({ name }) => quantization?.linear(name)?.activations.kind);
  return [...new Set(kinds)].filter((kind) => kind !== undefined && isFloat8(kind)) as Float8Name[];
}

/** The words of every report on a model with such activations. */
export function simulationNote(name: Float8Name): string {
  return `${name} activations (${FLOAT8_FORMATS[name].title}) are simulated: rounded exactly, multiplied in float32`;
}
