/**
 * A model with the transforms of a recipe: those that follow from activations are found one layer at a time
 * over a few of the calibration's samples, and tuned there.
 */
import { describeModel } from "../../../architecture/description.ts";
import type { Checkpoint } from "../../../checkpoint/checkpoint.ts";
import type { Work } from "../../../host/work.ts";
import { walkLayers } from "../../calibrate/layer-walk.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { joinTransforms, transformCheckpoint } from "../transform.ts";
import { LayerTransforms, type TunedLayer } from "./layer-transforms.ts";
import { downTransform, residualTransform, TOKEN_SCALES } from "./residual.ts";
import { placeLayerSamples } from "./layer-samples.ts";

/** Samples that transforms are found from. */
const TRANSFORM_SAMPLES = 8;

export interface TransformedModel {
  readonly checkpoint: Checkpoint;
  /** What the local stage did, layer by layer; nothing without steps. */
  readonly tuned: readonly TunedLayer[];
}

/**
 * @returns a view of the checkpoint, or the checkpoint itself if nothing is transformed
 * @throws as `walkLayers`; RecipeError for a gain of 0 in a norm whose gain has to move; NumericError naming
 *   layer and transform for a matrix that cannot be inverted
 */
export async function transformModel(
  original: Checkpoint,
  samples: readonly Int32Array[],
  { transforms, localSteps }: Pick<Recipe, "transforms" | "localSteps">,
  work: Work,
): Promise<TransformedModel> {
  const has = (name: (typeof transforms)[number]) => transforms.includes(name);
  const description = describeModel(original.config);
  const rotated = has("residual")
    ? transformCheckpoint(original, await residualTransform(original, description, work.signal))
    : original;
  const found: LayerTransforms[] = [];
  const merged = transforms.filter((name) => name === "key" || name === "value" || name === "up");
  if (merged.length > 0) {
    const few = samples.slice(0, TRANSFORM_SAMPLES);
    await walkLayers(rotated, few, work, {
      place: placeLayerSamples,
      visit: (stream, regions) => {
        const layers = new LayerTransforms(
          { checkpoint: rotated, stream, samples: few, names: merged, steps: localSteps },
          regions,
          work,
        );
        found.push(layers);
        return layers;
      },
    });
  }
  const [layers] = found;
  const joined = joinTransforms([
    ...(layers?.transforms ?? []),
    ...(has("down") ? [downTransform(description)] : []),
    ...(has("tokens") ? [TOKEN_SCALES] : []),
  ]);
  return { checkpoint: transformCheckpoint(rotated, joined), tuned: layers?.tuned ?? [] };
}
