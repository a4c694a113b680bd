/** Which of a checkpoint's activations are simulated, and how every report says so. */
import type { Checkpoint } from "../checkpoint.ts";
import { FLOAT8_FORMATS, type Float8Name, isFloat8 } from "../formats/float8.ts";
import { blockModules, describeModel } from "../../architecture/description.ts";

/** Those that inputs of the model's linear layers are rounded to. */
export function simulatedActivations({ config, quantization }: Checkpoint): readonly Float8Name[] {
  const kinds = blockModules(describeModel(config)).map(({ name }) => quantization?.linear(name)?.activations.kind);
  return [...new Set(kinds)].filter((kind) => kind !== undefined && isFloat8(kind)) as Float8Name[];
}

/** What every report says of a model with such activations. */
export function simulationNote(name: Float8Name): string {
  return `${name} activations (${FLOAT8_FORMATS[name].title}) are simulated: rounded exactly, multiplied in float32`;
}
