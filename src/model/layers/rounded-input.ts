/**
 * Inputs rounded to the grid of a format and then multiplied as floats: 8-bit floats, for which there is no
 * integer kernel, and int8 under weights that stay floats, which tells what one costs without the other.
 */
import { clampToInt4 } from "./int4-activations.ts";
import { FLOAT8_FORMATS, type Float8Name, isFloat8 } from "../../checkpoint/formats/float8.ts";
import type { Pointer } from "../../kernels/pointer.ts";
import type { Workspace } from "../workspace/workspace.ts";
import type { ActivationScale } from "./linear.ts";

/** What rows are rounded to: int8 as `ActivationScale` has it, or an 8-bit float with a scale per token. */
export type InputRounding = ActivationScale | { readonly kind: Float8Name };

/**
 * Rounds f32[M, K] at `x`, in place; K is a multiple of 16. Int8 leaves scale * q, rounded once, where q are
 * the codes that integer layers multiply.
 */
export function roundInput({ kernels, buffers }: Workspace, rounding: InputRounding, x: Pointer, M: number, K: number): void {
  if (isFloat8(rounding.kind)) {
    const { mantissaBits, minExponent, largest } = FLOAT8_FORMATS[rounding.kind];
    kernels.split("round_f32_f8", M, x, K, mantissaBits, minExponent, largest);
    return;
  }
  const { q, scales, sums } = buffers.activations;
  if (rounding.kind === "static" && rounding.bits === 4) clampToInt4({ kernels }, x, M, { K, stride: K, scale: rounding.scale });
  if (rounding.kind === "static") kernels.split("quantize_f32_qs8", M, x, q, scales, sums, K, K, rounding.scale);
  else kernels.split("quantize_f32_qd8", M, x, q, scales, sums, K, K);
  const [codes, rowScales, values] = [kernels.i8(q, M * K), kernels.f32(scales, M), kernels.f32(x, M * K)];
  for (let i = 0; i < values.length; i++) values[i] = rowScales[Math.floor(i / K)]! * codes[i]!;
}
