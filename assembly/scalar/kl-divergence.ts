/** Twin of `../kl-divergence.ts`; the logarithm is the same f64 function, tested against its own oracle. */
import { log } from "../math/math-f64";
import { exponentialSum, maxOf } from "./exponential-sum";
import { exp } from "./math";

function weightedSum(x: usize, y: usize, V: i32, max: f32, lane: i32): f64 {
  let sum: f64 = 0;
  for (let v = lane; v < V; v += 4) {
    const u = load<f32>(x + ((<usize>v) << 2));
    const e = <f64>exp(u - max);
    if (e != 0) sum += e * (<f64>u - <f64>load<f32>(y + ((<usize>v) << 2)));
  }
  return sum;
}

export function kl_divergence_f32(x: usize, y: usize, V: i32): f64 {
  const xMax = maxOf(x, V);
  const yMax = maxOf(y, V);
  const X = exponentialSum(x, V, xMax, 1);
  const low = weightedSum(x, y, V, xMax, 0) + weightedSum(x, y, V, xMax, 1);
  const sum = low + (weightedSum(x, y, V, xMax, 2) + weightedSum(x, y, V, xMax, 3));
  return sum / X - (<f64>xMax - <f64>yMax) - log(X / exponentialSum(y, V, yMax, 1));
}
