// The kernels whose products the relaxed 16-bit dot serves better where an engine makes several instructions
// of the 32-bit one: 4-bit weights, whose sums of eight products fit 16 bits. Used over the memory of one of
// the whole builds, in place of its kernels of the same names.
export { linear_scratch_bytes } from "./layouts/layout";
export { gemm_qd8_f32_qb4fw_x8c4, gemm_qd8_f32_qb4w_x8c4 } from "./linear/gemm-qd8-f32-qb4w";
export { gemv_qd8_f32_qb4fw_1x8c4, gemv_qd8_f32_qb4w_1x8c4 } from "./linear/gemv-qd8-f32-qb4w";
