/**
 * Weights of 4 bits with some of 8, to a number of bits per weight: which inputs' linears get 8 bits is
 * decided once all are rounded to 4, greedily, by what 8 take from the error at the output for each bit they
 * cost,
 *
 *   (error of 4 bits - error of 8 bits) / energy of the output / additional bits
 *
 * both measured with the input's Hessian. All linears of an input run as one layer and go together. What
 * came later was rounded for inputs that 4 bits gave; the final ones differ by the error that goes.
 */
import { allInputs, type Description, type LinearInput } from "../../architecture/description.ts";
import { RecipeError } from "../../errors.ts";
import type { InputPlan } from "../decide/quantization-plan.ts";
import { chooseGroupSizes } from "../recipe/group-size.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { rowBits } from "../recipe/stored-bits.ts";
import type { QuantizedLayers } from "./quantize-layers.ts";

/** Bits of an input's linears, scales included. */
export function storedBits(
  { modules, width: K }: LinearInput,
  type: Recipe["weights"],
  groupSize: number,
  recipe: Recipe,
): number {
  const N = modules.reduce((sum, { outFeatures }) => sum + outFeatures, 0);
  return N * rowBits(type, K, groupSize, recipe);
}

/** @throws RecipeError for fewer bits than 4-bit weights take, or more than 8-bit weights do */
export function checkBits(description: Description, recipe: Recipe): void {
  if (recipe.bits === undefined) return;
  const [least, most] = [bitsPerWeight(description, recipe, false), bitsPerWeight(description, recipe, true)];
  if (recipe.bits >= least && recipe.bits <= most) return;
  const range = `${least.toFixed(3)}, all in ${recipe.weights}, to ${most.toFixed(3)}, all in int8`;
  throw new RecipeError(`bits: got ${recipe.bits}, need a number from ${range}`);
}

function bitsPerWeight(description: Description, recipe: Recipe, isEight: boolean): number {
  const groupSizes = chooseGroupSizes(description, recipe.groupSize);
  let [bits, weights] = [0, 0];
  for (const input of allInputs(description)) {
    const groupSize = groupSizes[input.name]!;
    bits += isEight ? storedBits(input, "int8", input.width, recipe) : storedBits(input, recipe.weights, groupSize, recipe);
    weights += input.modules.reduce((sum, { outFeatures }) => sum + outFeatures, 0) * input.width;
  }
  return bits / weights;
}

/**
 * Gives 8 bits to the inputs that they help most. Their rounded weights are dropped: in 8 bits nearest is as
 * good as any rounding, and done while they are written.
 *
 * @param layers rounded to 4 bits, with the errors of 8; changed in place
 */
export function giveEightBits(layers: QuantizedLayers, description: Description, recipe: Recipe): void {
  const candidates = allInputs(description).map((input, i) => {
    const { groupSize } = layers.inputs[i]!;
    const { signal, chosen, eight } = layers.outputs.get(input.path)!;
    const bits = storedBits(input, "int8", input.width, recipe) - storedBits(input, recipe.weights, groupSize, recipe);
    return { i, input, bits, gain: (chosen! - eight!) / (signal || 1) / bits };
  });
  const weights = candidates.reduce(
    (sum, { input }) => sum + input.width * input.modules.reduce((rows, { outFeatures }) => rows + outFeatures, 0),
    0,
  );
  let left = Math.round((recipe.bits! - bitsPerWeight(description, recipe, false)) * weights);
  // Two of equal gain: the earlier one, on every engine.
  for (const { i, input, bits, gain } of candidates.toSorted((a, b) => b.gain - a.gain || a.i - b.i)) {
    if (bits > left || gain <= 0) continue;
    left -= bits;
    const plan: InputPlan = layers.inputs[i]!;
    layers.inputs[i] = { ...plan, weights: "int8", groupSize: input.width };
    const output = layers.outputs.get(input.path)!;
    layers.outputs.set(input.path, { ...output, chosen: output.eight!, nearest: output.eight! });
    for (const { name } of input.modules) {
      layers.modules.delete(name);
      layers.errors.delete(name);
    }
  }
}
