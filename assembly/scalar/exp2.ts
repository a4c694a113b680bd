// Scalar twin of exp2.ts: the same operations in the same order.
import { EXP2_C1, EXP2_C2, EXP2_C3, EXP2_C4, EXP2_C5, EXP2_LOWEST, EXP2_SHIFTER } from "../math/exp2";

/** 2^t for t <= 0. */
export function exp2(t: f32): f32 {
  if (t < EXP2_LOWEST) t = EXP2_LOWEST;
  const shifted = t + EXP2_SHIFTER;
  const f = t - (shifted - EXP2_SHIFTER);
  const p = ((((f * EXP2_C5 + EXP2_C4) * f + EXP2_C3) * f + EXP2_C2) * f + EXP2_C1) * f + 1;
  return p * reinterpret<f32>(reinterpret<i32>(shifted) << 23);
}
