/** The kernels whose work can be shared among threads. The order is the numbering workers are called by. */
import type { KernelExports } from "./kernel-exports.ts";

export const SPLIT_KERNELS = [
  "rmsnorm_f32",
  "rmsnorm_heads_f32",
  "layernorm_f32",
  "rope_f32",
  "rope_pairs_f32",
  "swiglu_f32",
  "gelu_f32",
  "gelu_tanh_f32",
  "relu_f32",
  "quantize_f32_qd8",
  "quantize_f32_qs8",
  "quantize_f32_qd14",
  "round_f32_f8",
  "rmsnorm_f32_qd8",
  "rmsnorm_f32_qd14",
  "layernorm_f32_qd8",
  "layernorm_f32_qd14",
  "swiglu_f32_qd8",
  "gelu_f32_qd8",
  "gelu_tanh_f32_qd8",
  "relu_f32_qd8",
  "add_f32",
  "append_k_f32",
  "append_v_f32",
  "append_k_qs8",
  "append_v_qs8",
  "gemm_f32_f32_f32w_4x8c1",
  "gemm_qd8_f32_qb4w_x8c4",
  "gemv_qd8_f32_qb4w_1x8c4",
  "gemm_qd8_f32_qb4fw_x8c4",
  "gemv_qd8_f32_qb4fw_1x8c4",
  "gemm_qd8_f32_qc8w_x8c4",
  "gemv_qd8_f32_qc8w_1x8c4",
  "gemm_qd14_f32_qc8w_x8c4",
  "gemv_qd14_f32_qc8w_1x8c4",
  "attention_f32_kf32_vf32",
  "attention_f32_kqs8_vqs8",
  "attention_f32_kqs8_vf32",
  "attention_f32_kf32_vqs8",
  "cross_entropy_f32",
  "kl_gradient_f32",
  "transpose_qb4w_f32w",
  "pack_columns_f32w",
  "scale_gradient_f32",
  "swiglu_backward_f32",
  "attention_backward_f32",
  "search_scales_f32",
  "gram_f64_f32",
  "round_gptq_f32",
  "refine_codes_f32",
] as const satisfies readonly (keyof KernelExports)[];

export type SplitKernel = (typeof SPLIT_KERNELS)[number];

/**
 * Kernels not all of whose units are given out beforehand; the last ones are taken, so many at a time, by whichever thread is free: attention,
 * because later rows of a prompt see more tokens (eight tiles of rows; a row alone is given out whole). A GEMV is shared equally: its
 * streams from memory must be long, and pieces end them (512 against 434 tokens/s with two threads, docs/kernels.md).
 */
export const TAKEN_UNITS: Partial<Record<SplitKernel, number>> = {
  attention_f32_kf32_vf32: 32,
  attention_f32_kqs8_vqs8: 32,
  attention_f32_kqs8_vf32: 32,
  attention_f32_kf32_vqs8: 32,
};

/** What part of their units is given out beforehand (measured in docs/kernels.md). */
export const SHARED_PART = 7 / 8;

/** A kernel's parameters before `begin, end` and, where it has one, `scratch`. */
export type KernelWork<Name extends SplitKernel> =
  Parameters<KernelExports[Name]> extends [...infer Work extends number[], begin: number, end: number]
    ? Name extends WithScratch
      ? Work extends [...infer Before extends number[], number]
        ? Before
        : never
      : Work
    : never;

type WithScratch = Extract<SplitKernel, `gem${string}` | `attention${string}` | "round_gptq_f32" | "refine_codes_f32">;
