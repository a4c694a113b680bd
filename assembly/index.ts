// The kernels that run a model: exports only, in the order data flows.
// `src/kernels/table/inference-kernels.ts` states their arguments.
export { KR, MR, NR, linear_scratch_bytes, packed_bytes_f32w, packed_bytes_qb4w, packed_bytes_qc8w } from "./layouts/layout";
export { pack_f32w } from "./linear/pack-f32w";
export { pack_qb4w } from "./linear/pack-qb4w";
export { pack_qc8w } from "./linear/pack-qc8w";
export { embed_f32w } from "./elementwise/embed-f32w";
export { embed_qc8w } from "./elementwise/embed-qc8w";
export { rmsnorm_f32, rmsnorm_heads_f32 } from "./elementwise/rmsnorm";
export { layernorm_f32, layernorm_heads_f32 } from "./elementwise/layernorm";
export { log_f64, power_f64, rope_frequencies_f32, rope_table_f32 } from "./attention/rope-table";
export { rope_f32, rope_pairs_f32 } from "./attention/rope";
export { geglu_tanh_f32, geglu_tanh_f32_qd8 } from "./elementwise/geglu";
export { swiglu_f32 } from "./elementwise/swiglu";
export { gelu_f32, gelu_tanh_f32, relu_f32 } from "./elementwise/plain-activation";
export { add_f32 } from "./elementwise/add";
export { hadamard_f32 } from "./elementwise/hadamard";
export { residual_scales_f32, scale_rows_f32 } from "./elementwise/scale-rows";
export { clamp_f32 } from "./elementwise/clamp";
export { scale_f32 } from "./elementwise/scale";
export { softcap_f32 } from "./elementwise/softcap";
export { quantize_f32_qd14, quantize_f32_qd8, quantize_f32_qs8 } from "./elementwise/quantize-activations";
export { round_f32_f8 } from "./elementwise/round-float8";
export { rmsnorm_f32_qd14, rmsnorm_f32_qd8 } from "./elementwise/rmsnorm-quantize";
export { layernorm_f32_qd14, layernorm_f32_qd8 } from "./elementwise/layernorm-quantize";
export { swiglu_f32_qd8 } from "./elementwise/swiglu-quantize";
export { gelu_f32_qd8, gelu_tanh_f32_qd8, relu_f32_qd8 } from "./elementwise/plain-activation-quantize";
export { gemm_f32_f32_f32w_4x8c1 } from "./linear/gemm-f32-f32-f32w";
export { gemm_qd8_f32_qb4fw_x8c4, gemm_qd8_f32_qb4w_x8c4 } from "./linear/gemm-qd8-f32-qb4w";
export { gemv_qd8_f32_qb4fw_1x8c4, gemv_qd8_f32_qb4w_1x8c4 } from "./linear/gemv-qd8-f32-qb4w";
export { gemm_qd8_f32_qc8w_x8c4 } from "./linear/gemm-qd8-f32-qc8w";
export { gemv_qd8_f32_qc8w_1x8c4 } from "./linear/gemv-qd8-f32-qc8w";
export { gemm_qd14_f32_qc8w_x8c4 } from "./linear/gemm-qd14-f32-qc8w";
export { gemv_qd14_f32_qc8w_1x8c4 } from "./linear/gemv-qd14-f32-qc8w";
export {
  k_cache_bytes_f32,
  k_cache_bytes_qs8,
  k_cache_bytes_qd8,
  v_cache_bytes_f32,
  v_cache_bytes_qs8,
  v_cache_bytes_qd8,
  attention_scratch_bytes,
} from "./layouts/layout-kv";
export { append_k_f32, append_v_f32 } from "./attention/append-f32";
export { append_k_qd8, append_k_qs8, append_v_qd8, append_v_qs8 } from "./attention/append-q8";
export { append_gated_f32, convolve_f32 } from "./attention/short-convolution";
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
} from "./attention/attention-kinds";
export { first_nonfinite_f32 } from "./elementwise/first-nonfinite";
export { argmax_f32 } from "./elementwise/argmax";
export { softmax_f32 } from "./elementwise/softmax";
export { cross_entropy_f32 } from "./elementwise/cross-entropy";
export { kl_divergence_f32 } from "./elementwise/kl-divergence";
