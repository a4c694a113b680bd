/** Twin of `../math/tanh.ts`: one lane of the same operations, each rounded to f32. */
import * as C from "../math/tanh";
import { exp } from "./math";

export function tanh(x: f32): f32 {
  const t = abs<f32>(x);
  if (t < C.TANH_NEAR) {
    const z: f32 = t * t;
    const p: f32 = (((z * C.TANH_P0 + C.TANH_P1) * z + C.TANH_P2) * z + C.TANH_P3) * z + C.TANH_P4;
    return copysign<f32>(p * z * t + t, x);
  }
  const e = exp(t * -2);
  return copysign<f32>((1 - e) / (1 + e), x);
}
