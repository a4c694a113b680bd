/** Twin of `../cross-entropy.ts`; the logarithm is the same f64 function, tested against its own oracle. */
import { log } from "../math/math-f64";
import { exponentialSum, maxOf } from "./exponential-sum";

export function cross_entropy_f32(logits: usize, targets: usize, losses: usize, V: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    const x = logits + ((<usize>(m * V)) << 2);
    const max = maxOf(x, V);
    const target = load<f32>(x + ((<usize>load<i32>(targets + ((<usize>m) << 2))) << 2));
    store<f64>(losses + ((<usize>m) << 3), log(exponentialSum(x, V, max, 1)) + (<f64>max - <f64>target));
  }
}
