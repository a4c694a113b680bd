/**
 * The exports of every kernel build, as TypeScript sees them. Headers in `assembly/` say what each computes.
 *
 * All pointers are byte offsets into linear memory. A kernel that can be split takes `(begin, end, scratch)` last: the half-open
 * range of its units of work (named in its header) and the calling thread's own scratch. Kernels marked "whole" are not split.
 * Names follow `<op>_<activation>_<output>_<weight>_<MR>x<NR>c<KR>` (docs/kernels.md).
 */
import type { GradientExports } from "./gradient-exports.ts";
import type { Pointer } from "./pointer.ts";
import type { RoundingExports } from "./rounding-exports.ts";

export type { Pointer };

export interface KernelExports extends GradientExports, RoundingExports {
  // --- sizes in bytes (assembly/layout.ts); pure functions, callable before any data exists
  packed_bytes_f32w(N: number, K: number): number;
  packed_bytes_qb4w(N: number, K: number, G: number): number;
  packed_bytes_qc8w(N: number, K: number): number;
  /** Of the blocks of 64 tokens that S tokens take, K or V of one layer. */
  k_cache_bytes_f32(Hkv: number, S: number, D: number): number;
  k_cache_bytes_qs8(Hkv: number, S: number, D: number): number;
  v_cache_bytes_f32(Hkv: number, S: number, D: number): number;
  v_cache_bytes_qs8(Hkv: number, S: number, D: number): number;
  /** Scratch one thread needs for any linear kernel with at most M rows and K in_features. */
  linear_scratch_bytes(M: number, K: number): number;
  /** Scratch one thread needs for any attention kernel with at most M rows at positions below S. */
  attention_scratch_bytes(M: number, S: number, D: number): number;

  // --- packing while loading. Units: panels of NR = 8 channels of the rows given; rowBegin is a multiple of 8.
  /** `source` f32[rows, K] row-major -> panels at `packed` for channels rowBegin.. of an [N, K] matrix. */
  pack_f32w(source: Pointer, packed: Pointer, rowBegin: number, rows: number, N: number, K: number): void;
  /** `source` i32[rows, K/8] as compressed-tensors packs it, `scales` f32[rows, K/G]. For qb4fw too: nibbles are moved as they are. */
  pack_qb4w(
    source: Pointer,
    scales: Pointer,
    packed: Pointer,
    rowBegin: number,
    rows: number,
    N: number,
    K: number,
    G: number,
  ): void;
  /** `source` i32[rows, K/4] as compressed-tensors packs 8 bits (offset binary), `scales` f32[rows]. */
  pack_qc8w(source: Pointer, scales: Pointer, packed: Pointer, rowBegin: number, rows: number, N: number, K: number): void;

  // --- embedding: rows of a packed table. Whole.
  /** ids i32[M], table packed f32w [V, E] -> y f32[M, E] */
  embed_f32w(ids: Pointer, table: Pointer, y: Pointer, M: number, V: number, E: number): void;
  embed_qc8w(ids: Pointer, table: Pointer, y: Pointer, M: number, V: number, E: number): void;

  // --- normalization, rotation, activation, residual. Units: rows.
  rmsnorm_f32(x: Pointer, weight: Pointer, y: Pointer, M: number, K: number, eps: number, begin: number, end: number): void;
  /** In place over `heads` heads of D at the start of each row of `stride` elements (Qwen3's q_norm, k_norm). */
  rmsnorm_heads_f32(
    x: Pointer,
    weight: Pointer,
    heads: number,
    D: number,
    stride: number,
    eps: number,
    begin: number,
    end: number,
  ): void;
  /** bias 0: none. y may be x. */
  layernorm_f32(
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    y: Pointer,
    M: number,
    K: number,
    eps: number,
    begin: number,
    end: number,
  ): void;
  /** f32[D/2] frequencies theta^(-2i/D); D is the number of channels that turn. Whole. */
  rope_frequencies_f32(frequencies: Pointer, theta: number, D: number): void;
  /** cos and sin f32[count, half] of (position * frequency). Whole. */
  rope_table_f32(frequencies: Pointer, cos: Pointer, sin: Pointer, position: number, count: number, D: number): void;
  /**
   * In place, the first `rotary` channels of `heads` heads of D at the start of each row, half-split (Hugging Face
   * order: i with i + rotary/2), by row `position` of the tables cos and sin f32[positions, rotary/2]. `rows`: the row
   * table, below.
   */
  rope_f32(
    x: Pointer,
    cos: Pointer,
    sin: Pointer,
    rows: Pointer,
    heads: number,
    D: number,
    rotary: number,
    stride: number,
    begin: number,
    end: number,
  ): void;
  /** The same, interleaved: 2i with 2i + 1 (GPT-J, Cohere). */
  rope_pairs_f32: KernelExports["rope_f32"];
  /** x f32[M, 2F] (gate, then up) -> y f32[M, F] = silu(gate) * up */
  swiglu_f32(x: Pointer, y: Pointer, F: number, begin: number, end: number): void;
  /** x f32[M, F] at the start of rows of `stride` elements -> y f32[M, F] = x/2 (1 + erf(x / sqrt 2)); y may be x where stride is F */
  gelu_f32(x: Pointer, y: Pointer, F: number, stride: number, begin: number, end: number): void;
  /** The form with tanh (0.044715). */
  gelu_tanh_f32: KernelExports["gelu_f32"];
  /** max(x, 0) */
  relu_f32: KernelExports["gelu_f32"];
  /** x += y, both f32[M, K] */
  add_f32(x: Pointer, y: Pointer, K: number, begin: number, end: number): void;

  // --- quantization of activations (FPTQ, section 3). Units: rows. sums i32[M, K/G] = -8 * group sums; G = K for qc8w.
  quantize_f32_qd8(
    x: Pointer,
    q: Pointer,
    scales: Pointer,
    sums: Pointer,
    K: number,
    G: number,
    begin: number,
    end: number,
  ): void;
  /** Also fills scales[m] = scale, so that one GEMM serves static and dynamic rows. */
  quantize_f32_qs8(
    x: Pointer,
    q: Pointer,
    scales: Pointer,
    sums: Pointer,
    K: number,
    G: number,
    scale: number,
    begin: number,
    end: number,
  ): void;

  /** The same to 14 bits, dynamic: q i16[M, K] in -8191..8191, without sums. For weights of 8 bits. */
  quantize_f32_qd14(x: Pointer, q: Pointer, scales: Pointer, K: number, begin: number, end: number): void;

  // --- the same, fused with the step that makes the floats; same bits. scale: static, or 0 for dynamic. Units: rows.
  /** x f32[M, K] += residual (0: none); q = quantized rmsnorm of x */
  rmsnorm_f32_qd8(
    x: Pointer,
    residual: Pointer,
    weight: Pointer,
    q: Pointer,
    scales: Pointer,
    sums: Pointer,
    K: number,
    G: number,
    eps: number,
    scale: number,
    begin: number,
    end: number,
  ): void;
  /** The same to 14 bits, q i16[M, K], dynamic. */
  rmsnorm_f32_qd14(
    x: Pointer,
    residual: Pointer,
    weight: Pointer,
    q: Pointer,
    scales: Pointer,
    K: number,
    eps: number,
    begin: number,
    end: number,
  ): void;
  /** x f32[M, K] += residual (0: none); q = quantized layernorm of x; bias 0: none */
  layernorm_f32_qd8(
    x: Pointer,
    residual: Pointer,
    weight: Pointer,
    bias: Pointer,
    q: Pointer,
    scales: Pointer,
    sums: Pointer,
    K: number,
    G: number,
    eps: number,
    scale: number,
    begin: number,
    end: number,
  ): void;
  /** The same to 14 bits, q i16[M, K], dynamic. */
  layernorm_f32_qd14(
    x: Pointer,
    residual: Pointer,
    weight: Pointer,
    bias: Pointer,
    q: Pointer,
    scales: Pointer,
    K: number,
    eps: number,
    begin: number,
    end: number,
  ): void;
  /** x f32[M, 2F] (gate, then up; the gate is overwritten) -> q i8[M, F] */
  swiglu_f32_qd8(
    x: Pointer,
    q: Pointer,
    scales: Pointer,
    sums: Pointer,
    F: number,
    G: number,
    scale: number,
    begin: number,
    end: number,
  ): void;

  /** x f32[M, F] at the start of rows of `stride` elements (overwritten) -> q i8[M, F] = quantized gelu of x */
  gelu_f32_qd8(
    x: Pointer,
    q: Pointer,
    scales: Pointer,
    sums: Pointer,
    F: number,
    G: number,
    stride: number,
    scale: number,
    begin: number,
    end: number,
  ): void;
  gelu_tanh_f32_qd8: KernelExports["gelu_f32_qd8"];
  relu_f32_qd8: KernelExports["gelu_f32_qd8"];

  // --- 8-bit floats, simulated. Units: rows.
  /** x f32[M, K], in place: rounded to an 8-bit float with one scale a row, and back (`Float8Format`). */
  round_f32_f8(
    x: Pointer,
    K: number,
    mantissaBits: number,
    minExponent: number,
    largest: number,
    begin: number,
    end: number,
  ): void;

  // --- linear layers: y[M, N] = x[M, K] * w[N, K]^T + bias (bias 0: none). Units: panels of 8 channels.
  gemm_f32_f32_f32w_4x8c1(
    x: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    M: number,
    N: number,
    K: number,
    begin: number,
    end: number,
    scratch: Pointer,
  ): void;
  gemm_qd8_f32_qb4w_x8c4(
    q: Pointer,
    scales: Pointer,
    sums: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    M: number,
    N: number,
    K: number,
    G: number,
    begin: number,
    end: number,
    scratch: Pointer,
  ): void;
  gemv_qd8_f32_qb4w_1x8c4(
    q: Pointer,
    scales: Pointer,
    sums: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    N: number,
    K: number,
    G: number,
    begin: number,
    end: number,
    scratch: Pointer,
  ): void;
  /** The same for 4-bit floats (E2M1): `w` has their codes as nibbles, and half of their scales. */
  gemm_qd8_f32_qb4fw_x8c4: KernelExports["gemm_qd8_f32_qb4w_x8c4"];
  gemv_qd8_f32_qb4fw_1x8c4: KernelExports["gemv_qd8_f32_qb4w_1x8c4"];
  gemm_qd8_f32_qc8w_x8c4(
    q: Pointer,
    scales: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    M: number,
    N: number,
    K: number,
    begin: number,
    end: number,
    scratch: Pointer,
  ): void;
  gemv_qd8_f32_qc8w_1x8c4(
    q: Pointer,
    scales: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    N: number,
    K: number,
    begin: number,
    end: number,
    scratch: Pointer,
  ): void;
  /** q i16[M, K] in -8191..8191; the rest as with qd8. */
  gemm_qd14_f32_qc8w_x8c4: KernelExports["gemm_qd8_f32_qc8w_x8c4"];
  gemv_qd14_f32_qc8w_1x8c4: KernelExports["gemv_qd8_f32_qc8w_1x8c4"];

  // --- KV cache: a pool of blocks of 64 tokens (assembly/layouts/layout-kv.ts). Rows of one call may belong to
  // different sequences. The row table `rows` i32[M][2] says of each: the position of its token in its sequence, and a
  // pointer to the sequence's block table i32[], whose entry s / 64 is the number of the block with token s.

  /** k or v starts each row of `stride` elements. Units: rows. */
  append_k_f32(
    k: Pointer,
    cache: Pointer,
    rows: Pointer,
    stride: number,
    Hkv: number,
    D: number,
    begin: number,
    end: number,
  ): void;
  append_v_f32: KernelExports["append_k_f32"];
  append_k_qs8(
    k: Pointer,
    cache: Pointer,
    rows: Pointer,
    stride: number,
    Hkv: number,
    D: number,
    scale: number,
    begin: number,
    end: number,
  ): void;
  append_v_qs8: KernelExports["append_k_qs8"];

  // --- attention of M rows over the pools; causal; window 0 means all. Units: H * M query rows, by K/V head.
  // q: rows of `stride` elements, head h at h * D; y f32[M, H * D]. Rows of one sequence follow one another in ascending
  // positions, all below S. slopes: f32[H] of ALiBi, or 0 for none. kScale and vScale are read for qs8 caches only.
  attention_f32_kf32_vf32(
    q: Pointer,
    k: Pointer,
    v: Pointer,
    y: Pointer,
    rows: Pointer,
    slopes: Pointer,
    M: number,
    stride: number,
    H: number,
    Hkv: number,
    D: number,
    S: number,
    window: number,
    kScale: number,
    vScale: number,
    begin: number,
    end: number,
    scratch: Pointer,
  ): void;
  attention_f32_kqs8_vqs8: KernelExports["attention_f32_kf32_vf32"];
  attention_f32_kqs8_vf32: KernelExports["attention_f32_kf32_vf32"];
  attention_f32_kf32_vqs8: KernelExports["attention_f32_kf32_vf32"];

  // --- logits
  /** Index of the first NaN or infinity in x f32[count], or -1. Whole. */
  first_nonfinite_f32(x: Pointer, count: number): number;
  /** Index of the largest; the lowest index among equals. Whole. */
  argmax_f32(x: Pointer, count: number): number;
  /** y = softmax(x / temperature), f32[count]; may be in place. Whole. */
  softmax_f32(x: Pointer, y: Pointer, count: number, temperature: number): void;
  /** losses f64[M] = logsumexp(logits[m]) - logits[m, targets[m]]; logits f32[M, V], targets i32[M]. Units: rows. */
  cross_entropy_f32(logits: Pointer, targets: Pointer, losses: Pointer, V: number, begin: number, end: number): void;
  /** KL(softmax(x) || softmax(y)) in nats; x, y f32[V]. Whole. */
  kl_divergence_f32(x: Pointer, y: Pointer, V: number): number;

  // --- observers (calibration). Whole.
  /** For rows of `stride` elements, updates min, max f32[K] and sumSquares f64[K] with x f32[M, K]. */
  observe_f32(x: Pointer, min: Pointer, max: Pointer, sumSquares: Pointer, M: number, K: number, stride: number): void;
}
