/**
 * Activations of 4 bits in kernels of 8: floats beyond what 4 bits hold under a static scale are cut off
 * before they are quantized, so the codes are -8..7.
 *
 *   clamp(round(x / s), -8, 7) = round(clamp(x, -8 s, 7 s) / s)
 *
 * exactly: the bounds, rounded to floats, are the codes 7 and -8 again.
 */
import type { Pointer } from "../../kernels/pointer.ts";
import type { Workspace } from "../workspace/workspace.ts";

/** Rows of K floats, `stride` apart, and the scale of one step. */
export interface Int4Rows {
  readonly K: number;
  readonly stride: number;
  readonly scale: number;
}

/** Cuts off M rows of floats, in place. */
export function clampToInt4(
  { kernels }: Pick<Workspace, "kernels">,
  x: Pointer,
  M: number,
  { K, stride, scale }: Int4Rows,
): void {
  kernels.split("clamp_f32", M, x, K, stride, -8 * scale, 7 * scale);
}
