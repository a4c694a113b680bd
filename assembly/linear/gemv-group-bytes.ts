/**
 * One group of qb4w panels by the relaxed 32-bit dot product with whole bytes x = 16 h + l as operands, which
 * are channels 4..7 over channels 0..3, where the engine's instruction takes all 8 bits:
 *
 *   low    s + sum of a * l               = sum of a * (l - 8)        s = -8 * sum(a)
 *   whole  RAW_BYTES 1, x unsigned:       17 s + sum of a * x
 *          RAW_BYTES 2, x ^ 128 signed:   s + sum of a * (x - 128)
 *   high   (whole - low) / 16             = sum of a * (h - 8)
 *
 * Three instructions for 16 bytes (and, dot, dot) or four (and an exclusive or) instead of five. Exact: 16 *
 * sum of a * (h - 8) is 2^26 at most for G <= 4096, so the shift leaves no rest even if a sum had wrapped;
 * none does, as 17 * 8 * 128 * G + 128 * 255 * G < 2^28.
 *
 * The proposal leaves bytes above 127 to the engine: AVX-VNNI takes them unsigned, Arm's dot product and
 * AVX-VNNI-INT8 signed, and without VNNI sums of two saturate. So there are two modules (relaxed-bytes.ts),
 * and what an engine computes says which is used, if any. The bytes are not stored with the top bit flipped,
 * which would save the exclusive or: packed weights are the same for every form, as for every build, so that
 * nothing that packs or keeps them has to know which one was chosen.
 *
 * Four streams: with fewer instructions beside them products wait for each other (4 to 5 cycles, two begin in
 * each), and eight accumulators cover that. Native code with VNNI's 128-bit instruction on Zen 4, from cache:
 * 1.14 of masks with three streams, 1.10 of masks with four; three streams of whole bytes 1.03, with two
 * accumulators for each channel 1.13, which with the exclusive or are one register more than the 15 that V8
 * has on x64; five streams 1.17, and up to four panels left over. Not timed in an engine that can run it
 * (docs/measurements/2026-11-29-epyc-gemv-forms.md).
 */
import { ADD_SCALED, addToTotal } from "./accumulators";
import { multiplyAdd } from "./gemm-tile";
import { SUMS_BYTES } from "./gemv-group-qb4w";
import { nibbleMask, unknownZero } from "../math/simd";

/**
 * Adds the scaled dot products of one group of P (a literal, 1 or 4) panels, `streamBytes` apart, to the sums
 * at `totals`; the first one's scales are at `scale0`, its blocks at `w0`.
 */
@inline
export function addGroupBytes(
  P: i32,
  a: usize,
  sum: usize,
  scale0: usize,
  w0: usize,
  streamBytes: usize,
  totals: usize,
  G: i32,
): void {
  const nibble = nibbleMask(G);
  const flip = i8x16.splat(<i8>(0x80 | unknownZero(G)));
  const scale1 = scale0 + streamBytes;
  const scale2 = scale1 + streamBytes;
  const scale3 = scale2 + streamBytes;
  let low0 = v128.load32_splat(sum);
  let whole0 = RAW_BYTES == 1 ? i32x4.add(low0, i32x4.shl(low0, 4)) : low0;
  let low1 = low0;
  let whole1 = whole0;
  let low2 = low0;
  let whole2 = whole0;
  let low3 = low0;
  let whole3 = whole0;
  let w1 = w0 + streamBytes;
  let w2 = w1 + streamBytes;
  let w3 = w2 + streamBytes;
  for (const end = w0 + ((<usize>G) << 2); w0 < end; w0 += 16, a += 4) {
    const operand = v128.load32_splat(a);
    let w = v128.load(w0);
    whole0 = multiplyAdd(whole0, wholeOperand(w, flip), operand, false);
    low0 = multiplyAdd(low0, v128.and(w, nibble), operand, false);
    if (P > 1) {
      w = v128.load(w1);
      whole1 = multiplyAdd(whole1, wholeOperand(w, flip), operand, false);
      low1 = multiplyAdd(low1, v128.and(w, nibble), operand, false);
      w1 += 16;
      w = v128.load(w2);
      whole2 = multiplyAdd(whole2, wholeOperand(w, flip), operand, false);
      low2 = multiplyAdd(low2, v128.and(w, nibble), operand, false);
      w2 += 16;
      w = v128.load(w3);
      whole3 = multiplyAdd(whole3, wholeOperand(w, flip), operand, false);
      low3 = multiplyAdd(low3, v128.and(w, nibble), operand, false);
      w3 += 16;
    }
  }
  addToTotal(ADD_SCALED, totals, low0, highOf(whole0, low0), scale0, sum);
  if (P > 1) {
    addToTotal(ADD_SCALED, totals + SUMS_BYTES, low1, highOf(whole1, low1), scale1, sum);
    addToTotal(ADD_SCALED, totals + SUMS_BYTES * 2, low2, highOf(whole2, low2), scale2, sum);
    addToTotal(ADD_SCALED, totals + SUMS_BYTES * 3, low3, highOf(whole3, low3), scale3, sum);
  }
}


@inline
function wholeOperand(w: v128, flip: v128): v128 {
  return RAW_BYTES == 2 ? v128.xor(w, flip) : w;
}


@inline
function highOf(whole: v128, low: v128): v128 {
  return i32x4.shr_s(i32x4.sub(whole, low), 4);
}
