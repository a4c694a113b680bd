/**
 * The exports of every kernel build that distillation uses: gradients of what the forward pass computes, and what they are multiplied by.
 * Headers in `assembly/` say what each computes; the rules are those of `kernel-exports.ts`.
 */
import type { Pointer } from "./pointer.ts";

export interface GradientExports {
  /** x f32[M, V] becomes its softmax, and y f32[M, V] the gradient of KL(softmax(x) || softmax(y)) times `factor`. Units: rows. */
  kl_gradient_f32(x: Pointer, y: Pointer, factor: number, V: number, begin: number, end: number): void;
  /**
   * w qb4w or qb4fw panels of [N, K], values f32[16] of its codes -> transposed f32w panels of [K, N]. Units: panels of 8 channels.
   */
  transpose_qb4w_f32w(
    w: Pointer,
    values: Pointer,
    transposed: Pointer,
    N: number,
    K: number,
    G: number,
    begin: number,
    end: number,
  ): void;
  /** source f32[M, K] -> packed f32w panels of [K, M]. Units: panels of 8 columns. */
  pack_columns_f32w(source: Pointer, packed: Pointer, M: number, K: number, begin: number, end: number): void;
  /**
   * gradients f32[N, K/G] with respect to the logarithms of weight scales; dy f32w panels of [N, M], x of [K, M], w of [K, N].
   * Units: groups.
   */
  scale_gradient_f32(
    dy: Pointer,
    x: Pointer,
    w: Pointer,
    gradients: Pointer,
    M: number,
    N: number,
    K: number,
    G: number,
    begin: number,
    end: number,
  ): void;
  /** dx f32[M, K] and dweight f32[K] += gradients of rmsnorm_f32; K a multiple of 4. Whole. */
  rmsnorm_backward_f32(
    x: Pointer,
    weight: Pointer,
    dy: Pointer,
    dx: Pointer,
    dweight: Pointer,
    M: number,
    K: number,
    eps: number,
  ): void;
  /** x f32[M, 2F] (gate, then up) becomes its gradient; dy f32[M, F]; F a multiple of 4. Units: rows. */
  swiglu_backward_f32(x: Pointer, dy: Pointer, F: number, begin: number, end: number): void;
  /**
   * qkv f32[M, (H + 2 Hkv) D] after RoPE, from position 0, and dy f32[M, H * D] -> dqkv; D a multiple of 8; scratch f32[2 (M + 4)].
   * Units: K/V heads.
   */
  attention_backward_f32(
    qkv: Pointer,
    dy: Pointer,
    dqkv: Pointer,
    M: number,
    H: number,
    Hkv: number,
    D: number,
    window: number,
    begin: number,
    end: number,
    scratch: Pointer,
  ): void;
}
