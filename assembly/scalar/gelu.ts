/**
 * Twins of `../math/gelu.ts` and `../math/exp2-wide.ts`: one lane of the same operations, each rounded to f32
 * but for the exponents.
 */
import {
  EXP2_WIDE_C1,
  EXP2_WIDE_C2,
  EXP2_WIDE_C3,
  EXP2_WIDE_C4,
  EXP2_WIDE_C5,
  EXP2_WIDE_C6,
  EXP2_WIDE_SHIFTER,
} from "../math/exp2-wide";
import * as C from "../math/gelu";
import { powerOfTwo } from "./math";


@inline
function exponentOf(s: f64): i32 {
  return <i32>reinterpret<i64>(s + EXP2_WIDE_SHIFTER);
}

/** 2^(s - n), n being the exponent of s. */
function fractionPower(s: f64): f32 {
  const f = <f32>(s - (s + EXP2_WIDE_SHIFTER - EXP2_WIDE_SHIFTER));
  const p = ((((f * EXP2_WIDE_C6 + EXP2_WIDE_C5) * f + EXP2_WIDE_C4) * f + EXP2_WIDE_C3) * f + EXP2_WIDE_C2) * f;
  return (p + EXP2_WIDE_C1) * f + 1;
}


@inline
function ramp(x: f32): f32 {
  return x < 0 ? <f32>-0.0 : x;
}

export function gelu(x: f32): f32 {
  let t = abs<f32>(x);
  if (t > C.GELU_FARTHEST) t = C.GELU_FARTHEST;
  const n = (((t * C.GELU_N4 + C.GELU_N3) * t + C.GELU_N2) * t + C.GELU_N1) * t + C.GELU_N0;
  const d = ((((t * C.GELU_D5 + C.GELU_D4) * t + C.GELU_D3) * t + C.GELU_D2) * t + C.GELU_D1) * t + 1;
  const s = <f64>t * <f64>t * C.GELU_SQUARE;
  const exponent = exponentOf(s);
  const first = exponent >> 1;
  const tail: f32 = ((t * n) / d) * (fractionPower(s) * powerOfTwo(first));
  return ramp(x) - tail * powerOfTwo(exponent - first);
}

export function geluTanh(x: f32): f32 {
  let t = abs<f32>(x);
  if (t > C.GELU_TANH_FARTHEST) t = C.GELU_TANH_FARTHEST;
  const s = (<f64>t * <f64>t * C.GELU_TANH_CUBIC + C.GELU_TANH_LINEAR) * <f64>t;
  const exponent = exponentOf(s);
  const first = exponent >> 1;
  const power: f32 = fractionPower(s) * powerOfTwo(first);
  const rest = powerOfTwo(exponent - first);
  return ramp(x) - ((t * power) / (1 + power * rest)) * rest;
}

export function relu(x: f32): f32 {
  return x < 0 ? 0 : x;
}
