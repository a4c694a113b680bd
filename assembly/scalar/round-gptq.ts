/** Twin of `../round-gptq.ts`. */
import { roundCode } from "./code-grid";
import { bestScale } from "./search-scales";

/** sum over columns k in [first, last) of U[j,k] * e[k], e f64[K, 8] from column `origin` on. */
function project(u: usize, e: usize, origin: i32, first: i32, last: i32): f64 {
  let sum: f64 = 0;
  for (let k = first; k < last; k++) sum += load<f64>(u + ((<usize>k) << 3)) * load<f64>(e + ((<usize>(k - origin)) << 6));
  return sum;
}

export function round_gptq_f32(
  w: usize,
  factor: usize,
  groups: usize,
  importance: usize,
  scales: usize,
  codes: usize,
  errors: usize,
  losses: usize,
  N: i32,
  K: i32,
  stride: i32,
  G: i32,
  top: i32,
  type: i32,
  search: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  const block = search ? G : 32;
  const moved = scratch,
    weights = scratch + ((<usize>G) << 6);
  for (let n = begin << 3; n < end << 3; n++) {
    const lane = <usize>(n & 7);
    const e = errors + ((<usize>((n & ~7) * K)) << 3) + (lane << 3);
    const row = w + ((<usize>(n * K)) << 2);
    if (n >= N) {
      for (let j = 0; j < K; j++) store<f64>(e + ((<usize>j) << 6), 0);
      continue;
    }
    let loss: f64 = 0;
    for (let high = K; high > 0; high -= block) {
      const low = max(high - block, 0);
      for (let c = G - 1; c >= 0 && search != 0; c--) {
        const u = factor + ((<usize>((low + c) * stride)) << 3);
        const near = project(u, moved, low, low + c + 1, high);
        const shift = (project(u, e, 0, high, K) + near) / load<f64>(u + ((<usize>(low + c)) << 3));
        store<f64>(moved + ((<usize>c) << 6), -shift);
        store<f32>(weights + ((<usize>c) << 2), <f32>(<f64>load<f32>(row + ((<usize>(low + c)) << 2)) + shift));
      }
      if (search != 0) {
        const slice: usize = importance == 0 ? 0 : importance + ((<usize>low) << 2);
        const scale = bestScale(weights, slice, G, top, type);
        store<f32>(scales + ((<usize>(n * (K / G) + low / G)) << 2), scale);
      }
      for (let j = high - 1; j >= low; j--) {
        const u = factor + ((<usize>(j * stride)) << 3);
        const pivot = load<f64>(u + ((<usize>j) << 3));
        const group = search != 0 ? j / G : load<i32>(groups + ((<usize>j) << 2));
        const scale = <f64>load<f32>(scales + ((<usize>(n * (K / G) + group)) << 2));
        const weight = <f64>load<f32>(row + ((<usize>j) << 2));
        const target = weight + (project(u, e, 0, high, K) + project(u, e, 0, j + 1, high)) / pivot;
        const q = roundCode(target / scale, top);
        store<i8>(codes + <usize>(n * K + j), <i8>q);
        store<f64>(e + ((<usize>j) << 6), weight - q * scale);
        const miss = pivot * (target - q * scale);
        loss += miss * miss;
      }
    }
    store<f64>(losses + ((<usize>n) << 3), loss);
  }
}
