/**
 * Weights of a linear module as a file has them, in the forms that kernels multiply without rounding anew.
 *
 * Dequantized by the rule beside each form, in float32, they are what the file's own rule gives, bit for bit.
 */

/**
 * In which packed form a module's weights run when they are kept as the file has them. Rules: w[n, k], g = k
 * / G.
 */
export type KeptForm =
  /** w = scale[g] * q, q in -8..7: Q4_0, GPTQ symmetric, compressed-tensors of 4 bits. */
  | { readonly form: "qb4w"; readonly groupSize: number }
  /** w = scale[g] * E2M1(code): MXFP4, whose scale is a power of two. */
  | { readonly form: "qb4fw"; readonly groupSize: number }
  /** w = scale[g] * (u - zero[g]), u in 0..15, whole zeros: AWQ, GPTQ asymmetric. */
  | { readonly form: "qb4zw"; readonly groupSize: number }
  /**
   * w = (d[b] * sc[g]) * u - dmin[b] * mn[g], g of 32 and b of a superblock, whole sc and mn: Q4_K (256), our
   * own int4m (a row).
   */
  | { readonly form: "qb4mw"; readonly superblock: number }
  /** w = d[g] * u + m[g], d and m binary16: Q4_1. */
  | { readonly form: "qb4aw"; readonly groupSize: 32 }
  /** w = scale[g] * q, q in -128..127: Q8_0, Q6_K, Q5_0, Q3_K, IQ4_NL, IQ4_XS, int-quantized in groups. */
  | { readonly form: "qb8w"; readonly groupSize: number }
  /** w = scale[g] * u + minimum[g], u in 0..255: Q5_1, Q5_K, Q2_K. */
  | { readonly form: "qb8aw"; readonly groupSize: number }
  /** w = scale[n] * q, q in -128..127. */
  | { readonly form: "qc8w" };

/**
 * Consecutive rows in the sources that `pack_<form>` takes, in their order, each array row by row:
 *
 *     qb4w, qb4fw   words i32[K/8] of nibbles (q + 8; E2M1 codes), scales f32[K/G]
 *     qb4zw         words i32[K/8] of u, scales f32[K/G], zeros u8[K/G]
 *     qb4mw         words i32[K/8] of u, sc u8[K/32], mn u8[K/32], multipliers f32[K/B, 2]: d, dmin
 *     qb4aw         words i32[K/8] of u, halves u16[K/32, 2]: d, m
 *     qb8w, qc8w    words i32[K/4] of q + 128, scales f32[K/G]; f32[1]
 *     qb8aw         words i32[K/4] of u, affine f32[K/G, 2]: scale, minimum
 *
 * Words hold codes from the lowest bits up; K is that of the file, unpadded.
 */
export interface KeptRows {
  readonly rows: number;
  readonly arrays: readonly (Int32Array | Uint16Array | Uint8Array | Float32Array)[];
}
