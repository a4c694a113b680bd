// The scalar twins: the same exports as `assembly/index.ts`, `assembly/kept.ts` and `assembly/quantizer.ts`,
// one plain loop each, over the same packed bytes. What is scalar in the first place (sizes, float packing,
// gathers, f64 tables) is the same function in both builds.
export { linear_scratch_bytes, packed_bytes_f32w, packed_bytes_qb4w, packed_bytes_qc8w } from "../layouts/layout";
export { pack_f32w } from "../linear/pack-f32w";
export { pack_qb4w } from "./pack-qb4w";
export { pack_qc8w } from "./pack-qc8w";
export { embed_f32w } from "../elementwise/embed-f32w";
export { embed_qc8w } from "./embed-qc8w";
export { rmsnorm_f32, rmsnorm_heads_f32 } from "./rmsnorm";
export { layernorm_f32, layernorm_heads_f32 } from "./layernorm";
export { log_f64, power_f64, rope_frequencies_f32, rope_table_f32 } from "../attention/rope-table";
export { rope_f32, rope_pairs_f32 } from "./rope";
export { geglu_tanh_f32, geglu_tanh_f32_qd8 } from "./geglu";
export { swiglu_f32 } from "./swiglu";
export { gelu_f32, gelu_tanh_f32, relu_f32 } from "./plain-activation";
export { add_f32 } from "./add";
export { hadamard_f32 } from "./hadamard";
export { residual_scales_f32, scale_rows_f32 } from "./scale-rows";
export { clamp_f32 } from "./clamp";
export { scale_f32 } from "./scale";
export { softcap_f32 } from "./softcap";
export { quantize_f32_qd14, quantize_f32_qd8, quantize_f32_qs8 } from "./quantize-activations";
export { round_f32_f8 } from "./round-float8";
export { rmsnorm_f32_qd14, rmsnorm_f32_qd8 } from "./rmsnorm-quantize";
export { layernorm_f32_qd14, layernorm_f32_qd8 } from "./layernorm-quantize";
export { swiglu_f32_qd8 } from "./swiglu-quantize";
export { gelu_f32_qd8, gelu_tanh_f32_qd8, relu_f32_qd8 } from "./plain-activation-quantize";
export { gemm_f32_f32_f32w_4x8c1 } from "./gemm-f32-f32-f32w";
export {
  gemm_qd8_f32_qb4fw_x8c4,
  gemm_qd8_f32_qb4w_x8c4,
  gemv_qd8_f32_qb4fw_1x8c4,
  gemv_qd8_f32_qb4w_1x8c4,
} from "./linear-qd8-f32-qb4w";
export {
  gemm_qd14_f32_qc8w_x8c4,
  gemm_qd8_f32_qc8w_x8c4,
  gemv_qd14_f32_qc8w_1x8c4,
  gemv_qd8_f32_qc8w_1x8c4,
} from "./linear-qc8w";
export {
  k_cache_bytes_f32,
  k_cache_bytes_qs8,
  k_cache_bytes_qd8,
  v_cache_bytes_f32,
  v_cache_bytes_qs8,
  v_cache_bytes_qd8,
  attention_scratch_bytes,
} from "../layouts/layout-kv";
export { append_k_f32, append_v_f32, append_k_qs8, append_v_qs8, append_k_qd8, append_v_qd8 } from "./append-kv";
export { append_gated_f32, convolve_f32 } from "./short-convolution";
export {
  attention_f32_kf32_vf32,
  attention_f32_kqs8_vqs8,
  attention_f32_kqd8_vqd8,
  attention_f32_kqs8_vf32,
  attention_f32_kf32_vqs8,
  attention_f32_kqd8_vf32,
  attention_f32_kf32_vqd8,
  attention_f32_kqd8_vqs8,
  attention_f32_kqs8_vqd8,
} from "./attention-kinds";
export { first_nonfinite_f32 } from "./first-nonfinite";
export { argmax_f32 } from "./argmax";
export { softmax_f32 } from "./softmax";
export { cross_entropy_f32 } from "./cross-entropy";
export { kl_divergence_f32 } from "./kl-divergence";
export { observe_f32 } from "./observe";
export { kl_gradient_f32 } from "./kl-gradient";
export { jsd_gradient_f32 } from "./jsd-gradient";
export { transpose_qb4w_f32w } from "./transpose-qb4w";
export { transpose_qc8w_f32w } from "./transpose-qc8w";
export { transpose_f32, transpose_f32w_f32w } from "../gradients/transpose";
export { pack_columns_f32w } from "../gradients/pack-columns";
export { scale_gradient_f32 } from "./scale-gradient";
export { range_gradient_f32, round_range_f32 } from "./range-gradient";
export { rmsnorm_backward_f32 } from "./rmsnorm-backward";
export { swiglu_backward_f32 } from "./swiglu-backward";
export { attention_backward_f32 } from "./attention-backward";
export { search_scales_f32 } from "./search-scales";
export { search_lines_f32 } from "./search-lines";
export { round_learned_f32, step_learned_f32 } from "./learned-rounding";
export { gram_f64_f32 } from "./gram";
export { cholesky_f64 } from "./cholesky";
export { round_gptq_f32 } from "./round-gptq";
export { refine_codes_f32 } from "./refine-codes";
export {
  packed_bytes_qb4aw,
  packed_bytes_qb4mw,
  packed_bytes_qb4zw,
  packed_bytes_qb8aw,
  packed_bytes_qb8w,
} from "../layouts/layout-kept";
export { gather_qd8 } from "../elementwise/gather-columns";
export { gemm_qd8_f32_qb8w_x8c4, gemv_qd8_f32_qb8w_1x8c4, pack_qb8w } from "./linear-qb8w";
export { gemm_qd8_f32_qb4zw_x8c4, gemv_qd8_f32_qb4zw_1x8c4, pack_qb4zw } from "./linear-qb4zw";
export { gemm_qd8_f32_qb4mw_x8c4, gemv_qd8_f32_qb4mw_1x8c4, pack_qb4mw } from "./linear-qb4mw";
export { gemm_qd8_f32_qb4aw_x8c4, gemv_qd8_f32_qb4aw_1x8c4, pack_qb4aw } from "./linear-qb4aw";
export { gemm_qd8_f32_qb8aw_x8c4, gemv_qd8_f32_qb8aw_1x8c4, pack_qb8aw } from "./linear-qb8aw";
