/**
 * Cross entropy of rows of logits, in nats: losses[m] = log(sum over v of exp(x[v] - max)) + (max -
 * x[target]), x = logits[m].
 *
 *   logits   f32[M, V]
 *   targets  i32[M]     0 <= target < V, which the caller has checked
 *   losses   f64[M]
 *
 * Order of the sum: in f64, element v belongs to lane v mod 4, ascending; then lanes (0 + 1) + (2 + 3).
 * Error: with d = max - x and p the softmax, each exponential is off by (d + 2) 2^-24 relative, their sum by
 * the p-weighted mean of that, and sum p d <= ln V. So a loss is within (ln V + 2) 2^-24 of the definition:
 * 8e-7 for V = 49152, a perplexity as much of itself. A NaN or infinite logit gives a NaN loss (-inf is a
 * probability of zero). Reads and writes nothing outside the shapes. Units: rows.
 */
import { exponentialSum, largest } from "./exponential-sum";
import { log } from "../math/math-f64";

export function cross_entropy_f32(logits: usize, targets: usize, losses: usize, V: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    const x = logits + <usize>m * ((<usize>V) << 2);
    const target = load<i32>(targets + ((<usize>m) << 2));
    const max = largest(x, V);
    const margin = <f64>max - <f64>load<f32>(x + ((<usize>target) << 2));
    store<f64>(losses + ((<usize>m) << 3), log(exponentialSum(x, V, max)) + margin);
  }
}
