/** Linear memory of the rounding kernels: one block of weight rows, whatever the size of a weight, and one Hessian. */
import { offsetBy, type Pointer } from "../../kernels/pointer.ts";

/** Rows rounded at a time hold about this many values: 4 MB of them, 8 of their errors and of gradients. */
const BLOCK_ELEMENTS = 1 << 20;
const PANEL_ROWS = 8;
/** Doubles by which rows of a factor are apart beyond K (`assembly/cholesky.ts`). */
const STRIDE_PAD = 8;
const SMALLEST_GROUP = 16;

export interface RoundingRegions {
  /** Rows that fit for K in_features are `rowsOfBlock`. */
  readonly maxK: number;
  readonly weights: Pointer; // f32[rows, K]
  readonly importance: Pointer; // f32[K]
  readonly scales: Pointer; // f32[rows, K/G]
}

/** What GPTQ needs beside them. */
export interface GptqRegions extends RoundingRegions {
  /** f64[K, K + 8]: a Hessian or its factor. */
  readonly factor: Pointer;
  readonly groups: Pointer; // i32[K]
  readonly codes: Pointer; // i8[rows, K]
  readonly errors: Pointer; // f64[rows, K]
  readonly gradients: Pointer; // f64[rows, K]
  readonly losses: Pointer; // f64[rows]
  /** A symmetric matrix as the weights of a float linear layer, and its products with rows. */
  readonly matrix: Pointer; // f32w [K, K]
  readonly products: Pointer; // f32[rows, K]
}

/** Hands out addresses from `base` on; `end` says where the next one would be. */
export class RegionCursor {
  end: Pointer;

  /** @param base NULL to learn how many bytes are taken */
  constructor(base: Pointer) {
    this.end = base;
  }

  take(bytes: number): Pointer {
    const pointer = this.end;
    this.end = offsetBy(pointer, Math.ceil(bytes / 64) * 64);
    return pointer;
  }
}

/** Rows of K in_features in one block, a multiple of 8. */
export function rowsOfBlock(K: number): number {
  return Math.max(PANEL_ROWS, Math.floor(BLOCK_ELEMENTS / K / PANEL_ROWS) * PANEL_ROWS);
}

function blockElements(maxK: number): number {
  return Math.max(BLOCK_ELEMENTS, PANEL_ROWS * maxK);
}

export function factorStride(K: number): number {
  return K + STRIDE_PAD;
}

/** @param maxK the largest in_features of any weight */
export function placeRounding(cursor: RegionCursor, maxK: number): RoundingRegions {
  const elements = blockElements(maxK);
  return {
    maxK,
    weights: cursor.take(4 * elements),
    importance: cursor.take(4 * maxK),
    scales: cursor.take((4 * elements) / SMALLEST_GROUP),
  };
}

export function placeGptq(cursor: RegionCursor, maxK: number): GptqRegions {
  const elements = blockElements(maxK);
  return {
    ...placeRounding(cursor, maxK),
    factor: cursor.take(8 * maxK * factorStride(maxK)),
    groups: cursor.take(4 * maxK),
    codes: cursor.take(elements),
    errors: cursor.take(8 * elements),
    gradients: cursor.take(8 * elements),
    losses: cursor.take((8 * elements) / SMALLEST_GROUP),
    matrix: cursor.take(4 * maxK * maxK), // maxK is a multiple of a panel's 8 channels
    products: cursor.take(4 * elements),
  };
}

/** Scratch of one thread in `round_gptq_f32` and `refine_codes_f32`, with groups of at most G columns. */
export function gptqScratchBytes(G: number): number {
  return 128 + 128 * G;
}
