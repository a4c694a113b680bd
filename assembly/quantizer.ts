// The kernels of the second module, which only quantizing loads, over the first one's memory: exports only,
// in the order data flows. `src/kernels/table/quantizer-kernels.ts` states their arguments.

// Calibration.
export { observe_f32 } from "./elementwise/observe";
// Gradients (distillation).
export { kl_gradient_f32 } from "./gradients/kl-gradient";
export { jsd_gradient_f32 } from "./gradients/jsd-gradient";
export { transpose_qb4w_f32w } from "./gradients/transpose-qb4w";
export { transpose_qc8w_f32w } from "./gradients/transpose-qc8w";
export { transpose_f32, transpose_f32w_f32w } from "./gradients/transpose";
export { pack_columns_f32w } from "./gradients/pack-columns";
export { scale_gradient_f32 } from "./gradients/scale-gradient";
export { range_gradient_f32, round_range_f32 } from "./gradients/range-gradient";
export { rmsnorm_backward_f32 } from "./gradients/rmsnorm-backward";
export { swiglu_backward_f32 } from "./gradients/swiglu-backward";
export { attention_backward_f32 } from "./gradients/attention-backward";
// Rounding weights (quantizer).
export { search_scales_f32 } from "./rounding/search-scales";
export { search_lines_f32 } from "./rounding/search-lines";
export { round_learned_f32, step_learned_f32 } from "./rounding/learned-rounding";
export { gram_f64_f32 } from "./rounding/gram";
export { cholesky_f64 } from "./rounding/cholesky";
export { round_gptq_f32 } from "./rounding/round-gptq";
export { refine_codes_f32 } from "./rounding/refine-codes";
