/** A tiny model in W4A8 with an int8 cache, static unless `options` say otherwise, made by the quantizer. */
import type { Checkpoint } from "../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { nodeHost } from "../src/host/node.ts";
import { quantizeModel } from "../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../src/quantizer/recipe/resolve-recipe.ts";
import { MemoryOutputFolder } from "./memory-folder.ts";
import { tinySamples } from "./quantizer/tiny-samples.ts";
import { tinyModel, type TinyModelOptions } from "./tiny-model.ts";

export async function quantizedTinyModel(
  seed: number,
  options: RecipeOptions = {},
  model: TinyModelOptions = {},
): Promise<Checkpoint> {
  const source = await openSafetensorsCheckpoint(tinyModel(seed, model));
  const output = new MemoryOutputFolder("quantized");
  const recipe = resolveRecipe("fptq", { groupSize: 32, embedding: "q8", ...options });
  await quantizeModel(source, { samples: tinySamples(seed, 4, 64) }, recipe, output, { host: nodeHost, threads: 1 });
  await source.close();
  return openSafetensorsCheckpoint(output.result);
}
