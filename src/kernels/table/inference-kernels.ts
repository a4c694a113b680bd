/**
 * The kernels of the first module, `assembly/index.ts`: all that runs a model. Headers in `assembly/` say
 * what each computes.
 *
 * Names follow `<op>_<activation>_<output>_<weight>_<MR>x<NR>c<KR>` (docs/kernels.md).
 */
import type { KernelRow } from "./kernel-arguments.ts";

const SIZE = { returns: "bytes" } as const;
const ROWS = { units: "rows" } as const;
const PANELS = { units: "panels of 8 channels", scratch: true } as const;

/** Bytes of the blocks of 64 tokens that S tokens take, K or V of one layer. */
const KV_CACHE_BYTES = { args: "Hkv S D", ...SIZE } as const;
const GEMM_QD8_QB4W = { args: "q scales sums w bias y M N K G", ...PANELS } as const;
const GEMV_QD8_QB4W = { args: "q scales sums w bias y N K G", ...PANELS } as const;
const GEMM_QC8W = { args: "q scales w bias y M N K", ...PANELS } as const;
const GEMV_QC8W = { args: "q scales w bias y N K", ...PANELS } as const;
const ROPE = { args: "x cos sin rows heads D rotary stride", ...ROWS } as const;
const ACTIVATION_F32 = { args: "x y F stride", ...ROWS } as const;
const ACTIVATION_QD8 = { args: "x q scales sums F G stride scale", ...ROWS } as const;
/** Floats as they are, or int8 with a scale for each token and head. */
const APPEND = { args: "k cache rows stride Hkv D", ...ROWS } as const;
const APPEND_QS8 = { args: "k cache rows stride Hkv D scale", ...ROWS } as const;

/**
 * M rows over the pools; each sees what the row table says; window 0 means all. q: rows of `stride` elements,
 * head h at h * D; y f32[M, H * D]. Rows of one sequence follow one another in ascending positions, all below
 * S. slopes: f32[H] of ALiBi, or NULL for none. Scores are divided by `divisor`, then become
 * cap * tanh(score / cap), cap 0: stay. kScale and vScale are read for qs8 caches only. Units go by K/V head.
 *
 * Not all of them are given out beforehand, because later rows of a prompt see more tokens: 32 are eight
 * tiles of rows; a row alone is given out whole. GEMVs are shared equally: their streams from memory must be
 * long, and pieces end them (512 against 434 tokens/s with two threads, docs/kernels.md).
 */
const ATTENTION = {
  args: "q k v y rows slopes M stride H Hkv D S window divisor cap kScale vScale",
  units: "query rows, H * M",
  scratch: true,
  taken: 32,
} as const;

export const INFERENCE_KERNELS = {
  // --- sizes (assembly/layouts); pure functions, callable before any data exists
  packed_bytes_f32w: { args: "N K", ...SIZE },
  packed_bytes_qb4w: { args: "N K G", ...SIZE },
  packed_bytes_qc8w: { args: "N K", ...SIZE },
  k_cache_bytes_f32: KV_CACHE_BYTES,
  k_cache_bytes_qs8: KV_CACHE_BYTES,
  k_cache_bytes_qd8: KV_CACHE_BYTES,
  v_cache_bytes_f32: KV_CACHE_BYTES,
  v_cache_bytes_qs8: KV_CACHE_BYTES,
  v_cache_bytes_qd8: KV_CACHE_BYTES,
  /** Scratch one thread needs for any linear kernel with at most M rows and K in_features. */
  linear_scratch_bytes: { args: "M K", ...SIZE },
  /** Scratch one thread needs for any attention kernel with at most M rows at positions below S. */
  attention_scratch_bytes: { args: "M S D", ...SIZE },

  // --- packing while loading: panels of NR = 8 channels of the rows given, channels rowBegin.. of an [N, K]
  // matrix; rowBegin is a multiple of 8
  /** `source` f32[rowCount, K] row-major -> panels at `packed`. */
  pack_f32w: { args: "source packed rowBegin rowCount N K" },
  /**
   * `source` i32[rowCount, K/8] as compressed-tensors packs it, `scales` f32[rowCount, K/G]. For qb4fw too:
   * nibbles are moved as they are.
   */
  pack_qb4w: { args: "source scales packed rowBegin rowCount N K G" },
  /**
   * `source` i32[rowCount, K/4] as compressed-tensors packs 8 bits (offset binary), `scales` f32[rowCount].
   */
  pack_qc8w: { args: "source scales packed rowBegin rowCount N K" },

  // --- embedding: rows of a packed table
  /** ids i32[M], table packed f32w [V, E] -> y f32[M, E] */
  embed_f32w: { args: "ids table y M V E" },
  embed_qc8w: { args: "ids table y M V E" },

  // --- normalization, rotation, activation, residual
  rmsnorm_f32: { args: "x weight y M K eps", ...ROWS },
  /**
   * In place over `heads` heads of D at the start of each row of `stride` elements (Qwen3's q_norm, k_norm).
   */
  rmsnorm_heads_f32: { args: "x weight heads D stride eps", ...ROWS },
  /** bias NULL: none. y may be x. */
  layernorm_f32: { args: "x weight bias y M K eps", ...ROWS },
  /** As rmsnorm_heads_f32, with weights f32[heads, D] and no bias (Cohere, StableLM). */
  layernorm_heads_f32: { args: "x weight heads D stride eps", ...ROWS },
  /** f32[D/2] frequencies theta^(-2i/D); D is the number of channels that turn. */
  rope_frequencies_f32: { args: "frequencies theta D" },
  /** Natural logarithm, and base^exponent: for the numbers that change those frequencies. */
  log_f64: { args: "base", returns: "value" },
  power_f64: { args: "base exponent", returns: "value" },
  /** cos and sin f32[count, half] of (position * frequency). */
  rope_table_f32: { args: "frequencies cos sin position count D" },
  /**
   * In place, the first `rotary` channels of `heads` heads of D at the start of each row, half-split (Hugging
   * Face order: i with i + rotary/2), by row `position` of the tables cos and sin f32[positions, rotary/2].
   * `rows`: the row table, below.
   */
  rope_f32: ROPE,
  /** The same, interleaved: 2i with 2i + 1 (GPT-J, Cohere). */
  rope_pairs_f32: ROPE,
  /**
   * x f32[M, 2F] (gate, then up) at the start of rows of `stride` elements -> y f32[M, F] = silu(gate) * up
   */
  swiglu_f32: { args: "x y F stride", ...ROWS },
  /** The same by GELU with tanh. */
  geglu_tanh_f32: { args: "x y F stride", ...ROWS },
  /**
   * x f32[M, F] at the start of rows of `stride` elements -> y f32[M, F] = x/2 (1 + erf(x / sqrt 2)); y may
   * be x where stride is F
   */
  gelu_f32: ACTIVATION_F32,
  /** The form with tanh (0.044715). */
  gelu_tanh_f32: ACTIVATION_F32,
  /** max(x, 0) */
  relu_f32: ACTIVATION_F32,
  /** x += y, both f32[M, K] */
  add_f32: { args: "x y K", ...ROWS },
  /** x f32[M, K] *= scale */
  scale_f32: { args: "x K scale", ...ROWS },
  /** x f32[M, K] = cap * tanh(x / cap) */
  softcap_f32: { args: "x K cap", ...ROWS },

  // --- what transforms of weights need while the model runs
  /** y = H x * scale in blocks of `size`, a power of two, both f32[M, K]; y may be x */
  hadamard_f32: { args: "x y K size scale", ...ROWS },
  /** scales f32[2, M] = reciprocal root mean square of each row of x f32[M, K], and its reciprocal */
  residual_scales_f32: { args: "x scales M K eps", ...ROWS },
  /** x[m] *= scales[m] */
  scale_rows_f32: { args: "x scales K", ...ROWS },
  /** x f32[M, K] at the start of rows of `stride` elements, in place: within low..high */
  clamp_f32: { args: "x K stride low high", ...ROWS },

  // --- quantization of activations (FPTQ, section 3); sums i32[M, K/G] = -8 * group sums; G = K for qc8w
  quantize_f32_qd8: { args: "x q scales sums K G", ...ROWS },
  /** Also fills scales[m] = scale, so that one GEMM serves static and dynamic rows. */
  quantize_f32_qs8: { args: "x q scales sums K G scale", ...ROWS },
  /** The same to 14 bits, dynamic: q i16[M, K] in -8191..8191, without sums. For weights of 8 bits. */
  quantize_f32_qd14: { args: "x q scales K", ...ROWS },

  // --- the same, fused with the step that makes the floats; same bits. scale: static, or 0 for dynamic
  /** x f32[M, K] += residual (0: none); q = quantized rmsnorm of x */
  rmsnorm_f32_qd8: { args: "x residual weight q scales sums K G eps scale", ...ROWS },
  /** The same to 14 bits, q i16[M, K], dynamic. */
  rmsnorm_f32_qd14: { args: "x residual weight q scales K eps", ...ROWS },
  /** x f32[M, K] += residual (NULL: none); q = quantized layernorm of x; bias NULL: none */
  layernorm_f32_qd8: { args: "x residual weight bias q scales sums K G eps scale", ...ROWS },
  /** The same to 14 bits, q i16[M, K], dynamic. */
  layernorm_f32_qd14: { args: "x residual weight bias q scales K eps", ...ROWS },
  /** x f32[M, 2F] as above (the gate is overwritten) -> q i8[M, F] */
  swiglu_f32_qd8: { args: "x q scales sums F G stride scale", ...ROWS },
  geglu_tanh_f32_qd8: { args: "x q scales sums F G stride scale", ...ROWS },

  /**
   * x f32[M, F] at the start of rows of `stride` elements (overwritten) -> q i8[M, F] = quantized gelu of x
   */
  gelu_f32_qd8: ACTIVATION_QD8,
  gelu_tanh_f32_qd8: ACTIVATION_QD8,
  relu_f32_qd8: ACTIVATION_QD8,

  // --- 8-bit floats, simulated
  /** x f32[M, K], in place: rounded to an 8-bit float with one scale a row, and back (`Float8Format`). */
  round_f32_f8: { args: "x K mantissaBits minExponent largest", ...ROWS },

  // --- linear layers: y[M, N] = x[M, K] * w[N, K]^T + bias (bias 0: none)
  gemm_f32_f32_f32w_4x8c1: { args: "x w bias y M N K", ...PANELS },
  gemm_qd8_f32_qb4w_x8c4: GEMM_QD8_QB4W,
  gemv_qd8_f32_qb4w_1x8c4: GEMV_QD8_QB4W,
  /** The same for 4-bit floats (E2M1): `w` has their codes as nibbles, and half of their scales. */
  gemm_qd8_f32_qb4fw_x8c4: GEMM_QD8_QB4W,
  gemv_qd8_f32_qb4fw_1x8c4: GEMV_QD8_QB4W,
  gemm_qd8_f32_qc8w_x8c4: GEMM_QC8W,
  gemv_qd8_f32_qc8w_1x8c4: GEMV_QC8W,
  /** q i16[M, K] in -8191..8191; the rest as with qd8. */
  gemm_qd14_f32_qc8w_x8c4: GEMM_QC8W,
  gemv_qd14_f32_qc8w_1x8c4: GEMV_QC8W,

  // --- KV cache: a pool of blocks of 64 tokens (assembly/layouts/layout-kv.ts). Rows of one call may belong
  // to different sequences. The row table `rows` i32[M][2] says of each: the position of its token in its
  // sequence, and a pointer to the sequence's block table i32[], whose entry s / 64 is the number of the
  // block with token s. k or v starts each row of `stride` elements.
  append_k_f32: APPEND,
  append_v_f32: APPEND,
  append_k_qs8: APPEND_QS8,
  append_v_qs8: APPEND_QS8,
  append_k_qd8: APPEND,
  append_v_qd8: APPEND,

  // --- short convolution (LFM2), in place of attention: x rows of `stride` elements, B, C and u of E each
  /** cache f32[block][64][E]: v of the row's token = B * u */
  append_gated_f32: { args: "x cache rows stride E", ...ROWS },
  /** y f32[M, E] = C * (sum over K tokens of weight f32[K, E] * v, + bias f32[E]); bias NULL: none. */
  convolve_f32: { args: "x cache weight bias y rows stride E K", ...ROWS },

  // --- attention
  attention_f32_kf32_vf32: ATTENTION,
  attention_f32_kqs8_vqs8: ATTENTION,
  attention_f32_kqd8_vqd8: ATTENTION,
  attention_f32_kqs8_vf32: ATTENTION,
  attention_f32_kf32_vqs8: ATTENTION,
  attention_f32_kqd8_vf32: ATTENTION,
  attention_f32_kf32_vqd8: ATTENTION,
  attention_f32_kqd8_vqs8: ATTENTION,
  attention_f32_kqs8_vqd8: ATTENTION,

  // --- logits
  /** Index of the first NaN or infinity in x f32[count], or -1. */
  first_nonfinite_f32: { args: "x count", returns: "index" },
  /** Index of the largest; the lowest index among equals. */
  argmax_f32: { args: "x count", returns: "index" },
  /** y = softmax(x / temperature), f32[count]; may be in place. */
  softmax_f32: { args: "x y count temperature" },
  /** losses f64[M] = logsumexp(logits[m]) - logits[m, targets[m]]; logits f32[M, V], targets i32[M]. */
  cross_entropy_f32: { args: "logits targets losses V", ...ROWS },
  /** KL(softmax(x) || softmax(y)) in nats; x, y f32[V]. */
  kl_divergence_f32: { args: "x y V", returns: "nats" },
} as const satisfies Record<string, KernelRow>;
