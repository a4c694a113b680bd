/**
 * Low-rank terms beside the weights of a linear module, y = x W^T + (x A^T) B^T, stored as PEFT stores LoRA
 * adapters (alpha = rank):
 *
 *   <module>.lora_A.weight  float [R, K]      <module>.lora_B.weight  float [N, R]
 *
 * Here they make up for what rounding did to W (LoRC; ZeroQuant-V2, section 6; ZeroQuant-FP, section 3).
 */
import { CheckpointError } from "../../errors.ts";
import type { TensorInfo } from "../checkpoint.ts";
import type { LinearModule } from "../../architecture/description.ts";
import { lowRankTensors } from "../../architecture/tensors.ts";

/** The largest rank: beyond it a term is no longer thin. */
export const MAX_RANK = 256;

/**
 * The rank of a module's term, 0 if it has none.
 *
 * @throws CheckpointError if one of the two tensors is missing, shapes do not fit, or the rank is not from 1
 *   to MAX_RANK
 */
export function lowRank(
  tensors: ReadonlyMap<string, TensorInfo>,
  { name, outFeatures: N, inFeatures: K }: Pick<LinearModule, "name" | "outFeatures" | "inFeatures">,
): number {
  const names = lowRankTensors(name);
  const [a, b] = [tensors.get(names.a), tensors.get(names.b)];
  if (!a && !b) return 0;
  if (!a || !b)
    throw new CheckpointError(
      `${(a ?? b)!.file}: tensor ${a ? names.b : names.a} is missing, the other half of ${(a ?? b)!.name}`,
    );
  const R = a.shape[0] ?? 0;
  if (a.shape.length !== 2 || a.shape[1] !== K || R < 1 || R > MAX_RANK) {
    throw new CheckpointError(`${a.file}: tensor ${a.name}: got shape [${a.shape.join(", ")}], need [1 to ${MAX_RANK}, ${K}]`);
  }
  if (b.shape.length !== 2 || b.shape[0] !== N || b.shape[1] !== R) {
    throw new CheckpointError(`${b.file}: tensor ${b.name}: got shape [${b.shape.join(", ")}], need [${N}, ${R}]`);
  }
  return R;
}
