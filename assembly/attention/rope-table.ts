/**
 * Tables of the rotary embedding (Su et al. 2021, equation 34), in double precision, rounded once to f32.
 *
 *   frequencies[i] = theta^(-2i/D)                       i < D/2
 *   cos[c, i]      = cos((position + c) * frequencies[i])
 *   sin[c, i]      = sin((position + c) * frequencies[i])
 *
 *   frequencies  f32[D/2]          the caller may rescale them (Llama 3, linear, YaRN) before it makes the
 *                                  table, with logarithms and powers of here: every engine's are the same
 *   cos, sin     f32[count, D/2]
 *
 * Preconditions: D even; theta positive; |angle| <= 2^24. The angle is the exact product of an integer and an
 * f32, so entries are within half a unit in the last place plus 2^-50 of the definition. Hugging Face rounds
 * the angle to f32 first and differs by that rounding. Scalar and seldom run: the scalar build exports these
 * same functions.
 */
import { cosQuadrant, exp, log, quadrant, reduceToQuadrant, sinQuadrant } from "../math/math-f64";

/** f32[D/2]. Whole. */
export function rope_frequencies_f32(frequencies: usize, theta: f64, D: i32): void {
  const logTheta = log(theta);
  for (let i = 0; i < D; i += 2) {
    store<f32>(frequencies, <f32>exp((<f64>-i / <f64>D) * logTheta));
    frequencies += 4;
  }
}

/** Natural logarithm of a positive normal number, error below 2 units in the last place. Whole. */
export function log_f64(base: f64): f64 {
  return log(base);
}

/** base^exponent for a positive normal base and |exponent log base| < 700. Whole. */
export function power_f64(base: f64, exponent: f64): f64 {
  return exp(exponent * log(base));
}

/** cos and sin f32[count, D/2]. Whole. */
export function rope_table_f32(frequencies: usize, cos: usize, sin: usize, position: i32, count: i32, D: i32): void {
  const half = D >> 1;
  for (let c = 0; c < count; c++) {
    for (let i = 0; i < half; i++) {
      const angle = <f64>(position + c) * <f64>load<f32>(frequencies + ((<usize>i) << 2));
      const n = <i32>quadrant(angle);
      const r = reduceToQuadrant(angle);
      const s = sinQuadrant(r);
      const k = cosQuadrant(r);
      // Each quarter turn maps (cos, sin) to (-sin, cos).
      store<f32>(cos, <f32>(n & 1 ? (n & 2 ? s : -s) : n & 2 ? -k : k));
      store<f32>(sin, <f32>(n & 1 ? (n & 2 ? -k : k) : n & 2 ? -s : s));
      cos += 4;
      sin += 4;
    }
  }
}
