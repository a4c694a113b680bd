/** How many weights along K share a scale. */
import { type ByInput, type Description, type LinearInput, mapInputs } from "../../architecture/description.ts";
import { RecipeError } from "../../errors.ts";

/**
 * What the kernels run, in order of preference: larger groups are faster and cost fewer bits, smaller ones
 * are more exact.
 */
export const GROUP_SIZES = [128, 64, 32] as const;
export type GroupSize = (typeof GROUP_SIZES)[number];

/**
 * The group size of the linears behind each input, the same in every block.
 *
 * @param requested one size for all; "auto": per input the largest that divides K; "channel": K
 * @throws RecipeError naming the linear, its K and the sizes that divide it
 */
export function chooseGroupSizes({ blocks }: Description, requested: GroupSize | "auto" | "channel"): ByInput<number> {
  return mapInputs(blocks[0]!, (input) => chooseGroupSize(input, requested));
}

function chooseGroupSize({ width: K, modules }: LinearInput, requested: GroupSize | "auto" | "channel"): number {
  if (requested === "channel") return K;
  const dividing = GROUP_SIZES.filter((size) => K % size === 0);
  const size = requested === "auto" ? dividing[0] : dividing.find((candidate) => candidate === requested);
  if (size !== undefined) return size;
  const linears = modules.map(({ name }) => name.replace(/\.0\./, ".*.")).join(", ");
  const found = requested === "auto" ? "no group size" : `group size ${requested} does not divide`;
  const remedy =
    dividing.length > 0 ? `these divide: ${dividing.join(", ")}` : `none of ${GROUP_SIZES.join(", ")} divides it, need "channel"`;
  throw new RecipeError(`${found}: ${linears} has ${K} in_features; ${remedy}`);
}
