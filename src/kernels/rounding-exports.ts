/**
 * The exports of every kernel build that the quantizer rounds weights with. Headers in `assembly/` say what each computes; the rules are
 * those of `kernel-exports.ts`.
 *
 * `type` is how scales are stored: 0 f32, 1 bf16, 2 f16; `top` the largest code, 7 or 127.
 */
import type { Pointer } from "./pointer.ts";

export interface RoundingExports {
  /** w f32[N, K], importance f32[K] or 0 -> scales f32[N, K/G] of least weighted square error. Units: rows. */
  search_scales_f32(
    w: Pointer,
    importance: Pointer,
    scales: Pointer,
    K: number,
    G: number,
    top: number,
    type: number,
    begin: number,
    end: number,
  ): void;
  /** gram f64[K, K] += x^T x over x f32[M, K], upper triangle. Units: K/8 pairs of row tiles. */
  gram_f64_f32(x: Pointer, gram: Pointer, M: number, K: number, begin: number, end: number): void;
  /** a f64[K, stride], upper triangle -> U with a = U^T U; returns -1 or the first row without a positive pivot. Whole. */
  cholesky_f64(a: Pointer, K: number, stride: number): number;
  /**
   * w f32[N, K] with factor U f64[K, stride] -> codes i8[N, K], errors f64[panels, K, 8], losses f64[N]; columns are rounded from the
   * last to the first. Scales f32[N, K/G] are given (column k has scale groups[k] of its row) or, with search = 1, written; scratch
   * of 128 + 96 * G bytes. Units: panels of 8 rows.
   */
  round_gptq_f32(
    w: Pointer,
    factor: Pointer,
    groups: Pointer,
    importance: Pointer,
    scales: Pointer,
    codes: Pointer,
    errors: Pointer,
    losses: Pointer,
    N: number,
    K: number,
    stride: number,
    G: number,
    top: number,
    type: number,
    search: number,
    begin: number,
    end: number,
    scratch: Pointer,
  ): void;
  /**
   * Coordinate descent on scales f32[N, K/G] and codes i8[N, K] under hessian f64[K, stride], both triangles; errors and gradients
   * f64[panels, K, 8] are written. Scratch of 128 + 128 * G bytes. Units: panels of 8 rows.
   */
  refine_codes_f32(
    w: Pointer,
    hessian: Pointer,
    scales: Pointer,
    codes: Pointer,
    errors: Pointer,
    gradients: Pointer,
    N: number,
    K: number,
    stride: number,
    G: number,
    top: number,
    type: number,
    passes: number,
    begin: number,
    end: number,
    scratch: Pointer,
  ): void;
}
