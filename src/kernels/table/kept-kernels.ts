/**
 * The kernels of the third module, `assembly/kept.ts`, which only models need whose weights are kept as a
 * GGUF, GPTQ or AWQ file has them. Headers in `assembly/` say what each computes.
 *
 * Scratch is that of `linear_scratch_bytes`, in the first module.
 */
import type { KernelRow } from "./kernel-arguments.ts";

const SIZE = { returns: "bytes" } as const;
const PANELS = { units: "panels of 8 channels", scratch: true } as const;

/** G: k of a group, B of a superblock; sums i32[M, K/G], of qb4mw i32[M, K/32]: -8 * group sums. */
const GEMM = { args: "q scales sums w bias y M N K G", ...PANELS } as const;
const GEMV = { args: "q scales sums w bias y N K G", ...PANELS } as const;
const GEMM_QB4MW = { args: "q scales sums w bias y M N K B", ...PANELS } as const;
const GEMV_QB4MW = { args: "q scales sums w bias y N K B", ...PANELS } as const;

export const KEPT_KERNELS = {
  packed_bytes_qb8w: { args: "N K G", ...SIZE },
  packed_bytes_qb4zw: { args: "N K G", ...SIZE },
  packed_bytes_qb4mw: { args: "N K B", ...SIZE },
  packed_bytes_qb4aw: { args: "N K G", ...SIZE },
  packed_bytes_qb8aw: { args: "N K G", ...SIZE },

  // --- packing while loading, as `pack_qb4w` does
  /** `source` i32[rowCount, K/4] as compressed-tensors packs 8 bits, `scales` f32[rowCount, K/G]. */
  pack_qb8w: { args: "source scales packed rowBegin rowCount N K G" },

  /** `source` i32[rowCount, K/8], nibbles u; `scales` f32 and `zeros` u8[rowCount, K/G], zeros 0..16. */
  pack_qb4zw: { args: "source scales zeros packed rowBegin rowCount N K G" },
  /**
   * `source` i32[rowCount, K/8], nibbles u; `scales` and `minima` u8[rowCount, K/32]; `multipliers`
   * f32[rowCount, K/B, 2], of scales and of minima.
   */
  pack_qb4mw: { args: "source scales minima multipliers packed rowBegin rowCount N K B" },
  /** `source` i32[rowCount, K/8], nibbles u; `halves` u16[rowCount, K/G, 2], binary16 scale and minimum. */
  pack_qb4aw: { args: "source halves packed rowBegin rowCount N K G" },
  /** `source` i32[rowCount, K/4], bytes u; `affine` f32[rowCount, K/G, 2], scale and minimum. */
  pack_qb8aw: { args: "source affine packed rowBegin rowCount N K G" },

  /** Rows q i8[M, K] with column columns[k] in the place of column k, to `y`, and their sums i32[M, K/G]. */
  gather_qd8: { args: "q columns y sums K G", units: "rows" },

  // --- linear layers: y[M, N] = x[M, K] * w[N, K]^T + bias (bias 0: none)
  gemm_qd8_f32_qb8w_x8c4: { args: "q scales w bias y M N K G", ...PANELS },
  gemv_qd8_f32_qb8w_1x8c4: { args: "q scales w bias y N K G", ...PANELS },
  gemm_qd8_f32_qb4zw_x8c4: GEMM,
  gemv_qd8_f32_qb4zw_1x8c4: GEMV,
  gemm_qd8_f32_qb4mw_x8c4: GEMM_QB4MW,
  gemv_qd8_f32_qb4mw_1x8c4: GEMV_QB4MW,
  gemm_qd8_f32_qb4aw_x8c4: GEMM,
  gemv_qd8_f32_qb4aw_1x8c4: GEMV,
  gemm_qd8_f32_qb8aw_x8c4: GEMM,
  gemv_qd8_f32_qb8aw_1x8c4: GEMV,
} as const satisfies Record<string, KernelRow>;
