/**
 * Reads tensors a few rows at a time, through a small staging region, into the kernels' packed layouts.
 *
 * In the order of the file, whatever the order in which they are asked for: a file that comes over the
 * network then comes once, from its start to its end, and a disk is read the way it reads best.
 */
import type { Checkpoint, TensorInfo } from "../checkpoint/checkpoint.ts";
import { lowRankTensors } from "../architecture/tensors.ts";
import { dequantizeWords } from "../checkpoint/quantization/pack-quantized.ts";
import { throwIfAborted } from "../errors.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { MemoryPlan } from "../kernels/memory-plan.ts";
import { offsetBy, type Pointer } from "../kernels/pointer.ts";
import type { Staging } from "./buffers.ts";
import { checkShape, type LinearSpec, type ModulePart } from "./layers/linear-spec.ts";
import { type LowRank, paddedRank } from "./layers/low-rank.ts";
import type { Linear } from "./layers/linear.ts";

/**
 * Rows read at a time hold about this many float32 values: large enough for one read to pay, small enough to
 * be no matter.
 */
const STAGED_ELEMENTS = 1 << 17;
/**
 * Elements and stored bytes of one read at most, and reads that are under way before the first of them is
 * placed: the disk works while rows are packed, and of a file a few megabytes are held (reads of 64 KiB, one
 * after another, left this thread waiting for half of the time).
 */
const READ_ELEMENTS = 1 << 20;
const READ_BYTES = 1 << 20;
const READS_AHEAD = 4;
const PANEL_ROWS = 8;

/** Rows of K elements that are staged at a time: whole panels. */
function stagedRows(K: number): number {
  return Math.max(PANEL_ROWS, Math.floor(STAGED_ELEMENTS / K / PANEL_ROWS) * PANEL_ROWS);
}

/** Rows of K elements that are read of a tensor at a time: as many as are staged, or several times that. */
function readRows(info: TensorInfo | undefined, K: number): number {
  const staged = stagedRows(K);
  if (!info) return staged; // an absent one is reported when it is read
  const rows = Math.min(READ_ELEMENTS / K, (READ_BYTES * info.shape[0]!) / info.bytes);
  return Math.max(1, Math.floor(rows / staged)) * staged;
}

/** A part of loading: reads, and gives what puts into place what was read. */
interface Step {
  readonly tensor: string;
  readonly read: () => Promise<() => void>;
}

/** Whether every part begins a panel. */
function beginPanels(parts: readonly ModulePart[]): boolean {
  return parts.slice(0, -1).every(({ outFeatures }) => outFeatures % PANEL_ROWS === 0);
}

/** Consecutive rows of one matrix or several: floats, or packed words and scales, each array row by row. */
interface StoredRows {
  readonly rows: number;
  readonly arrays: readonly (Float32Array | Int32Array)[];
}

function someRows({ rows, arrays }: StoredRows, begin: number, end: number): StoredRows {
  if (begin === 0 && end === rows) return { rows, arrays };
  const part = (array: Float32Array | Int32Array) => {
    const length = array.length / rows;
    return array.subarray(begin * length, end * length);
  };
  return { rows: end - begin, arrays: arrays.map(part) };
}

/** Rows to places that are longer. */
function setRows<T extends Float32Array | Int32Array>(target: T, source: T, rows: number): void {
  const [from, to] = [source.length / rows, target.length / rows];
  for (let row = 0; row < rows; row++) target.set(source.subarray(row * from, (row + 1) * from), row * to);
}

function joinRows(pieces: readonly StoredRows[]): StoredRows {
  const [first, ...others] = pieces as [StoredRows, ...StoredRows[]];
  return others.reduce(
    (joined, piece) => ({
      rows: joined.rows + piece.rows,
      arrays: joined.arrays.map((array, i) => {
        const other = piece.arrays[i]!;
        const both = new (array.constructor as Float32ArrayConstructor | Int32ArrayConstructor)(array.length + other.length);
        both.set(array);
        both.set(other, array.length);
        return both;
      }),
    }),
    first,
  );
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

export class WeightLoader {
  readonly #kernels: Kernels;
  readonly #checkpoint: Checkpoint;
  readonly #staging: Staging;
  readonly #signal: AbortSignal | undefined;
  readonly #onBytes: (bytes: number) => void;
  readonly #steps: Step[] = [];

  /** @param onBytes told how many stored bytes each read consumed */
  constructor(
    kernels: Kernels,
    checkpoint: Checkpoint,
    staging: Staging,
    signal: AbortSignal | undefined,
    onBytes: (bytes: number) => void,
  ) {
    this.#kernels = kernels;
    this.#checkpoint = checkpoint;
    this.#staging = staging;
    this.#signal = signal;
    this.#onBytes = onBytes;
  }

  /** Asks for a float vector, f32[length] at `pointer`. */
  vector(tensor: string, pointer: Pointer, length: number): void {
    checkShape(this.#checkpoint, tensor, [length]);
    this.#ask(
      tensor,
      () => this.#readF32(tensor),
      (values) => this.#kernels.f32(pointer, length).set(values),
    );
  }

  /** Asks for the first rows of a float matrix, f32[rows, columns] at `pointer`. */
  matrix(tensor: string, pointer: Pointer, rows: number, columns: number): void {
    const block = readRows(this.#checkpoint.tensors.get(tensor), columns);
    for (let begin = 0; begin < rows; begin += block) {
      this.#ask(
        tensor,
        () => this.#readF32(tensor, [begin, Math.min(rows, begin + block)]),
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
    // Parts that each begin a panel are read where the file has them; others share panels, and are read one
    // after another.
    const runs = beginPanels(spec.parts) ? spec.parts.map((part) => [part]) : [spec.parts];
    row = 0;
    for (const parts of runs) {
      this.#parts(spec, linear, parts, row);
      row += parts.reduce((sum, { outFeatures }) => sum + outFeatures, 0);
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
      this.#ask(
        tensors.a,
        () => this.#readF32(tensors.a),
        (values) => this.#packF32w(values, a, firstColumn, rank, K),
      );
    }
    for (const run of beginPanels(parts) ? terms.map((term) => [term]) : [terms]) {
      const stored = run.filter(({ own }) => own > 0);
      const firstRow = run[0]!.row;
      const read = async () => {
        const wide = new Float32Array(run.reduce((sum, { rows }) => sum + rows, 0) * rank);
        for (const { tensors, own, rows, row: begin, column: firstColumn } of stored) {
          const thin = await this.#readF32(tensors.b);
          for (let n = 0; n < rows; n++) {
            wide.set(thin.subarray(n * own, (n + 1) * own), (begin - firstRow + n) * rank + firstColumn);
          }
        }
        return wide;
      };
      if (stored[0]) this.#ask(stored[0].tensors.b, read, (wide) => this.#packF32w(wide, b, firstRow, N, rank));
    }
  }

  /** Rows of an [N, K] matrix of floats from `row` on, a multiple of 8, to their panels at `packed`. */
  #packF32w(values: Float32Array, packed: Pointer, row: number, N: number, K: number): void {
    const [kernels, staging] = [this.#kernels, this.#staging];
    const block = stagedRows(K);
    for (let begin = 0; begin * K < values.length; begin += block) {
      const rows = values.subarray(begin * K, (begin + block) * K);
      kernels.f32(staging.source, rows.length).set(rows);
      kernels.run.pack_f32w(staging.source, packed, row + begin, rows.length / K, N, K);
    }
  }

  #ask<T>(tensor: string, read: () => Promise<T>, place: (values: T) => void): void {
    const step = async () => {
      const values = await read();
      return () => place(values);
    };
    this.#steps.push({ tensor, read: step });
  }

  /** Loads everything asked for. @throws CheckpointError, UnsupportedModelError, AbortError */
  async run(): Promise<void> {
    const positions = new Map([...this.#checkpoint.tensors.keys()].map((tensor, position) => [tensor, position]));
    const position = ({ tensor }: Step) => positions.get(tensor) ?? 0; // absent ones are reported when they are read
    const steps = this.#steps.splice(0).toSorted((a, b) => position(a) - position(b));
    const reading: Promise<() => void>[] = [];
    const readNext = (step: Step | undefined) => {
      const read = step?.read();
      read?.catch(() => {}); // thrown when its turn comes
      if (read) reading.push(read);
    };
    for (let i = 0; i < READS_AHEAD; i++) readNext(steps[i]);
    try {
      for (let i = 0; i < steps.length; i++) {
        const place = await reading.shift()!;
        readNext(steps[i + READS_AHEAD]);
        place();
      }
    } finally {
      await Promise.allSettled(reading); // nobody may close a file that is being read
    }
  }

  /** Asks for consecutive parts of a fused layer, the first of which begins a panel. */
  #parts(spec: LinearSpec, linear: Linear, parts: readonly ModulePart[], firstRow: number): void {
    const tensorOf = ({ name }: ModulePart) => `${name}.${spec.stored.kind === "float" ? "weight" : "weight_packed"}`;
    const staged = stagedRows(linear.K);
    let at = firstRow;
    // Rows that are read and do not fill a panel yet.
    let rest: readonly StoredRows[] = [];
    for (const part of parts) {
      const block = readRows(this.#checkpoint.tensors.get(tensorOf(part)), linear.K);
      for (let begin = 0; begin < part.outFeatures; begin += block) {
        const isEnd = part === parts.at(-1) && begin + block >= part.outFeatures;
        const place = (values: StoredRows) => {
          const read = joinRows([...rest, values]);
          const whole = isEnd ? read.rows : read.rows - (read.rows % PANEL_ROWS);
          for (let row = 0; row < whole; row += staged) {
            const piece = someRows(read, row, Math.min(whole, row + staged));
            this.#pack(spec, linear, piece, at);
            at += piece.rows;
          }
          rest = whole < read.rows ? [someRows(read, whole, read.rows)] : [];
        };
        // All in one place of the order: parts that share panels are placed one after another.
        const read = () => this.#read(spec, part, begin, Math.min(part.outFeatures, begin + block));
        this.#ask(tensorOf(parts[0]!), read, place);
      }
    }
  }

  async #read(spec: LinearSpec, { name }: ModulePart, begin: number, end: number): Promise<StoredRows> {
    const rows = end - begin;
    if (spec.stored.kind === "float") return { rows, arrays: [await this.#readF32(`${name}.weight`, [begin, end])] };
    const bytes = await this.#readRaw(`${name}.weight_packed`, [begin, end]);
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    return { rows, arrays: [words, await this.#readF32(`${name}.weight_scale`, [begin, end])] };
  }

  #pack({ stored }: LinearSpec, linear: Linear, { rows, arrays }: StoredRows, at: number): void {
    if (stored.kind === "float") return this.#packFloat(linear, arrays[0] as Float32Array, at, rows);
    const [words, scales] = arrays as [Int32Array, Float32Array];
    if (linear.kind !== "f32") return this.#packQuantized(linear, words, scales, at, rows);
    const { weights: type, groupSize } = stored;
    this.#packFloat(linear, dequantizeWords(words, scales, { K: linear.inFeatures, type, groupSize }), at, rows);
  }

  #packFloat(linear: Linear, values: Float32Array, row: number, rows: number): void {
    const [kernels, staging] = [this.#kernels, this.#staging];
    const { N, K } = linear;
    if (linear.kind === "f32") {
      this.#packF32w(values, linear.weights, row, N, K);
      return;
    }
    const staged = kernels.f32(staging.source, rows * K);
    if (K === linear.inFeatures) staged.set(values);
    else setRows(staged.fill(0), values, rows);
    // A row of weights is quantized as a row of activations is: scale = absmax / 127. Then int8 becomes
    // offset binary.
    kernels.run.quantize_f32_qd8(staging.source, staging.quantized, staging.scales, staging.sums, K, K, 0, rows);
    const codes = kernels.u8(staging.quantized, rows * K);
    for (let i = 0; i < codes.length; i++) codes[i]! ^= 0x80;
    kernels.run.pack_qc8w(staging.quantized, staging.scales, linear.weights, row, rows, N, K);
  }

  #packQuantized(linear: Linear, words: Int32Array, scales: Float32Array, row: number, rows: number): void {
    const [kernels, staging] = [this.#kernels, this.#staging];
    const { N, K } = linear;
    const stagedWords = kernels.i32(staging.source, (rows * K) / (linear.kind === "w4a8" ? 8 : 4));
    // What stands for nothing meets activations that are zero.
    if (stagedWords.length === words.length) stagedWords.set(words);
    else setRows(stagedWords.fill(0), words, rows);
    const staged = kernels.f32(staging.scales, scales.length);
    staged.set(scales);
    // The kernels multiply integers: twice the floats (`assembly/linear/e2m1.ts`).
    if (linear.kind === "w4a8" && linear.codes === "fp4") staged.forEach((scale, i) => (staged[i] = scale / 2));
    if (linear.kind === "w4a8")
      kernels.run.pack_qb4w(staging.source, staging.scales, linear.weights, row, rows, N, K, linear.groupSize);
    else kernels.run.pack_qc8w(staging.source, staging.scales, linear.weights, row, rows, N, K);
  }

  async #readF32(tensor: string, rows?: readonly [number, number]): Promise<Float32Array> {
    throwIfAborted(this.#signal, `loading ${tensor}`);
    const values = await this.#checkpoint.readF32(tensor, { rows, signal: this.#signal });
    this.#count(tensor, rows);
    return values;
  }

  async #readRaw(tensor: string, rows: readonly [number, number]): Promise<Uint8Array> {
    throwIfAborted(this.#signal, `loading ${tensor}`);
    const bytes = await this.#checkpoint.readRaw(tensor, { rows, signal: this.#signal });
    this.#count(tensor, rows);
    // Words are viewed as such, so they must lie on a boundary of four bytes.
    return bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  }

  #count(tensor: string, rows: readonly [number, number] | undefined): void {
    const info = this.#checkpoint.tensors.get(tensor)!;
    this.#onBytes(rows ? (info.bytes * (rows[1] - rows[0])) / info.shape[0]! : info.bytes);
  }
}
