/**
 * What a caller may ask of quantizing and analyzing: which preset, what to change in it, what to calibrate
 * on.
 */
import type { WorkOptions } from "../host/work.ts";
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import { CALIBRATION_OPTIONS, type CalibrationOptions } from "./calibrate/calibration-source.ts";
import { RECIPE_OPTIONS, type RecipeOptions } from "./recipe/recipe-options.ts";

/** How a model is quantized: recipe, calibration, work. */
export interface QuantizeOptions extends CalibrationOptions, RecipeOptions, WorkOptions {
  /** "fptq" by default. */
  readonly recipe?: string | undefined;
}

/** What a model is analyzed with: recipe, calibration, work. */
export interface AnalyzeOptions extends CalibrationOptions, RecipeOptions, WorkOptions {
  /** Name of a recipe. Default `fptq`. */
  readonly recipe?: string | undefined;
}

const OWN = optionKeys<WorkOptions & Pick<QuantizeOptions, "recipe">>({
  recipe: 0, threads: 0, signal: 0, onProgress: 0, onWarning: 0,
}); // prettier-ignore

/** Those of `analyze` are the same. */
export const QUANTIZE_OPTIONS: OptionKeys = new Set([...OWN, ...CALIBRATION_OPTIONS, ...RECIPE_OPTIONS]);
