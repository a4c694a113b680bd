// Twin of ../learned-rounding.ts.
import { CLIP_LEAST, CLIP_MOST } from "../rounding/learned-rounding";
import { lowestCode, roundCode, stepOf } from "./code-grid";

/** u + offset * step(u). */
function moved(u: f32, offset: f32, top: i32): f32 {
  return u + offset * <f32>stepOf(abs<f32>(u), top);
}

export function round_learned_f32(
  w: usize,
  offsets: usize,
  scales: usize,
  rounded: usize,
  K: i32,
  G: i32,
  top: i32,
  begin: i32,
  end: i32,
): void {
  for (let i = begin * K; i < end * K; i++) {
    const at = <usize>i * 4;
    const scale = load<f32>(scales + <usize>(i / G) * 4);
    const t = moved(load<f32>(w + at) / scale, load<f32>(offsets + at), top);
    // Vectors round to 0 by a difference of equals, which is never -0.
    store<f32>(rounded + at, (<f32>roundCode(t, top) + 0) * scale);
  }
}

/** Moves the offsets of one lane of a group; returns its part of the sum. */
function lane(w: usize, offsets: usize, gradients: usize, G: i32, scale: f32, top: i32, rate: f32, i: i32): f32 {
  let sum: f32 = 0;
  for (let k = i; k < G; k += 4) {
    const at = <usize>k * 4;
    const u: f32 = load<f32>(w + at) / scale;
    const offset = load<f32>(offsets + at);
    const t = moved(u, offset, top);
    const q = <f32>roundCode(t, top);
    const d = load<f32>(gradients + at);
    const within = t <= <f32>top + <f32>0.5 && t >= <f32>lowestCode(top) - <f32>0.5;
    const change: f32 = within ? q - u : q;
    sum += d * change;
    const slope: f32 = d * scale;
    const direction: f32 = !within ? 0 : slope > 0 ? 1 : slope < 0 ? -1 : 0;
    store<f32>(offsets + at, max<f32>(min<f32>(offset - rate * direction, 0.5), -0.5));
  }
  return sum;
}

export function step_learned_f32(
  w: usize,
  offsets: usize,
  scales: usize,
  gradients: usize,
  clips: usize,
  K: i32,
  G: i32,
  top: i32,
  rate: f32,
  begin: i32,
  end: i32,
): void {
  for (let g = (begin * K) / G; g < (end * K) / G; g++) {
    const at = <usize>(g * G) * 4;
    const scale = load<f32>(scales + <usize>g * 4);
    const a = lane(w + at, offsets + at, gradients + at, G, scale, top, rate, 0),
      b = lane(w + at, offsets + at, gradients + at, G, scale, top, rate, 1),
      c = lane(w + at, offsets + at, gradients + at, G, scale, top, rate, 2),
      d = lane(w + at, offsets + at, gradients + at, G, scale, top, rate, 3);
    const low: f32 = a + b,
      high: f32 = c + d;
    const slope: f32 = (low + high) * scale;
    const direction: f32 = slope > 0 ? 1 : slope < 0 ? -1 : 0;
    const clip = clips + <usize>g * 4;
    store<f32>(clip, max<f32>(min<f32>(load<f32>(clip) - rate * direction, CLIP_MOST), CLIP_LEAST));
  }
}
