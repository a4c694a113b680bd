/**
 * The kernels of the second module, `assembly/quantizer.ts`, which only quantizing loads: what calibrates,
 * rounds weights and distils. Headers in `assembly/` say what each computes.
 *
 * Rounding: `type` is how scales are stored: 0 f32, 1 bf16, 2 f16; `top` the largest code, 7 or 127.
 */
import type { KernelRow } from "./kernel-arguments.ts";

export const QUANTIZER_KERNELS = {
  // --- observers (calibration)
  /** For rows of `stride` elements, updates min, max f32[K] and sumSquares f64[K] with x f32[M, K]. */
  observe_f32: { args: "x min max sumSquares M K stride" },

  // --- gradients of what the forward pass computes, and what they are multiplied by (distillation)
  /**
   * x f32[M, V] becomes its softmax, and y f32[M, V] the gradient of KL(softmax(x) || softmax(y)) times
   * `lossFactor`.
   */
  kl_gradient_f32: { args: "x y lossFactor V", units: "rows" },
  /**
   * losses f64[M] of the Jensen-Shannon divergence between the softmax of x and of y f32[M, V], whose
   * gradient times `lossFactor` y becomes; x is overwritten.
   */
  jsd_gradient_f32: { args: "x y losses lossFactor V", units: "rows" },
  /** w qb4w or qb4fw panels of [N, K], values f32[16] of its codes -> transposed f32w panels of [K, N]. */
  transpose_qb4w_f32w: { args: "w values transposed N K G", units: "panels of 8 channels" },
  /** w qc8w panels of [N, K] -> transposed f32w panels of [K, N]; K a multiple of 8. */
  transpose_qc8w_f32w: { args: "w transposed N K", units: "panels of 8 channels" },
  /** w f32w panels of [N, K] -> transposed f32w panels of [K, N]. */
  transpose_f32w_f32w: { args: "w transposed N K", units: "panels of 8 channels" },
  /** source f32[M, N] -> transposed f32[N, M]. */
  transpose_f32: { args: "source transposed M N", units: "rows" },
  /** source f32[M, K] -> packed f32w panels of [K, M]. */
  pack_columns_f32w: { args: "source packed M K", units: "panels of 8 columns" },
  /**
   * gradients f32[N, K/G] with respect to the logarithms of weight scales; dy f32w panels of [N, M], x of [K,
   * M], w of [K, N].
   */
  scale_gradient_f32: { args: "dy x w gradients M N K G", units: "groups" },
  /**
   * y = x as a static int8 scale leaves it, M rows of K, `stride` elements apart; y may be x. K a multiple of
   * 4.
   */
  round_range_f32: { args: "x y K stride scale", units: "rows" },
  /**
   * sums f64[M] of the gradient of the logarithm of a static int8 `scale`, x and dx being M rows of K,
   * `stride` elements apart; dx becomes 0 where x is beyond the range. K a multiple of 4.
   */
  range_gradient_f32: { args: "x dx sums K stride scale", units: "rows" },
  /** dx f32[M, K] and dweight f32[K] += gradients of rmsnorm_f32; K a multiple of 4. */
  rmsnorm_backward_f32: { args: "x weight dy dx dweight M K eps" },
  /** x f32[M, 2F] (gate, then up) becomes its gradient; dy f32[M, F]; F a multiple of 4. */
  swiglu_backward_f32: { args: "x dy F", units: "rows" },
  /**
   * qkv f32[M, (H + 2 Hkv) D] after RoPE, from position 0, and dy f32[M, H * D] -> dqkv; D a multiple of 8;
   * scratch f32[2 (M + 4)].
   */
  attention_backward_f32: { args: "qkv dy dqkv M H Hkv D window", units: "K/V heads", scratch: true },

  // --- rounding weights
  /** w f32[N, K], importance f32[K] or 0 -> scales f32[N, K/G] of least weighted square error. */
  search_scales_f32: { args: "w importance scales K G top type", units: "rows" },
  /**
   * w f32[N, K], importance f32[K] or 0 -> steps, lows and centers f32[N, K/32] of least weighted square
   * error for w ~ step * u - low, u in 0..15 with mean center; a step of 0 for a group of one weight.
   */
  search_lines_f32: { args: "w importance steps lows centers K", units: "rows" },
  /** w, offsets f32[N, K], scales f32[N, K/G] -> rounded f32[N, K]; G a multiple of 4. */
  round_learned_f32: { args: "w offsets scales rounded K G top", units: "rows" },
  /**
   * One step of offsets f32[N, K] and clips f32[N, K/G] against the signs of gradients f32[N, K] of
   * `rounded`.
   */
  step_learned_f32: { args: "w offsets scales gradients clips K G top rate", units: "rows" },
  /** gram f64[K, K] += x^T x over x f32[M, K], upper triangle. */
  gram_f64_f32: { args: "x gram M K", units: "pairs of row tiles, K / 8" },
  /**
   * a f64[K, stride], upper triangle -> U with a = U^T U; returns -1 or the first row without a positive
   * pivot.
   */
  cholesky_f64: { args: "a K stride", returns: "index" },
  /**
   * w f32[N, K] with factor U f64[K, stride] -> codes i8[N, K], errors f64[panels, K, 8], losses f64[N];
   * columns are rounded from the last to the first. Scales f32[N, K/G] are given (column k has scale
   * groups[k] of its row) or, with search = 1, written; scratch of 128 + 96 * G bytes.
   */
  round_gptq_f32: {
    args: "w factor groups importance scales codes errors losses N K stride G top type search",
    units: "panels of 8 rows",
    scratch: true,
  },
  /**
   * Coordinate descent on scales f32[N, K/G] and codes i8[N, K] under hessian f64[K, stride], both triangles;
   * errors and gradients f64[panels, K, 8] are written. Weights in two levels have lows f32[N, K/G] too and
   * quanta f32[N, K/G, 2], others 0. Scratch of 128 + 192 * G bytes.
   */
  refine_codes_f32: {
    args: "w hessian scales lows quanta codes errors gradients N K stride G top type passes",
    units: "panels of 8 rows",
    scratch: true,
  },
} as const satisfies Record<string, KernelRow>;
