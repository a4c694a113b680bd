/**
 * Every linear module of every block of a model, with the input it reads: what tests of files and of plans go
 * through.
 */
import { allInputs, describeModel, type InputName, type LinearModule } from "../src/architecture/description.ts";
import type { ModelConfig } from "../src/architecture/model-config.ts";

export function linearModules(config: ModelConfig): (LinearModule & { layer: number; input: InputName })[] {
  return allInputs(describeModel(config)).flatMap(({ modules, layer, name }) =>
    modules.map((module) => ({ ...module, layer, input: name })),
  );
}
