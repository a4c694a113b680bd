/** The activations of a checkpoint that are simulated, and the words for it in every report. */
import type { Checkpoint } from "../checkpoint.ts";
import { FLOAT8_FORMATS, type Float8Name, isFloat8 } from "../formats/float8.ts";
import { blockModules, describeModel } from "../../architecture/description.ts";

/** Inputs of linear layers that no instruction has: 8-bit floats, and integers of 4 bits. */
export type SimulatedName = Float8Name | "int4";

/** What inputs of the model's linear layers are rounded to by imitation. */
export function simulatedActivations({ config, quantization }: Checkpoint): readonly SimulatedName[] {
  const kinds = blockModules(describeModel(config)).map(({ name }): string | undefined => {
    const activations = quantization?.linear(name)?.activations;
    return activations?.kind === "static" && activations.bits === 4 ? "int4" : activations?.kind;
  });
  return [...new Set(kinds)].filter((kind) => kind === "int4" || (kind !== undefined && isFloat8(kind))) as SimulatedName[];
}

/** The words of every report on a model with such activations. */
export function simulationNote(name: SimulatedName): string {
  if (name === "int4") return "int4 activations are simulated: codes of 4 bits, exact, in operands of 8 and at their speed";
  return `${name} activations (${FLOAT8_FORMATS[name].title}) are simulated: rounded exactly, multiplied in float32`;
}
