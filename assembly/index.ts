// The kernel ABI: exports only, in the order data flows. `src/kernels/kernel-exports.ts` gives their TypeScript types.
export { KR, NR, linear_scratch_bytes, packed_bytes_qb4w, packed_bytes_qc8w } from "./layout";
export { MR } from "./gemm-tile";
export { pack_qb4w } from "./pack-qb4w";
export { pack_qc8w } from "./pack-qc8w";
export { quantize_f32_qd8, quantize_f32_qs8 } from "./quantize-activations";
export { gemm_qd8_f32_qb4w_4x8c4 } from "./gemm-qd8-f32-qb4w";
export { gemv_qd8_f32_qb4w_1x8c4 } from "./gemv-qd8-f32-qb4w";
export { gemm_qd8_f32_qc8w_4x8c4 } from "./gemm-qd8-f32-qc8w";
export { gemv_qd8_f32_qc8w_1x8c4 } from "./gemv-qd8-f32-qc8w";
export { k_cache_bytes_f32, k_cache_bytes_qs8, v_cache_bytes_f32, v_cache_bytes_qs8, attention_scratch_bytes } from "./layout-kv";
export { append_k_f32, append_v_f32 } from "./append-f32";
export { append_k_qs8, append_v_qs8 } from "./append-qs8";
export { attention_f32_kf32_vf32, attention_f32_kqs8_vqs8, attention_f32_kqs8_vf32, attention_f32_kf32_vqs8 } from "./attention";
