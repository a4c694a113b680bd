// For tests only: the functions of math.ts and math-f64.ts over arrays, which no kernel exports by
// themselves.
import { exp4, log4 } from "./math";
import { exp, log } from "./math-f64";
import { exp as expTwin, log as logTwin } from "../scalar/math";

/** y[i] = exp(x[i]), f32[count], count % 4 == 0. */
export function exp_f32(x: usize, y: usize, count: i32): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 16) v128.store(y + i, exp4(v128.load(x + i)));
}

export function exp_f32_scalar(x: usize, y: usize, count: i32): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) store<f32>(y + i, expTwin(load<f32>(x + i)));
}

/** y[i] = log(x[i]), f32[count], count % 4 == 0. */
export function log_f32(x: usize, y: usize, count: i32): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 16) v128.store(y + i, log4(v128.load(x + i)));
}

export function log_f32_scalar(x: usize, y: usize, count: i32): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) store<f32>(y + i, logTwin(load<f32>(x + i)));
}

export function exp_f64(x: f64): f64 {
  return exp(x);
}

export function log_f64(x: f64): f64 {
  return log(x);
}
