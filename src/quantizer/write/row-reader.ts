/** Float tensors of a checkpoint read a few rows at a time, with progress and cancellation between them. */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { throwIfAborted } from "../../errors.ts";
import type { Work } from "../../host/work.ts";

/** Rows read at a time hold about this many values. */
const BLOCK_ELEMENTS = 1 << 20;

/** Rows [firstRow, firstRow + values.length / K) of a tensor. */
export interface ReadRows {
  readonly values: Float32Array; // f32[rows, K]
  readonly firstRow: number;
}

export class RowReader {
  readonly #checkpoint: Checkpoint;
  readonly #work: Pick<Work, "signal" | "onProgress">;
  readonly #total: number;
  #done = 0;

  constructor(checkpoint: Checkpoint, work: Pick<Work, "signal" | "onProgress">) {
    this.#checkpoint = checkpoint;
    this.#work = work;
    this.#total = [...checkpoint.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Reads a tensor from first row to last. A vector has one row per element. */
  async *blocks(tensor: string): AsyncGenerator<ReadRows> {
    const [N, K = 1] = this.#checkpoint.tensors.get(tensor)!.shape as [number, number?];
    const rows = Math.max(1, Math.floor(BLOCK_ELEMENTS / K));
    for (let firstRow = 0; firstRow < N; firstRow += rows) {
      yield { values: await this.#read(tensor, firstRow, Math.min(N, firstRow + rows)), firstRow };
    }
  }

  /** Counts a tensor that need not be read again as done. */
  skip(tensor: string): void {
    this.#count(this.#checkpoint.tensors.get(tensor)!.bytes);
  }

  #count(bytes: number): void {
    this.#done += bytes;
    const done = Math.min(this.#done, this.#total);
    this.#work.onProgress?.({ phase: "quantize", done, total: this.#total, unit: "bytes" });
  }

  async #read(tensor: string, begin: number, end: number): Promise<Float32Array> {
    const { signal } = this.#work;
    throwIfAborted(signal, `quantizing ${tensor}`);
    const values = await this.#checkpoint.readF32(tensor, { rows: [begin, end], signal });
    const { bytes, shape } = this.#checkpoint.tensors.get(tensor)!;
    this.#count((bytes * (end - begin)) / shape[0]!);
    return values;
  }
}
