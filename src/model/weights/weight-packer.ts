/** Rows as they are stored into the kernels' packed layouts, through a staging region. */
import type { KeptForm, KeptRows } from "../../checkpoint/quantization/kept-form.ts";
import { checkScales, dequantizeKept, someRows } from "../../checkpoint/quantization/kept-rows.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import type { MemoryPlan } from "../../kernels/memory-plan.ts";
import { offsetBy, type Pointer } from "../../kernels/pointer.ts";
import type { Staging } from "../workspace/buffers.ts";
import type { Product } from "../layers/linear.ts";
import type { StoredForm } from "../layers/linear-spec.ts";
import { weightForm } from "../layers/weight-forms.ts";

/**
 * Rows staged at a time hold about this many float32 values: large enough for one call to pay, small enough
 * to be no matter.
 */
const STAGED_ELEMENTS = 1 << 17;
/** Bytes that places in the staging region are multiples of. */
const ALIGNMENT = 16;
export const PANEL_ROWS = 8;

/** Rows of K elements that are staged at a time: whole panels. */
export function stagedRows(K: number): number {
  return Math.max(PANEL_ROWS, Math.floor(STAGED_ELEMENTS / K / PANEL_ROWS) * PANEL_ROWS);
}

/** @param maxK largest in_features of any matrix that will be loaded */
export function planStaging(plan: MemoryPlan, maxK: number): Staging {
  const elements = Math.max(STAGED_ELEMENTS, PANEL_ROWS * maxK);
  return {
    source: plan.reserve("scratch", 4 * elements, "rows being loaded"),
    scales: plan.reserve("scratch", elements / 4, "scales being loaded"),
    quantized: plan.reserve("scratch", elements, "rows being quantized"),
    sums: plan.reserve("scratch", elements / 4, "sums of rows being quantized"),
  };
}

/** Where rows of a layer go. */
export interface PackedTarget {
  readonly product: Product;
  /** in_features as they are stored. */
  readonly inFeatures: number;
  readonly stored: StoredForm;
}

export class WeightPacker {
  readonly #kernels: Kernels;
  readonly #staging: Staging;

  constructor(kernels: Kernels, staging: Staging) {
    this.#kernels = kernels;
    this.#staging = staging;
  }

  /**
   * Packs stored rows of a product, the first of which is row `at` of it and begins a panel.
   *
   * @param where names file and module
   * @throws CheckpointError for scales that are no numbers
   */
  pack({ product, inFeatures, stored }: PackedTarget, all: KeptRows, at: number, where: string): void {
    const staged = stagedRows(product.K);
    for (let begin = 0; begin < all.rows; begin += staged) {
      const piece = someRows(all, begin, Math.min(all.rows, begin + staged));
      const row = at + begin;
      if (stored.kind === "float") {
        this.#packFloats(product, inFeatures, piece.arrays[0] as Float32Array, row);
        continue;
      }
      checkScales(piece, where);
      if (product.form === stored.form.form) {
        this.#packKept(product, stored.form, piece, row);
      } else {
        const values = new Float32Array(piece.rows * inFeatures);
        dequantizeKept(stored.form, piece, values);
        this.#packFloats(product, inFeatures, values, row);
      }
    }
  }

  /** Rows of an [N, K] matrix of floats from `row` on, a multiple of 8, to their panels at `packed`. */
  packF32w(values: Float32Array, packed: Pointer, row: number, N: number, K: number): void {
    const [kernels, staging] = [this.#kernels, this.#staging];
    const block = stagedRows(K);
    for (let begin = 0; begin * K < values.length; begin += block) {
      const rows = values.subarray(begin * K, (begin + block) * K);
      kernels.f32(staging.source, rows.length).set(rows);
      kernels.run.pack_f32w(staging.source, packed, row + begin, rows.length / K, N, K);
    }
  }

  /** As floats, or rounded to int8 with a scale per channel. */
  #packFloats({ form, weights, N, K }: Product, inFeatures: number, values: Float32Array, row: number): void {
    if (form === "f32w") return this.packF32w(values, weights, row, N, K);
    const [kernels, staging] = [this.#kernels, this.#staging];
    const rows = values.length / inFeatures;
    const staged = kernels.f32(staging.source, rows * K);
    if (K === inFeatures) staged.set(values);
    else setRows(staged.fill(0), values, rows);
    // A row of weights is quantized as a row of activations is: scale = absmax / 127. Then int8 becomes
    // offset binary.
    kernels.run.quantize_f32_qd8(staging.source, staging.quantized, staging.scales, staging.sums, K, K, 0, rows);
    const codes = kernels.u8(staging.quantized, rows * K);
    for (let i = 0; i < codes.length; i++) codes[i]! ^= 0x80;
    kernels.run.pack_qc8w(staging.quantized, staging.scales, weights, row, rows, N, K);
  }

  #packKept({ form, weights, N, K, groupSize: G }: Product, kept: KeptForm, { rows, arrays }: KeptRows, row: number): void {
    const { codesInWord, pack } = weightForm(form);
    let at = this.#staging.source;
    const sources = arrays.map((array, i) => {
      const source = at;
      // The words of a row are as many as K takes. What stands for nothing meets activations that are zero.
      const length = i === 0 ? (rows * K) / codesInWord! : array.length;
      const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
      const staged = this.#kernels.u8(source, length * array.BYTES_PER_ELEMENT);
      if (length === array.length) staged.set(bytes);
      else setRows(staged.fill(0), bytes, rows);
      at = offsetBy(at, Math.ceil(staged.length / ALIGNMENT) * ALIGNMENT);
      return source;
    });
    if (kept.form === "qb4fw") {
      // The kernels multiply integers: twice the floats (`assembly/linear/e2m1.ts`).
      const scales = this.#kernels.f32(sources[1]!, arrays[1]!.length);
      for (let i = 0; i < scales.length; i++) scales[i]! /= 2;
    }
    pack(this.#kernels.run, { sources, packed: weights, row, rows }, { N, K, G });
  }
}

/** Rows to places that are longer. */
function setRows<T extends Float32Array | Uint8Array>(target: T, source: T, rows: number): void {
  const [from, to] = [source.length / rows, target.length / rows];
  for (let row = 0; row < rows; row++) target.set(source.subarray(row * from, (row + 1) * from), row * to);
}
