// The kernels of kept.ts whose products the relaxed 16-bit dot serves better (relaxed-i16.ts): used over the
// memory of that form, in place of the kernels of the same names.
export { gemm_qd8_f32_qb4aw_x8c4 } from "./linear/kept/gemm-qd8-f32-qb4aw";
export { gemm_qd8_f32_qb4mw_x8c4 } from "./linear/kept/gemm-qd8-f32-qb4mw";
export { gemm_qd8_f32_qb4zw_x8c4 } from "./linear/kept/gemm-qd8-f32-qb4zw";
export { gemv_qd8_f32_qb4aw_1x8c4 } from "./linear/kept/gemv-qd8-f32-qb4aw";
export { gemv_qd8_f32_qb4mw_1x8c4 } from "./linear/kept/gemv-qd8-f32-qb4mw";
export { gemv_qd8_f32_qb4zw_1x8c4 } from "./linear/kept/gemv-qd8-f32-qb4zw";
