/** How many weights along K share a scale. */
import type { ModelConfig } from "../../architecture/model-config.ts";
import { LINEAR_INPUTS, type LinearInput, linearModules } from "../../architecture/tensor-names.ts";
import { RecipeError } from "../../errors.ts";

/** What the kernels run, in order of preference: larger groups are faster and cost fewer bits, smaller ones are more exact. */
export const GROUP_SIZES = [128, 64, 32] as const;
export type GroupSize = (typeof GROUP_SIZES)[number];

/**
 * The group size of the linears behind each input.
 *
 * @param requested one size for all; "auto": per input the largest that divides K; "channel": K
 * @throws RecipeError naming the linear, its K and the sizes that divide it
 */
export function chooseGroupSizes(config: ModelConfig, requested: GroupSize | "auto" | "channel"): Record<LinearInput, number> {
  const sizes = LINEAR_INPUTS.map((input) => {
    const modules = linearModules(config, 0, input);
    const K = modules[0]!.inFeatures;
    if (requested === "channel") return [input, K] as const;
    const dividing = GROUP_SIZES.filter((size) => K % size === 0);
    const size = requested === "auto" ? dividing[0] : dividing.find((candidate) => candidate === requested);
    if (size !== undefined) return [input, size] as const;
    const linears = modules.map(({ name }) => name.replace("layers.0.", "layers.*.")).join(", ");
    const found = requested === "auto" ? "no group size" : `group size ${requested} does not divide`;
    const remedy = dividing.length > 0 ? `these divide: ${dividing.join(", ")}` : `none of ${GROUP_SIZES.join(", ")} divides it`;
    throw new RecipeError(`${found}: ${linears} has ${K} in_features; ${remedy}`);
  });
  return Object.fromEntries(sizes) as Record<LinearInput, number>;
}
