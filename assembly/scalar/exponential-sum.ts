/**
 * Twins of the steps that softmax and cross entropy share: the largest element, and four f64 sums in a fixed
 * tree.
 */
import { exp } from "./math";

/** NaN never wins; -inf where nothing else is. */
export function maxOf(x: usize, count: i32): f32 {
  let largest: f32 = -Infinity;
  for (let i = 0; i < count; i++) {
    const value = load<f32>(x + ((<usize>i) << 2));
    if (value > largest) largest = value;
  }
  return largest;
}

function partialSum(x: usize, count: i32, max: f32, temperature: f32, lane: i32): f64 {
  let sum: f64 = 0;
  for (let i = lane; i < count; i += 4) sum += <f64>exp((load<f32>(x + ((<usize>i) << 2)) - max) / temperature);
  return sum;
}

/** Sum of exp((x - max) / temperature): element i in sum i mod 4, then (0 + 1) + (2 + 3). */
export function exponentialSum(x: usize, count: i32, max: f32, temperature: f32): f64 {
  const low = partialSum(x, count, max, temperature, 0) + partialSum(x, count, max, temperature, 1);
  return low + (partialSum(x, count, max, temperature, 2) + partialSum(x, count, max, temperature, 3));
}
