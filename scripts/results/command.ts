/** The command of `fptq` that makes a row's model. */
import { basename } from "node:path";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import type { Row } from "./rows.ts";
import type { Settings } from "./settings.ts";

/** Words of the recipe: `["--recipe", "fptq", "--v0", "5"]`. */
export function recipeWords({ recipe, options = {} }: Pick<Row, "recipe" | "options">): string[] {
  if (recipe === undefined) return [];
  return ["--recipe", recipe, ...Object.entries(options).flatMap(optionWords)];
}

function optionWords([name, value]: [string, RecipeOptions[keyof RecipeOptions]]): string[] {
  if (value === undefined) return [];
  if (name === "overrides") {
    return (value as NonNullable<RecipeOptions["overrides"]>).flatMap(({ pattern, policy }) => [
      "--override",
      `${pattern}=${policy}`,
    ]);
  }
  const option = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return value === true ? [option] : [option, `${value as string | number}`];
}

/** `fptq quantize MODEL.gguf -o OUT --recipe ...`; undefined for the float model. */
export function quantizeCommand(row: Row, { model, calibration, samples, contextSize }: Settings): string | undefined {
  if (row.recipe === undefined) return undefined;
  const tokens = ["--samples", `${samples}`, "-c", `${contextSize}`];
  const source = row.calibration === "random" ? ["--seed", "0"] : ["--calibration", basename(calibration)];
  const words = ["fptq", "quantize", basename(model), "-o", "OUT", ...recipeWords(row), ...source, ...tokens];
  return words.map((word) => (word.includes("*") ? `'${word}'` : word)).join(" ");
}

/** The commands that measure a model made so. */
export function evaluationCommands({ model, text, lambada, hellaswag, chunks, contextSize, lambadaItems }: Settings): string[] {
  return [
    `fptq kld --base ${basename(model)} -m OUT -f ${basename(text)} -c ${contextSize} --chunks ${chunks}`,
    `fptq lambada -m OUT -f ${basename(lambada)} --limit ${lambadaItems}`,
    `fptq choice -m OUT -f ${basename(hellaswag)}`,
  ];
}
