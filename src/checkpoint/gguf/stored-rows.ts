/** Rows of a GGUF tensor where they lie, and reading them in Hugging Face order. */
import { interleavedRow } from "../../architecture/gguf-permute.ts";
import { throwIfAborted } from "../../errors.ts";
import { dequantize } from "./ggml-dequantize.ts";
import type { GgufTensor } from "./gguf.ts";

/** Stored bytes read at once: enough to make a read cheap, little beside the values they become. */
const READ_BYTES = 4 * 1024 * 1024;

/** The place of a tensor's rows. */
export interface StoredRows {
  readonly tensor: GgufTensor;
  /** The first of them in the tensor: not 0 where it has those of several modules. */
  readonly firstRow: number;
  readonly rows: number;
  /** Elements of a row. */
  readonly columns: number;
  readonly rowBytes: number;
  /** Head dimension, if the rows of each head are interleaved. */
  readonly interleavedBy: number | undefined;
}

/** All rows of a tensor. */
export function storedRows(tensor: GgufTensor, interleavedBy: number | undefined): StoredRows {
  const [inner, ...outer] = tensor.dims as [number, ...number[]];
  const isVector = outer.length === 0;
  const rows = isVector ? inner : elements(outer);
  return { tensor, firstRow: 0, rows, columns: isVector ? 1 : inner, rowBytes: tensor.bytes / rows, interleavedBy };
}

/**
 * Rows `[begin, end)` in Hugging Face order, as float32; the stored bytes are read in pieces of about
 * READ_BYTES.
 */
export async function readRows(
  stored: StoredRows,
  begin: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const { tensor, columns, rowBytes } = stored;
  const values = new Float32Array((end - begin) * columns);
  const rowsAtOnce = Math.max(1, Math.floor(READ_BYTES / rowBytes));
  for (let row = begin; row < end; row += rowsAtOnce) {
    const rowEnd = Math.min(end, row + rowsAtOnce);
    const bytes = await readStoredRows(stored, row, rowEnd, signal);
    dequantize(tensor.type.name, bytes, values.subarray((row - begin) * columns, (rowEnd - begin) * columns));
  }
  return values;
}

/** Stored bytes of rows `[begin, end)` in Hugging Face order. */
export async function readStoredRows(
  { tensor, firstRow, rowBytes, interleavedBy }: StoredRows,
  begin: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  throwIfAborted(signal, `reading tensor "${tensor.name}"`);
  const { source } = tensor;
  const offset = tensor.offset + firstRow * rowBytes;
  if (interleavedBy === undefined) return source.read(offset + begin * rowBytes, (end - begin) * rowBytes, signal);

  // Interleaving stays within a head, so the heads that these rows touch hold all of them.
  const first = Math.floor(begin / interleavedBy) * interleavedBy;
  const last = Math.ceil(end / interleavedBy) * interleavedBy;
  const heads = await source.read(offset + first * rowBytes, (last - first) * rowBytes, signal);
  const bytes = new Uint8Array((end - begin) * rowBytes);
  for (let row = begin; row < end; row++) {
    const at = (interleavedRow(row, interleavedBy) - first) * rowBytes;
    bytes.set(heads.subarray(at, at + rowBytes), (row - begin) * rowBytes);
  }
  return bytes;
}

function elements(dims: readonly number[]): number {
  return dims.reduce((product, size) => product * size, 1);
}
