/**
 * Reads tensors a few rows at a time, through a small staging region, into the kernels' packed layouts.
 *
 * In the order of the file, whatever the order in which they are asked for: a file that comes over the
 * network then comes once, from its start to its end, and a disk is read the way it reads best.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
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
const PANEL_ROWS = 8;

/** Rows of K elements that are staged at a time: whole panels. */
function stagedRows(K: number): number {
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

export class WeightLoader {
  readonly #kernels: Kernels;
  readonly #checkpoint: Checkpoint;
  readonly #staging: Staging;
  readonly #signal: AbortSignal | undefined;
  readonly #onBytes: (bytes: number) => void;
  readonly #queue: { readonly tensor: string; readonly load: () => Promise<void> }[] = [];

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
    this.#queue.push({ tensor, load: async () => this.#kernels.f32(pointer, length).set(await this.#readF32(tensor)) });
  }

  /** Asks for the first rows of a float matrix, f32[rows, columns] at `pointer`. */
  matrix(tensor: string, pointer: Pointer, rows: number, columns: number): void {
    const load = async () => {
      const block = stagedRows(columns);
      for (let begin = 0; begin < rows; begin += block) {
        const values = await this.#readF32(tensor, [begin, Math.min(rows, begin + block)]);
        this.#kernels.f32(offsetBy(pointer, 4 * begin * columns), values.length).set(values);
      }
    };
    this.#queue.push({ tensor, load });
  }

  /** Asks for all parts of a linear layer and their biases. */
  linear(spec: LinearSpec, linear: Linear): void {
    if (linear.bias) this.#kernels.f32(linear.bias, linear.N).fill(0);
    let row = 0;
    for (const part of spec.parts) {
      const firstRow = row;
      if (part.bias) this.vector(`${part.name}.bias`, offsetBy(linear.bias, 4 * row), part.outFeatures);
      const tensor = `${part.name}.${spec.stored.kind === "float" ? "weight" : "weight_packed"}`;
      this.#queue.push({ tensor, load: () => this.#part(spec, linear, part, firstRow) });
      row += part.outFeatures;
    }
    if (linear.lowRank) this.#lowRank(spec, linear.N, linear.lowRank);
  }

  /** A part's B stands at its own rows and its own columns of the fused one. */
  #lowRank({ parts, ranks, K }: LinearSpec, N: number, { rank, a, b }: LowRank): void {
    let [row, column] = [0, 0];
    for (const [i, { name, outFeatures }] of parts.entries()) {
      const [firstRow, firstColumn, own] = [row, column, ranks[i]!];
      const names = lowRankTensors(name);
      row += outFeatures;
      column += paddedRank(own);
      const loadA = async () => this.#packF32w(await this.#readF32(names.a), a, firstColumn, rank, K);
      const loadB = async () => {
        const thin = await this.#readF32(names.b);
        const wide = new Float32Array(outFeatures * rank);
        for (let n = 0; n < outFeatures; n++) wide.set(thin.subarray(n * own, (n + 1) * own), n * rank + firstColumn);
        this.#packF32w(wide, b, firstRow, N, rank);
      };
      if (own > 0) this.#queue.push({ tensor: names.a, load: loadA }, { tensor: names.b, load: loadB });
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

  /** Loads everything asked for. @throws CheckpointError, UnsupportedModelError, AbortError */
  async run(): Promise<void> {
    const positions = new Map([...this.#checkpoint.tensors.keys()].map((tensor, position) => [tensor, position]));
    const position = ({ tensor }: { tensor: string }) => positions.get(tensor) ?? 0; // absent ones are reported when they are read
    for (const { load } of this.#queue.splice(0).toSorted((a, b) => position(a) - position(b))) await load();
  }

  async #part(spec: LinearSpec, linear: Linear, { name, outFeatures: N }: ModulePart, firstRow: number): Promise<void> {
    const { K, stored } = spec;
    const block = stagedRows(K);
    for (let begin = 0; begin < N; begin += block) {
      const end = Math.min(N, begin + block);
      const at = firstRow + begin;
      if (stored.kind === "float") this.#packFloat(linear, await this.#readF32(`${name}.weight`, [begin, end]), at, end - begin);
      else {
        const bytes = await this.#readRaw(`${name}.weight_packed`, [begin, end]);
        const scales = await this.#readF32(`${name}.weight_scale`, [begin, end]);
        if (linear.kind === "f32") {
          const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
          this.#packFloat(linear, dequantizeWords(words, stored.weights, scales, stored.groupSize), at, end - begin);
        } else this.#packQuantized(linear, bytes, scales, at, end - begin);
      }
    }
  }

  #packFloat(linear: Linear, values: Float32Array, row: number, rows: number): void {
    const [kernels, staging] = [this.#kernels, this.#staging];
    const { N, K } = linear;
    if (linear.kind === "f32") {
      this.#packF32w(values, linear.weights, row, N, K);
      return;
    }
    kernels.f32(staging.source, values.length).set(values);
    // A row of weights is quantized as a row of activations is: scale = absmax / 127. Then int8 becomes
    // offset binary.
    kernels.run.quantize_f32_qd8(staging.source, staging.quantized, staging.scales, staging.sums, K, K, 0, rows);
    const codes = kernels.u8(staging.quantized, rows * K);
    for (let i = 0; i < codes.length; i++) codes[i]! ^= 0x80;
    kernels.run.pack_qc8w(staging.quantized, staging.scales, linear.weights, row, rows, N, K);
  }

  #packQuantized(linear: Linear, bytes: Uint8Array, scales: Float32Array, row: number, rows: number): void {
    const [kernels, staging] = [this.#kernels, this.#staging];
    const { N, K } = linear;
    kernels.u8(staging.source, bytes.length).set(bytes);
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
