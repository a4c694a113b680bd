/**
 * Rows of activations rounded to an 8-bit float and back, in place: FP8 simulated in f32, since WebAssembly
 * has no such instruction (ZeroQuant-FP, section 3: token-wise scaling).
 *
 *   scale[m] = max_k |x[m,k]| / largest                                          1 where that is 0
 *   x[m,k]   = scale[m] * round(clamp(x[m,k] / scale[m], -largest, largest))
 *
 *   round: half to even, to values of `mantissaBits` bits behind the leading one, nowhere closer to each
 *   other than at 2^minExponent, which is where subnormals begin (OCP 8-bit Floating Point Specification
 *   1.0, Table 1).
 *
 *   format   mantissaBits   minExponent   largest
 *   E4M3     3              -6            448 = 1.75 * 2^8
 *   E5M2     2              -14           57344 = 1.75 * 2^15
 *
 *   x  f32[M, K]
 *
 * Units of work: rows begin..end. Preconditions: K % 16 == 0. Reads and writes nothing outside the shapes. A
 * zero comes out as +0. NaN stays NaN, and an infinity makes NaN of its row, so that both are found behind
 * the layer.
 *
 * How it rounds: of a value in 2^e..2^(e+1) the wanted spacing is 2^(e - mantissaBits), which is that of f32
 * around
 * 1.5 * 2^(e + 23 - mantissaBits): adding and taking that away leaves the nearest, ties to even.
 * Why a true division: the last bit of x / scale decides ties, and other readers of the checkpoint divide
 * too.
 */
import { absmaxRow, PLAIN } from "./quantize-row";

const EXPONENT: i32 = 0x7f800000;

export function round_f32_f8(x: usize, K: i32, mantissaBits: i32, minExponent: i32, largest: f32, begin: i32, end: i32): void {
  const high = f32x4.splat(largest),
    low = f32x4.neg(high);
  const smallest = i32x4.splat((127 + minExponent) << 23);
  // 1.5 * 2^(23 - mantissaBits)
  const anchor = i32x4.splat(((150 - mantissaBits) << 23) | 0x400000);
  for (let m = <usize>begin; m < <usize>end; m++) {
    let p = x + ((m * K) << 2);
    let scale = absmaxRow(PLAIN, p, 0, 0, 0, 0, K) / largest;
    if (scale == 0) scale = 1;
    const step = f32x4.splat(scale);
    for (const rowEnd = p + ((<usize>K) << 2); p < rowEnd; p += 16) {
      const value = f32x4.pmax(f32x4.pmin(f32x4.div(v128.load(p), step), high), low);
      const magic = f32x4.mul(i32x4.max_s(v128.and(value, i32x4.splat(EXPONENT)), smallest), anchor);
      v128.store(p, f32x4.mul(f32x4.sub(f32x4.add(value, magic), magic), step));
    }
  }
}
