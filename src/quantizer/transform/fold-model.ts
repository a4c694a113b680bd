/** A model with the folds of a recipe, found from a few of the calibration's samples. */
import { describeModel } from "../../architecture/description.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { Work } from "../../host/work.ts";
import { calibrate } from "../calibrate/calibrate.ts";
import { type Fold, foldObstacle, foldTransform } from "./fold.ts";
import { joinTransforms, transformCheckpoint } from "./transform.ts";

/** Samples that folds are found from: they are rounded to powers of two, so a few will do. */
const FOLD_SAMPLES = 8;

/**
 * Leaves out folds that the model cannot have, with a warning that names them.
 *
 * @param alike consecutive columns of a weight that share a factor
 * @returns a view of the checkpoint, or the checkpoint itself if nothing is folded
 * @throws as `calibrate`
 */
export async function foldModel(
  checkpoint: Checkpoint,
  samples: readonly Int32Array[],
  { folds, alike }: { readonly folds: readonly Fold[]; readonly alike: number },
  work: Work,
): Promise<Checkpoint> {
  const { blocks, config } = describeModel(checkpoint.config);
  for (const fold of folds) {
    const obstacle = foldObstacle(fold, config, alike);
    if (obstacle !== undefined) work.onWarning?.(`fold ${fold}: ${obstacle}; it is left out`);
  }
  const possible = folds.filter((fold) => foldObstacle(fold, config, alike) === undefined);
  if (possible.length === 0) return checkpoint;
  const stats = await calibrate(checkpoint, samples.slice(0, FOLD_SAMPLES), work);
  const layers = blocks.map((block) => foldTransform(config, block, stats[block.layer]!, possible, alike));
  return transformCheckpoint(checkpoint, joinTransforms(layers));
}
