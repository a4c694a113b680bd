/**
 * GPTQ (Frantar et al. 2022): the weights at one input rounded so that each column makes up for the errors of
 * those before it. The arithmetic is `round-gptq.ts` among the kernels; here are the order of columns, the
 * scales, and blocks of rows.
 */
import { NULL } from "../../kernels/pointer.ts";
import { factorHessian, type FactoredHessian, type Hessian, hessianDiagonal } from "../calibrate/hessian.ts";
import {
  checkFinite,
  joinRows,
  largestCode,
  nearestScales,
  type QuantizedRows,
  type RowFormat,
  type RowsOrigin,
} from "./quantize-weights.ts";
import { factorStride, type GptqMemory, rowsOfBlock } from "./rounding-memory.ts";
import type { GptqMethod } from "../recipe/rounding-method.ts";
import { SCALE_STORAGE } from "../recipe/scale-type.ts";
import { searchRows } from "./scale-search.ts";

/** Rounds any number of weights that read one input. */
export class GptqRounder {
  readonly #memory: GptqMemory;
  readonly #method: GptqMethod;
  readonly #factored: FactoredHessian;
  readonly #diagonal: Float32Array;

  /**
   * @param hessian of the equalized input
   * @throws RecipeError naming the input if its Hessian is singular whatever the damping
   */
  constructor(memory: GptqMemory, hessian: Hessian, method: GptqMethod) {
    this.#memory = memory;
    this.#method = method;
    const diagonal = hessianDiagonal(hessian);
    this.#diagonal = Float32Array.from(diagonal);
    const columns = roundingOrder(diagonal, method.actOrder);
    this.#factored = factorHessian(memory, hessian, columns, method.damping);
  }

  /** What was added to the Hessian's diagonal. */
  get added(): number {
    return this.#factored.added;
  }

  /**
   * @param weight f32[rows, K], equalized
   * @param scales f32[rows, K/G] where they are not to be found
   * @throws RecipeError naming tensor, row and column of the first NaN or infinity
   */
  round(weight: Float32Array, format: RowFormat, origin: RowsOrigin, scales?: Float32Array): QuantizedRows {
    checkFinite(weight, format.K, origin);
    const elements = rowsOfBlock(format.K) * format.K;
    const blocks: QuantizedRows[] = [];
    for (let begin = 0; begin < weight.length; begin += elements) {
      const own = scales?.subarray(begin / format.G, (begin + elements) / format.G);
      blocks.push(this.#roundBlock(weight.subarray(begin, begin + elements), format, own));
    }
    return joinRows(blocks, format);
  }

  #roundBlock(weight: Float32Array, format: RowFormat, given: Float32Array | undefined): QuantizedRows {
    const { K, G, type, scaleType } = format;
    const { kernels, regions } = this.#memory;
    const { columns, pivots } = this.#factored;
    const rows = weight.length / K;
    // A group that is searched while rounding must lie together in the order of rounding.
    const searching = !given && this.#method.search !== "none" && !this.#method.actOrder && G <= LARGEST_SEARCHED_GROUP;
    const groupCount = K / G;
    if (!searching) {
      const scales = given ?? this.#fixedScales(weight, format);
      kernels.f32(regions.scales, scales.length).set(scales);
      const groups = kernels.i32(regions.groups, K);
      columns.forEach((column, p) => (groups[p] = Math.floor(column / G)));
    }
    const permuted = kernels.f32(regions.weights, weight.length);
    for (let row = 0; row < weight.length; row += K) {
      for (let p = 0; p < K; p++) permuted[row + p] = weight[row + columns[p]!]!;
    }
    const importance = this.#importance(pivots);
    if (importance) kernels.f32(regions.importance, K).set(importance);
    kernels.split(
      "round_gptq_f32",
      Math.ceil(rows / 8),
      regions.weights,
      regions.factor,
      regions.groups,
      importance ? regions.importance : NULL,
      regions.scales,
      regions.codes,
      regions.errors,
      regions.losses,
      rows,
      K,
      factorStride(K),
      G,
      largestCode(type),
      SCALE_STORAGE[scaleType].kernelCode,
      searching ? 1 : 0,
    );
    const codes = new Int8Array(kernels.u8(regions.codes, weight.length).slice().buffer);
    const q = new Int8Array(weight.length);
    for (let row = 0; row < q.length; row += K) for (let p = 0; p < K; p++) q[row + columns[p]!] = codes[row + p]!;
    const found = kernels.f32(regions.scales, rows * groupCount).slice();
    // Positions run against the columns, so that the groups of a search do too.
    const scale = searching ? found.map((_, i) => found[i - (i % groupCount) + groupCount - 1 - (i % groupCount)]!) : found;
    return { ...format, rows, q, scale };
  }

  /** Scales chosen before rounding, f32[rows, K/G]. */
  #fixedScales(weight: Float32Array, format: RowFormat): Float32Array {
    const { search } = this.#method;
    if (search === "none") return nearestScales(weight, format);
    const importance = search === "hessian" ? this.#diagonal : undefined;
    return searchRows(this.#memory, weight, importance, format).scale;
  }

  /** By position. */
  #importance(pivots: Float32Array): Float32Array | undefined {
    switch (this.#method.search) {
      case "pivots":
        return pivots;
      case "hessian":
        return Float32Array.from(this.#factored.columns, (column) => this.#diagonal[column]!);
      case "uniform":
      case "none":
        return undefined;
    }
  }
}

/** What the kernel's scratch is planned for. */
const LARGEST_SEARCHED_GROUP = 128;

/**
 * Column at each position, the last position rounded first: columns from first to last, or by activation from
 * the largest to the smallest (`actOrder`), earlier columns first among equals.
 */
export function roundingOrder(diagonal: Float64Array, actOrder: boolean): Int32Array {
  const order = Int32Array.from(diagonal, (_, k) => k);
  if (actOrder) order.sort((a, b) => diagonal[b]! - diagonal[a]! || a - b);
  return order.toReversed();
}
