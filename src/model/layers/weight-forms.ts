/**
 * The products that kernels compute, one row for each form of weights: the size of packed weights, how rows
 * are packed, and the kernels for many rows of activations and for one. Whoever loads or multiplies reads
 * this table; forms are drawn in `assembly/layouts/`.
 */
import type { BuildName } from "../../kernels/kernel-build.ts";
import type { KernelExports } from "../../kernels/kernel-table.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import type { Pointer } from "../../kernels/pointer.ts";

/**
 * A packed matrix: rows, in_features (padded), and k that share a scale, of a superblock, or all of a row.
 */
export interface PackedShape {
  readonly N: number;
  readonly K: number;
  readonly G: number;
}

/** Where rows that are packed come from and go to. */
export interface PackedPlace {
  /** In the order of the pack kernel's arguments. */
  readonly sources: readonly Pointer[];
  readonly packed: Pointer;
  readonly row: number; // begins a panel
  readonly rows: number;
}

/** What a product reads and writes, M rows of it. */
export interface Operands {
  /** f32[M, K] where the weights are floats. */
  readonly x: Pointer;
  readonly q: Pointer; // i8[M, K], or i16[M, K] of 14 bits
  readonly scales: Pointer; // f32[M]
  readonly sums: Pointer; // i32[M, groups]
  readonly w: Pointer;
  readonly bias: Pointer;
  readonly y: Pointer; // f32[M, N]
  readonly M: number;
  /** Channels of a row of y. */
  readonly N: number;
  readonly K: number;
  readonly G: number;
  /** Panels of weights. */
  readonly panels: number;
}

/** Bits of an activation. */
export type InputBits = 8 | 14 | 32;

interface WeightFormRow {
  /** Codes in a word of what is packed; undefined for floats. */
  readonly codesInWord?: 4 | 8;
  /** k whose sums of activations the kernels read; undefined for none. */
  sumsOf(G: number): number | undefined;
  /** The longest group, or superblock, whose sums stay in 32 bits; that of the GEMV where it is shorter. */
  readonly longestGroup: number;
  readonly longestGemvGroup?: number;
  /** What a group is a multiple of, if it is not 16. */
  readonly groupMultiple?: number;
  /**
   * Builds whose GEMM reads packed panels where rows are few, so that two take less than two GEMVs; others
   * unpack panels first.
   */
  readonly packedTiles?: readonly BuildName[];
  /** Whether the kernels are those of the third module. */
  readonly isKept?: true;
  bytes(sizes: KernelExports, shape: PackedShape): number;
  pack(run: KernelExports, place: PackedPlace, shape: PackedShape): void;
  gemm(kernels: Kernels, bits: InputBits, operands: Operands): void;
  /** One row; undefined where the GEMM is as good. */
  gemv?(kernels: Kernels, bits: InputBits, operands: Operands): void;
}

type GroupedForm = "qb4w" | "qb4fw" | "qb4zw" | "qb4mw" | "qb4aw" | "qb8aw";

/** 4-bit weights in `assembly/linear/gemm-tile-i16.ts`. */
const PACKED_TILES_I16 = { packedTiles: ["relaxed-i16"] } as const;

/** What forms share whose kernels take sums of activations and the size of a group. */
function grouped(form: GroupedForm): Pick<WeightFormRow, "gemm" | "gemv" | "codesInWord"> {
  return {
    codesInWord: 8,
    gemm(kernels, _, { q, scales, sums, w, bias, y, M, N, K, G, panels }) {
      kernels.split(`gemm_qd8_f32_${form}_x8c4`, panels, q, scales, sums, w, bias, y, M, N, K, G);
    },
    gemv(kernels, _, { q, scales, sums, w, bias, y, N, K, G, panels }) {
      kernels.split(`gemv_qd8_f32_${form}_1x8c4`, panels, q, scales, sums, w, bias, y, N, K, G);
    },
  };
}

const SUMS_OF_GROUP = (G: number) => G;
const NO_SUMS = () => undefined;

/** E2M1 lies in memory as integers of 4 bits do. */
const QB4W = {
  sumsOf: SUMS_OF_GROUP,
  longestGroup: 2 ** 19,
  longestGemvGroup: 4096,
  bytes: (sizes, { N, K, G }) => sizes.packed_bytes_qb4w(N, K, G),
  pack(run, { sources: [words, scales], packed, row, rows }, { N, K, G }) {
    run.pack_qb4w(words!, scales!, packed, row, rows, N, K, G);
  },
} as const satisfies Partial<WeightFormRow>;

export const WEIGHT_FORMS = {
  f32w: {
    sumsOf: NO_SUMS,
    longestGroup: Infinity,
    bytes: (sizes, { N, K }) => sizes.packed_bytes_f32w(N, K),
    pack(run, { sources: [values], packed, row, rows }, { N, K }) {
      run.pack_f32w(values!, packed, row, rows, N, K);
    },
    gemm(kernels, _, { x, w, bias, y, M, N, K, panels }) {
      kernels.split("gemm_f32_f32_f32w_4x8c1", panels, x, w, bias, y, M, N, K);
    },
  },
  qb4w: { ...QB4W, ...grouped("qb4w"), ...PACKED_TILES_I16 },
  qb4fw: { ...QB4W, ...grouped("qb4fw"), ...PACKED_TILES_I16 },
  qb4zw: {
    ...grouped("qb4zw"),
    ...PACKED_TILES_I16,
    sumsOf: SUMS_OF_GROUP,
    longestGroup: 4096,
    isKept: true,
    bytes: (sizes, { N, K, G }) => sizes.packed_bytes_qb4zw(N, K, G),
    pack(run, { sources: [words, scales, zeros], packed, row, rows }, { N, K, G }) {
      run.pack_qb4zw(words!, scales!, zeros!, packed, row, rows, N, K, G);
    },
  },
  qb4mw: {
    ...grouped("qb4mw"),
    ...PACKED_TILES_I16,
    sumsOf: () => 32,
    longestGroup: 4096,
    groupMultiple: 32,
    isKept: true,
    bytes: (sizes, { N, K, G }) => sizes.packed_bytes_qb4mw(N, K, G),
    pack(run, { sources: [words, scales, minima, multipliers], packed, row, rows }, { N, K, G }) {
      run.pack_qb4mw(words!, scales!, minima!, multipliers!, packed, row, rows, N, K, G);
    },
  },
  qb4aw: {
    ...grouped("qb4aw"),
    ...PACKED_TILES_I16,
    sumsOf: SUMS_OF_GROUP,
    longestGroup: 4096,
    groupMultiple: 32,
    isKept: true,
    bytes: (sizes, { N, K, G }) => sizes.packed_bytes_qb4aw(N, K, G),
    pack(run, { sources: [words, halves], packed, row, rows }, { N, K, G }) {
      run.pack_qb4aw(words!, halves!, packed, row, rows, N, K, G);
    },
  },
  qb8aw: {
    ...grouped("qb8aw"),
    codesInWord: 4,
    sumsOf: SUMS_OF_GROUP,
    longestGroup: 65_536,
    isKept: true,
    bytes: (sizes, { N, K, G }) => sizes.packed_bytes_qb8aw(N, K, G),
    pack(run, { sources: [words, affine], packed, row, rows }, { N, K, G }) {
      run.pack_qb8aw(words!, affine!, packed, row, rows, N, K, G);
    },
  },
  qb8w: {
    codesInWord: 4,
    sumsOf: NO_SUMS,
    longestGroup: 65_536,
    isKept: true,
    bytes: (sizes, { N, K, G }) => sizes.packed_bytes_qb8w(N, K, G),
    pack(run, { sources: [words, scales], packed, row, rows }, { N, K, G }) {
      run.pack_qb8w(words!, scales!, packed, row, rows, N, K, G);
    },
    gemm(kernels, _, { q, scales, w, bias, y, M, N, K, G, panels }) {
      kernels.split("gemm_qd8_f32_qb8w_x8c4", panels, q, scales, w, bias, y, M, N, K, G);
    },
    gemv(kernels, _, { q, scales, w, bias, y, N, K, G, panels }) {
      kernels.split("gemv_qd8_f32_qb8w_1x8c4", panels, q, scales, w, bias, y, N, K, G);
    },
  },
  qc8w: {
    codesInWord: 4,
    packedTiles: ["simd128", "relaxed-i16"],
    sumsOf: NO_SUMS,
    longestGroup: Infinity,
    bytes: (sizes, { N, K }) => sizes.packed_bytes_qc8w(N, K),
    pack(run, { sources: [words, scales], packed, row, rows }, { N, K }) {
      run.pack_qc8w(words!, scales!, packed, row, rows, N, K);
    },
    gemm(kernels, bits, { q, scales, w, bias, y, M, N, K, panels }) {
      kernels.split(`gemm_${qd(bits)}_f32_qc8w_x8c4`, panels, q, scales, w, bias, y, M, N, K);
    },
    gemv(kernels, bits, { q, scales, w, bias, y, N, K, panels }) {
      kernels.split(`gemv_${qd(bits)}_f32_qc8w_1x8c4`, panels, q, scales, w, bias, y, N, K);
    },
  },
} as const satisfies Record<string, WeightFormRow>;

function qd(bits: InputBits): "qd8" | "qd14" {
  return bits === 14 ? "qd14" : "qd8";
}

export type WeightForm = keyof typeof WEIGHT_FORMS;

/** The row of a form. */
export function weightForm(form: WeightForm): WeightFormRow {
  return WEIGHT_FORMS[form];
}
