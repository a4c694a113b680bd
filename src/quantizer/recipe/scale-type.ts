/**
 * How weight scales are stored. A scale is rounded to its storage first, and weights to multiples of what is
 * left (`storable-scale.ts` among the kernels).
 */
import { bf16ToF32, encodeBF16, encodeF16, f16ToF32, f32ToBf16, f32ToF16 } from "../../checkpoint/formats/float-formats.ts";
import type { TensorType } from "../../checkpoint/checkpoint.ts";

export const SCALE_TYPES = ["bf16", "f16", "f32"] as const;
export type ScaleType = (typeof SCALE_TYPES)[number];

interface ScaleStorage {
  readonly bits: number;
  readonly tensorType: Extract<TensorType, "F32" | "BF16" | "F16">;
  /** How kernels call it. */
  readonly kernelCode: 0 | 1 | 2;
  round(scale: number): number;
  encode(scales: Float32Array): ArrayBufferView;
}

export const SCALE_STORAGE: Readonly<Record<ScaleType, ScaleStorage>> = {
  f32: { bits: 32, tensorType: "F32", kernelCode: 0, round: Math.fround, encode: (scales) => scales },
  bf16: { bits: 16, tensorType: "BF16", kernelCode: 1, round: (scale) => bf16ToF32(f32ToBf16(scale)), encode: encodeBF16 },
  f16: { bits: 16, tensorType: "F16", kernelCode: 2, round: (scale) => f16ToF32(f32ToF16(scale)), encode: encodeF16 },
};
