// Twin of ../jsd-gradient.ts.
import { log } from "./math";
import { softmax_f32 } from "./softmax";

/** ln(p / m), 0 where p is 0. */
function logShare(p: f32, q: f32): f32 {
  return p == 0 ? 0 : log((p + p) / (p + q));
}

/** One lane of the sum of p ln(p / m). */
function lane(p: usize, q: usize, V: i32, i: i32): f64 {
  let sum: f64 = 0;
  for (let v = i; v < V; v += 4) {
    const at = (<usize>v) << 2;
    const own = load<f32>(p + at);
    sum += <f64>own * <f64>logShare(own, load<f32>(q + at));
  }
  return sum;
}

function divergence(p: usize, q: usize, V: i32): f64 {
  return lane(p, q, V, 0) + lane(p, q, V, 1) + (lane(p, q, V, 2) + lane(p, q, V, 3));
}

export function jsd_gradient_f32(x: usize, y: usize, losses: usize, factor: f32, V: i32, begin: i32, end: i32): void {
  const half: f32 = <f32>0.5 * factor;
  for (let m = begin; m < end; m++) {
    const p = x + <usize>(m * V) * 4,
      q = y + <usize>(m * V) * 4;
    softmax_f32(p, p, V, 1);
    softmax_f32(q, q, V, 1);
    const ofStudent = divergence(q, p, V);
    store<f64>(losses + <usize>m * 8, (divergence(p, q, V) + ofStudent) / 2);
    const mean = <f32>ofStudent;
    for (let v = 0; v < V; v++) {
      const i = <usize>v * 4;
      const share = logShare(load<f32>(q + i), load<f32>(p + i));
      store<f32>(p + i, share);
      store<f32>(q + i, load<f32>(q + i) * (share - mean) * half);
    }
  }
}
