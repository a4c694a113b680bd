/**
 * Twin of `../elementwise/sum-row.ts`: sixteen partial sums, element k in sum k mod 16, then the same tree.
 */
import { CENTRED_SQUARES, VALUES } from "../elementwise/sum-row";

function partialSum(terms: i32, x: usize, K: i32, mean: f32, lane: i32): f32 {
  let sum: f32 = 0;
  for (let k = lane; k < K; k += 16) {
    let value = load<f32>(x + ((<usize>k) << 2));
    if (terms == CENTRED_SQUARES) value -= mean;
    sum += terms == VALUES ? value : value * value;
  }
  return sum;
}

/** One lane of (vector 0 + vector 1) + (vector 2 + vector 3). */
function lane(terms: i32, x: usize, K: i32, mean: f32, i: i32): f32 {
  const low = partialSum(terms, x, K, mean, i) + partialSum(terms, x, K, mean, i + 4);
  return low + (partialSum(terms, x, K, mean, i + 8) + partialSum(terms, x, K, mean, i + 12));
}

export function sumRow(terms: i32, x: usize, K: i32, mean: f32): f32 {
  const low = lane(terms, x, K, mean, 0) + lane(terms, x, K, mean, 1);
  return low + (lane(terms, x, K, mean, 2) + lane(terms, x, K, mean, 3));
}
