/**
 * Brings tensors into one memory, a few rows at a time, through a small staging region, in the kernels'
 * packed layouts.
 */
import { lowRankTensors } from "../../architecture/tensors.ts";
import type { KeptRows } from "../../checkpoint/quantization/kept-form.ts";
import { joinRows, someRows } from "../../checkpoint/quantization/kept-rows.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import { offsetBy, type Pointer } from "../../kernels/pointer.ts";
import type { Staging } from "../workspace/buffers.ts";
import { checkShape, type LinearSpec, type ModulePart, orderOf } from "../layers/linear-spec.ts";
import { type LowRank, paddedRank } from "../layers/low-rank.ts";
import type { Linear } from "../layers/linear.ts";
import { type PackedTarget, PANEL_ROWS, stagedRows, WeightPacker } from "./weight-packer.ts";
import type { WeightReader } from "./weight-reader.ts";

/**
 * Elements and stored bytes of one read at most: of a file a few megabytes are held (reads of 64 KiB, one
 * after another, left this thread waiting for half of the time).
 */
const READ_ELEMENTS = 1 << 20;
const READ_BYTES = 1 << 20;

/**
 * Rows of K elements that are read at a time of so many in so many bytes: as many as are staged, or several
 * times that.
 */
function readRows(bytes: number, N: number, K: number): number {
  const staged = stagedRows(K);
  const rows = Math.min(READ_ELEMENTS / K, (READ_BYTES * N) / bytes);
  return Math.max(1, Math.floor(rows / staged)) * staged;
}

/** Whether every part begins a panel. */
function beginPanels(parts: readonly ModulePart[]): boolean {
  return parts.slice(0, -1).every(({ outFeatures }) => outFeatures % PANEL_ROWS === 0);
}

export class WeightLoader {
  readonly #kernels: Kernels;
  readonly #packer: WeightPacker;
  readonly #reader: WeightReader;

  /** @param reader of the checkpoint, which may serve other memories too; nothing is loaded before it runs */
  constructor(kernels: Kernels, staging: Staging, reader: WeightReader) {
    this.#kernels = kernels;
    this.#packer = new WeightPacker(kernels, staging);
    this.#reader = reader;
  }

  /** Asks for a float vector, f32[length] at `pointer`. */
  vector(tensor: string, pointer: Pointer, length: number): void {
    this.floats(tensor, pointer, [length]);
  }

  /**
   * Asks for a small tensor of floats at `pointer`.
   * @param arrange changes their order
   */
  floats(
    tensor: string,
    pointer: Pointer,
    shape: readonly number[],
    arrange = (values: Float32Array): Float32Array => values,
  ): void {
    checkShape(this.#reader.checkpoint, tensor, shape);
    this.#reader.ask(
      tensor,
      () => this.#reader.readF32(tensor),
      (values) => this.#kernels.f32(pointer, values.length).set(arrange(values)),
    );
  }

  /** Asks for rows of a float matrix from `first` on, f32[rows, columns] at `pointer`. */
  matrix(tensor: string, pointer: Pointer, rows: number, columns: number, first = 0): void {
    const info = this.#reader.checkpoint.tensors.get(tensor);
    const block = info ? readRows(info.bytes, info.shape[0]!, columns) : rows; // an absent one is reported when it is read
    for (let begin = 0; begin < rows; begin += block) {
      this.#reader.ask(
        tensor,
        () => this.#reader.readF32(tensor, [first + begin, first + Math.min(rows, begin + block)]),
        (values) => this.#kernels.f32(offsetBy(pointer, 4 * begin * columns), values.length).set(values),
      );
    }
  }

  /** Asks for all parts of a linear layer and their biases. */
  linear(spec: LinearSpec, linear: Linear): void {
    if (linear.bias) this.#kernels.f32(linear.bias, linear.N).fill(0);
    let row = 0;
    for (const part of spec.parts) {
      if (part.bias) this.vector(`${part.name}.bias`, offsetBy(linear.bias, 4 * row), part.outFeatures);
      row += part.outFeatures;
    }
    for (const [i, { parts, stored }] of spec.products.entries()) {
      const target = { product: linear.products[i]!, inFeatures: spec.K, stored };
      const order = orderOf({ stored });
      if (order) this.#kernels.i32(target.product.order!, order.length).set(order);
      // Parts that each begin a panel are read where the file has them; others share panels, and are read one
      // after another.
      let begin = 0;
      for (const run of beginPanels(parts) ? parts.map((part) => [part]) : [parts]) {
        this.#parts(target, run, begin);
        begin += run.reduce((sum, { outFeatures }) => sum + outFeatures, 0);
      }
    }
    if (linear.lowRank) this.#lowRank(spec, linear.N, linear.lowRank);
  }

  /** A part's B stands at its own rows and its own columns of the fused one. */
  #lowRank({ parts, ranks, K }: LinearSpec, N: number, { rank, a, b }: LowRank): void {
    let [row, column] = [0, 0];
    const terms = parts.map(({ name, outFeatures }, i) => {
      const term = { tensors: lowRankTensors(name), row, column, rows: outFeatures, own: ranks[i]! };
      row += outFeatures;
      column += paddedRank(term.own);
      return term;
    });
    for (const { tensors, column: firstColumn } of terms.filter(({ own }) => own > 0)) {
      this.#reader.ask(
        tensors.a,
        () => this.#reader.readF32(tensors.a),
        (values) => this.#packer.packF32w(values, a, firstColumn, rank, K),
      );
    }
    for (const run of beginPanels(parts) ? terms.map((term) => [term]) : [terms]) {
      const stored = run.filter(({ own }) => own > 0);
      const firstRow = run[0]!.row;
      const read = async () => {
        const wide = new Float32Array(run.reduce((sum, { rows }) => sum + rows, 0) * rank);
        for (const { tensors, own, rows, row: begin, column: firstColumn } of stored) {
          const thin = await this.#reader.readF32(tensors.b);
          for (let n = 0; n < rows; n++) {
            wide.set(thin.subarray(n * own, (n + 1) * own), (begin - firstRow + n) * rank + firstColumn);
          }
        }
        return wide;
      };
      if (stored[0]) this.#reader.ask(stored[0].tensors.b, read, (wide) => this.#packer.packF32w(wide, b, firstRow, N, rank));
    }
  }

  /** Asks for consecutive parts of a product, the first of which begins a panel, at row `firstRow`. */
  #parts(target: PackedTarget, parts: readonly ModulePart[], firstRow: number): void {
    const { inFeatures: K } = target;
    // All in one place of the order: parts that share panels are placed one after another.
    const { first, file } = this.#reader.module(parts[0]!.name);
    const where = `${file}: ${parts.map(({ name }) => name).join(", ")}`;
    let at = firstRow;
    // Rows that are read and do not fill a panel yet.
    let rest: readonly KeptRows[] = [];
    for (const part of parts) {
      const { outFeatures: N, name } = part;
      const block = readRows(this.#reader.module(name).bytes, N, K);
      for (let begin = 0; begin < N; begin += block) {
        const isEnd = part === parts.at(-1) && begin + block >= N;
        const place = (values: KeptRows) => {
          const read = joinRows([...rest, values]);
          const whole = isEnd ? read.rows : read.rows - (read.rows % PANEL_ROWS);
          this.#packer.pack(target, someRows(read, 0, whole), at, where);
          at += whole;
          rest = whole < read.rows ? [someRows(read, whole, read.rows)] : [];
        };
        this.#reader.ask(first, () => this.#read(target, part, [begin, Math.min(N, begin + block)]), place);
      }
    }
  }

  async #read({ stored }: PackedTarget, { name, outFeatures }: ModulePart, rows: readonly [number, number]): Promise<KeptRows> {
    if (stored.kind !== "float") return this.#reader.readKept(name, outFeatures, rows);
    return { rows: rows[1] - rows[0], arrays: [await this.#reader.readF32(`${name}.weight`, rows)] };
  }
}
