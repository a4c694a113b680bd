/** The numbers of a fused linear layer as places of parameters: weight scales, low-rank terms, ranges. */
import { lowRankTensors } from "../architecture/tensors.ts";
import type { LinearModule } from "../architecture/description.ts";
import { f16ToF32, f32ToF16 } from "../checkpoint/formats/float-formats.ts";
import { STORED_SCALES } from "../checkpoint/quantization/pack-quantized.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { Pointer } from "../kernels/pointer.ts";
import type { LowRankGradients } from "../model/gradient-buffers.ts";
import type { DifferentiableLinear } from "../model/layers/linear-gradient.ts";
import { type LowRank, paddedRank } from "../model/layers/low-rank.ts";
import { type Place, relative } from "./parameter.ts";

/** A layer with weight scales. */
export type ScaledLinear = DifferentiableLinear & { readonly form: "qb4w" | "qb4fw" | "qc8w" };

/**
 * All weight scales of a layer, f32[N, K/G].
 *
 * @param round a scale to one that can be stored
 */
export function weightScales(
  linear: ScaledLinear,
  modules: readonly LinearModule[],
  gradient: Pointer,
  round: (scale: number) => number,
): Place {
  const columns = linear.K / linear.groupSize;
  return {
    gradients: (kernels, values) => kernels.f32(gradient, values.length),
    write: (kernels, values) => writeScales(kernels, linear, values, round),
    *stored(values) {
      let row = 0;
      for (const { name, outFeatures } of modules) {
        yield [`${name}.weight_scale`, values.subarray(row * columns, (row + outFeatures) * columns).map(round)];
        row += outFeatures;
      }
    },
  };
}

/**
 * Into the packed panels, where each group, and each panel of 8-bit weights, begins with the scales of its
 * eight channels (`assembly/layouts/layout.ts`).
 */
function writeScales(kernels: Kernels, linear: ScaledLinear, values: Float32Array, round: (scale: number) => number): void {
  const { N, K, groupSize: G, weights } = linear;
  const columns = K / G;
  const four = linear.form !== "qc8w";
  const group = (four ? kernels.run.packed_bytes_qb4w(8, G, G) : kernels.run.packed_bytes_qc8w(8, K)) / 4;
  const panels = kernels.f32(weights, Math.ceil(N / 8) * columns * group);
  const unit = linear.form === "qb4fw" ? 1 / STORED_SCALES.fp4 : 1;
  for (let n = 0; n < N; n++) {
    let at = (n >> 3) * columns * group + (n & 7);
    for (let g = 0; g < columns; g++, at += group) panels[at] = round(values[n * columns + g]!) * unit;
  }
}

/** One part's factors of a low-rank term, stored in float16. */
export interface LowRankPart {
  readonly module: LinearModule;
  /** Where its rows of B begin, and its rows of A, which are B's columns. */
  readonly row: number;
  readonly column: number;
  readonly rank: number;
}

const toF16 = (value: number) => f16ToF32(f32ToF16(value));

/** A of a part, f32[r, K], in the rows of the fused one. */
export function lowRankA({ module, column, rank }: LowRankPart, { a }: LowRank, gradients: LowRankGradients): Place {
  const K = module.inFeatures;
  return {
    gradients: (kernels, values) => relative(kernels.f32(gradients.a, (column + rank) * K).subarray(column * K), values),
    write: (kernels, values) => writePanels(kernels, { at: a, row: column, column: 0, columns: K, width: K }, values),
    stored: (values) => [[lowRankTensors(module.name).a, values.map(toF16)]],
  };
}

/** B of a part, f32[n, r], in its rows and columns of the fused one. */
export function lowRankB(
  { module, row, column, rank }: LowRankPart,
  { b, rank: R }: LowRank,
  gradients: LowRankGradients,
): Place {
  const N = module.outFeatures;
  return {
    gradients(kernels, values) {
      const all = kernels.f32(gradients.b, (row + N) * R);
      return values.map((value, i) => value * all[(row + Math.floor(i / rank)) * R + column + (i % rank)]!);
    },
    write: (kernels, values) => writePanels(kernels, { at: b, row, column, columns: R, width: rank }, values),
    stored: (values) => [[lowRankTensors(module.name).b, values.map(toF16)]],
  };
}

interface Window {
  /** f32w panels with `columns` of each row. */
  readonly at: Pointer;
  readonly columns: number;
  readonly row: number;
  readonly column: number;
  readonly width: number;
}

/** Values f32[rows, width], rounded to float16, to a part of a packed matrix. */
function writePanels(kernels: Kernels, { at, columns, row, column, width }: Window, values: Float32Array): void {
  const rows = row + values.length / width;
  const panels = kernels.f32(at, Math.ceil(rows / 8) * 8 * columns);
  for (let n = row, i = 0; n < rows; n++) {
    const panel = (n >> 3) * columns * 8 + (n & 7);
    for (let k = column; k < column + width; k++) panels[panel + 8 * k] = toF16(values[i++]!);
  }
}

/** The parts of a layer that have low-rank terms. */
export function lowRankParts(modules: readonly LinearModule[], ranks: readonly number[]): LowRankPart[] {
  let [row, column] = [0, 0];
  return modules.flatMap((module, i) => {
    const part = { module, row, column, rank: ranks[i]! };
    row += module.outFeatures;
    column += paddedRank(part.rank);
    return part.rank > 0 ? [part] : [];
  });
}

/**
 * A static scale, of an input or of half of a cache.
 *
 * @param tensors that hold it
 * @param sums f64[rows], summands of its gradient
 * @param rows of the sample the gradient is of
 */
export function staticRange(tensors: readonly string[], sums: Pointer, rows: () => number, set: (scale: number) => void): Place {
  return {
    gradients(kernels) {
      const parts = kernels.f64(sums, rows());
      return Float32Array.of(parts.reduce((sum, part) => sum + part, 0));
    },
    write: (_, values) => set(values[0]!),
    stored: (values) => tensors.map((tensor) => [tensor, values.slice()] as const),
  };
}
