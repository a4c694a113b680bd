/** FPTQuant's transforms by name, and which models cannot have them. */
import type { ModelConfig } from "../../../architecture/model-config.ts";
import { onlineObstacle } from "../../../architecture/online-transforms.ts";
import { RecipeError } from "../../../errors.ts";
import { foldObstacle } from "../fold.ts";

/** T_r, T_k, T_v, T_u, T_d and S_n, in the order they are applied. */
export const TRANSFORMS = ["residual", "key", "value", "up", "down", "tokens"] as const;
export type TransformName = (typeof TRANSFORMS)[number];

/** Says why a model cannot have a transform; undefined if it can. */
export function transformObstacle(name: TransformName, config: ModelConfig): string | undefined {
  if (config.convolutionLayers.length > 0) return "got layers with convolutions, need attention in all of them";
  if (config.postNorm) return "got norms behind the residual additions, need norms before attention and MLP";
  switch (name) {
    case "residual":
      return onlineObstacle("residualHadamard", config);
    case "key":
      return config.qkNorm === "each" ? "got norms of queries and keys with gains of each head, need one gain of all" : undefined;
    case "value":
      return undefined;
    case "up":
      return foldObstacle("up", config);
    case "down":
      return onlineObstacle("downHadamard", config);
    case "tokens":
      return onlineObstacle("residualScaling", config);
  }
}

/** @throws RecipeError naming each one that the model cannot have, and what it can have */
export function checkTransforms(names: readonly TransformName[], config: ModelConfig): void {
  const obstacles = names.flatMap((name) => {
    const obstacle = transformObstacle(name, config);
    return obstacle === undefined ? [] : [`"${name}": ${obstacle}`];
  });
  if (obstacles.length === 0) return;
  const possible = TRANSFORMS.filter((name) => transformObstacle(name, config) === undefined);
  throw new RecipeError(`transforms: ${obstacles.join("; ")}; this model can have ${possible.join(", ")}`);
}
