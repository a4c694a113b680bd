/**
 * Observer of calibration (FPTQ, section 3: activation ranges): running statistics of each channel over all
 * rows seen.
 *
 *   min[k] = min(min[k], x[m,k])    max[k] = max(max[k], x[m,k])    sumSquares[k] += x[m,k]^2
 *
 *   x           M rows of K floats, `stride` floats apart
 *   min, max    f32[K]   start at +inf and -inf; a NaN is not seen here
 *   sumSquares  f64[K]   start at 0; squares are exact in f64 and summed by ascending m, so the bits do not
 *                        depend on how rows are divided into calls; a NaN or infinity shows here
 *
 * Reads and writes nothing outside the shapes. Whole.
 * Why four rows at a time: the statistics of four channels are loaded and stored once for sixteen elements.
 */
import { loadPartial, storePartial, widenHigh, widenLow } from "../math/simd";


@inline
function addSquares(sum: v128, x: v128): v128 {
  return f64x2.add(sum, f64x2.mul(x, x));
}


@inline
function observe4(rows: i32, x: usize, row: usize, min: usize, max: usize, sumSquares: usize): void {
  let low = v128.load(min),
    high = v128.load(max);
  let sum0 = v128.load(sumSquares),
    sum1 = v128.load(sumSquares, 16);
  for (let m = 0; m < rows; m++) {
    const v = v128.load(x);
    low = f32x4.pmin(low, v);
    high = f32x4.pmax(high, v);
    sum0 = addSquares(sum0, widenLow(v));
    sum1 = addSquares(sum1, widenHigh(v));
    x += row;
  }
  v128.store(min, low);
  v128.store(max, high);
  v128.store(sumSquares, sum0);
  v128.store(sumSquares, sum1, 16);
}

/** The last one to three channels. */
@inline
function observePartial(rest: i32, rows: i32, x: usize, row: usize, min: usize, max: usize, sumSquares: usize): void {
  let low = loadPartial(min, rest),
    high = loadPartial(max, rest);
  for (let m = 0; m < rows; m++) {
    const v = loadPartial(x, rest);
    low = f32x4.pmin(low, v);
    high = f32x4.pmax(high, v);
    for (let i = 0; i < rest; i++) {
      const value = <f64>load<f32>(x + ((<usize>i) << 2));
      const sum = sumSquares + ((<usize>i) << 3);
      store<f64>(sum, load<f64>(sum) + value * value);
    }
    x += row;
  }
  storePartial(min, low, rest);
  storePartial(max, high, rest);
}

export function observe_f32(x: usize, min: usize, max: usize, sumSquares: usize, M: i32, K: i32, stride: i32): void {
  const row = (<usize>stride) << 2;
  const whole = (<usize>(K & ~3)) << 2;
  for (let m = 0; m < M; m += 4) {
    const rows = M - m < 4 ? M - m : 4;
    const p = x + <usize>m * row;
    for (let k: usize = 0; k < whole; k += 16) observe4(rows, p + k, row, min + k, max + k, sumSquares + (k << 1));
    if (K & 3) observePartial(K & 3, rows, p + whole, row, min + whole, max + whole, sumSquares + (whole << 1));
  }
}
