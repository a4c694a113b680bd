/**
 * Linear memory of the rounding kernels: one block of weight rows, whatever the size of a weight, and one
 * Hessian.
 */
import { TWO_LEVEL_GROUP } from "../../checkpoint/quantization/two-level.ts";
import type { Pointer } from "../../kernels/pointer.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import type { MemoryPlan } from "../../kernels/memory-plan.ts";

/** Rows rounded at a time hold about this many values: 4 MB of them, 8 of their errors and of gradients. */
const BLOCK_ELEMENTS = 1 << 20;
const PANEL_ROWS = 8;
/** Doubles by which rows of a factor are apart beyond K (`assembly/rounding/cholesky.ts`). */
const STRIDE_PAD = 8;
const SMALLEST_GROUP = 16;

export interface RoundingRegions {
  /** Rows that fit for K in_features are `rowsOfBlock`. */
  readonly maxK: number;
  readonly weights: Pointer; // f32[rows, K]
  readonly importance: Pointer; // f32[K]
  readonly scales: Pointer; // f32[rows, K/G]
  /** Minima and mean codes of weights in two levels. */
  readonly lows: Pointer; // f32[rows, K/32]
  readonly centers: Pointer; // f32[rows, K/32]
}

/** What GPTQ needs beside them. */
export interface GptqRegions extends RoundingRegions {
  /** f64[K, K + 8]: a Hessian or its factor. */
  readonly factor: Pointer;
  readonly groups: Pointer; // i32[K]
  readonly codes: Pointer; // i8[rows, K]
  readonly errors: Pointer; // f64[rows, K]
  readonly gradients: Pointer; // f64[rows, K]
  /** What scales and minima in two levels are multiples of. */
  readonly quanta: Pointer; // f32[rows, K/G, 2]
  readonly losses: Pointer; // f64[rows]
  /** A symmetric matrix as the weights of a float linear layer, and its products with rows. */
  readonly matrix: Pointer; // f32w [K, K]
  readonly products: Pointer; // f32[rows, K]
}

/** Kernels, and where in their memory they round. */
export interface RoundingMemory {
  readonly kernels: Kernels;
  readonly regions: RoundingRegions;
}

export interface GptqMemory extends RoundingMemory {
  readonly regions: GptqRegions;
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
export function placeRounding(plan: MemoryPlan, maxK: number): RoundingRegions {
  const elements = blockElements(maxK);
  return {
    maxK,
    weights: plan.reserve("scratch", 4 * elements, "rows being rounded"),
    importance: plan.reserve("scratch", 4 * maxK, "importance of columns"),
    scales: plan.reserve("scratch", (4 * elements) / SMALLEST_GROUP, "scales of rows being rounded"),
    lows: plan.reserve("scratch", (4 * elements) / TWO_LEVEL_GROUP, "minima of rows being rounded"),
    centers: plan.reserve("scratch", (4 * elements) / TWO_LEVEL_GROUP, "mean codes of rows being rounded"),
  };
}

export function placeGptq(plan: MemoryPlan, maxK: number): GptqRegions {
  const elements = blockElements(maxK);
  return {
    ...placeRounding(plan, maxK),
    factor: plan.reserve("scratch", 8 * maxK * factorStride(maxK), "factor of a Hessian"),
    groups: plan.reserve("scratch", 4 * maxK, "groups of columns"),
    codes: plan.reserve("scratch", elements, "codes of rows being rounded"),
    errors: plan.reserve("scratch", 8 * elements, "errors of rows being rounded"),
    gradients: plan.reserve("scratch", 8 * elements, "gradients of rows being rounded"),
    quanta: plan.reserve("scratch", (8 * elements) / TWO_LEVEL_GROUP, "multipliers of rows being rounded"),
    losses: plan.reserve("scratch", (8 * elements) / SMALLEST_GROUP, "losses of rows being rounded"),
    // maxK is a multiple of a panel's 8 channels
    matrix: plan.reserve("scratch", 4 * maxK * maxK, "Hessian as a linear layer"),
    products: plan.reserve("scratch", 4 * elements, "products with a Hessian"),
  };
}

/** Scratch of one thread in `round_gptq_f32` and `refine_codes_f32`, with groups of at most G columns. */
export function gptqScratchBytes(G: number): number {
  return 128 + 192 * G;
}
