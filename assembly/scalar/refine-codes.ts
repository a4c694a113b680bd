/** Twin of `../refine-codes.ts`: one row at a time, in its lane of the panel. */
import { roundCode } from "./code-grid";
import { storableScale } from "../rounding/storable-scale";

function dot(h: usize, v: usize, count: i32): f64 {
  let sum: f64 = 0;
  for (let k = 0; k < count; k++) sum += load<f64>(h + ((<usize>k) << 3)) * load<f64>(v + ((<usize>k) << 6));
  return sum;
}

function wholeMultiple(x: f64, quantum: f64, least: f64): f32 {
  return <f32>(quantum * max<f64>(least, min<f64>(255, nearest<f64>(x / quantum))));
}

export function refine_codes_f32(
  w: usize,
  hessian: usize,
  scales: usize,
  lows: usize,
  quanta: usize,
  codes: usize,
  errors: usize,
  gradients: usize,
  N: i32,
  K: i32,
  stride: i32,
  G: i32,
  top: i32,
  type: i32,
  passes: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  const moved = scratch,
    hq = scratch + ((<usize>G) << 6),
    q8 = hq + ((<usize>G) << 6);
  const offset: f64 = lows == 0 ? 0 : 8;
  for (let n = begin << 3; n < end << 3; n++) {
    const lane = (<usize>((n & ~7) * K + (n & 7))) << 3;
    const e = errors + lane,
      g = gradients + lane;
    const code = codes + <usize>(n * K);
    for (let k = 0; k < K; k++) {
      let error: f64 = 0;
      if (n < N) {
        const group = (<usize>(n * (K / G) + k / G)) << 2;
        const step = <f64>load<f32>(scales + group);
        error = <f64>load<f32>(w + ((<usize>(n * K + k)) << 2)) - step * (<f64>load<i8>(code + <usize>k) + offset);
        if (lows != 0) error += <f64>load<f32>(lows + group);
      }
      store<f64>(e + ((<usize>k) << 6), error);
    }
    for (let k = 0; k < K; k++) store<f64>(g + ((<usize>k) << 6), dot(hessian + ((<usize>(k * stride)) << 3), e, K));
    for (let turn = 0; turn < passes * (K / G) && n < N; turn++) {
      const low = (turn % (K / G)) * G;
      const group = <usize>(n * (K / G) + low / G);
      for (let c = 0; c < G; c++) store<f64>(moved + ((<usize>c) << 6), 0);
      // The scale; then the minimum, if there is one.
      for (let kind = 0; kind < (lows == 0 ? 1 : 2); kind++) {
        const value = (kind == 0 ? scales : lows) + (group << 2);
        let gain: f64 = 0,
          curvature: f64 = 0;
        for (let c = 0; c < G; c++) {
          store<f64>(q8 + ((<usize>c) << 6), kind == 0 ? <f64>load<i8>(code + <usize>(low + c)) + offset : -1);
        }
        for (let c = 0; c < G; c++) {
          const q = load<f64>(q8 + ((<usize>c) << 6));
          const product = dot(hessian + ((<usize>((low + c) * stride + low)) << 3), q8, G);
          store<f64>(hq + ((<usize>c) << 6), product);
          gain += q * load<f64>(g + ((<usize>(low + c)) << 6));
          curvature += q * product;
        }
        const before = <f64>load<f32>(value);
        const best = before + gain / curvature;
        let stored: f32;
        if (lows == 0) stored = storableScale(<f32>best, type);
        else stored = wholeMultiple(best, <f64>load<f32>(quanta + (group << 3) + ((<usize>kind) << 2)), <f64>(1 - kind));
        const after = <f64>stored;
        let change = after - before;
        const usable = kind == 1 || (abs<f64>(after) >= 1.1754943508222875e-38 && abs<f64>(after) < Infinity);
        if (curvature > 0 && usable && change * change * curvature < 2 * change * gain) store<f32>(value, stored);
        else change = 0;
        for (let c = 0; c < G; c++) {
          const at = (<usize>(low + c)) << 6;
          const gained = change * load<f64>(q8 + ((<usize>c) << 6));
          store<f64>(g + at, load<f64>(g + at) - change * load<f64>(hq + ((<usize>c) << 6)));
          store<f64>(e + at, load<f64>(e + at) - gained);
          store<f64>(moved + ((<usize>c) << 6), load<f64>(moved + ((<usize>c) << 6)) + gained);
        }
      }
      const step = <f64>load<f32>(scales + (group << 2));
      for (let c = 0; c < G; c++) {
        const k = low + c;
        const at = (<usize>k) << 6;
        const h = hessian + ((<usize>(k * stride)) << 3);
        const old = <f64>load<i8>(code + <usize>k);
        const q = roundCode(old + load<f64>(g + at) / (load<f64>(h + ((<usize>k) << 3)) * step), top);
        if (q == old) continue;
        const delta = (q - old) * step;
        store<i8>(code + <usize>k, <i8>q);
        store<f64>(e + at, load<f64>(e + at) - delta);
        store<f64>(moved + ((<usize>c) << 6), load<f64>(moved + ((<usize>c) << 6)) + delta);
        for (let j = low; j < low + G; j++) {
          const p = g + ((<usize>j) << 6);
          store<f64>(p, load<f64>(p) - load<f64>(h + ((<usize>j) << 3)) * delta);
        }
      }
      for (let k = 0; k < K; k++) {
        if (k >= low && k < low + G) continue;
        const p = g + ((<usize>k) << 6);
        store<f64>(p, load<f64>(p) - dot(hessian + ((<usize>(k * stride + low)) << 3), moved, G));
      }
    }
  }
}
