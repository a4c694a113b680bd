// The kernels of the third module, which only models need whose weights are kept as a GGUF, GPTQ or AWQ file
// has them, over the first one's memory: exports only, in the order data flows.
// `src/kernels/table/kept-kernels.ts` states their arguments.
export {
  packed_bytes_qb4aw,
  packed_bytes_qb4mw,
  packed_bytes_qb4zw,
  packed_bytes_qb8aw,
  packed_bytes_qb8w,
} from "./layouts/layout-kept";
export { gather_qd8 } from "./elementwise/gather-columns";
export { pack_qb8w } from "./linear/kept/pack-qb8w";
export { pack_qb4zw } from "./linear/kept/pack-qb4zw";
export { pack_qb4mw } from "./linear/kept/pack-qb4mw";
export { pack_qb4aw } from "./linear/kept/pack-qb4aw";
export { pack_qb8aw } from "./linear/kept/pack-qb8aw";
export { gemm_qd8_f32_qb8w_x8c4 } from "./linear/kept/gemm-qd8-f32-qb8w";
export { gemv_qd8_f32_qb8w_1x8c4 } from "./linear/kept/gemv-qd8-f32-qb8w";
export { gemm_qd8_f32_qb4zw_x8c4 } from "./linear/kept/gemm-qd8-f32-qb4zw";
export { gemv_qd8_f32_qb4zw_1x8c4 } from "./linear/kept/gemv-qd8-f32-qb4zw";
export { gemm_qd8_f32_qb4mw_x8c4 } from "./linear/kept/gemm-qd8-f32-qb4mw";
export { gemv_qd8_f32_qb4mw_1x8c4 } from "./linear/kept/gemv-qd8-f32-qb4mw";
export { gemm_qd8_f32_qb4aw_x8c4 } from "./linear/kept/gemm-qd8-f32-qb4aw";
export { gemv_qd8_f32_qb4aw_1x8c4 } from "./linear/kept/gemv-qd8-f32-qb4aw";
export { gemm_qd8_f32_qb8aw_x8c4 } from "./linear/kept/gemm-qd8-f32-qb8aw";
export { gemv_qd8_f32_qb8aw_1x8c4 } from "./linear/kept/gemv-qd8-f32-qb8aw";
