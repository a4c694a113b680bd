/**
 * One safetensors file, laid out: header and positions from names, types and shapes.
 *
 * The order is that of the reference writer (`safetensors/src/tensor.rs`: by type, larger elements first,
 * then by name), which keeps every tensor aligned to its element size, and the header is padded with spaces
 * to 8 bytes, so that the data starts aligned too.
 */
import { CheckpointError } from "../../errors.ts";
import { SAFETENSORS_ELEMENT_BYTES, type SafetensorsType, tensorBytes } from "./safetensors.ts";

/** A tensor to be written: what the header says of it. */
export interface TensorPlan {
  readonly name: string;
  readonly type: SafetensorsType;
  readonly shape: readonly number[];
}

/** A tensor's place in a file; `offset` counts from the start of the data. */
export interface Placed extends TensorPlan {
  readonly offset: number;
  readonly bytes: number;
}

export interface FileLayout {
  /** Length, JSON and padding: everything before the data. */
  readonly header: Uint8Array;
  /** The tensors in the order of their data. */
  readonly tensors: readonly Placed[];
  readonly dataBytes: number;
}

/** Length, metadata and padding of a header. */
export const HEADER_FRAME_BYTES = 8 + '{"__metadata__":{"format":"pt"}}'.length + 7;

/** A bound for the bytes of a header that one tensor takes: offsets have at most 16 digits. */
export function headerEntryBytes({ name, type, shape }: TensorPlan): number {
  const entry = JSON.stringify({ [name]: { dtype: type, shape, data_offsets: [2 ** 53 - 1, 2 ** 53 - 1] } });
  return new TextEncoder().encode(entry).length;
}

/** Order, offsets and header of one file. `transformers` refuses files without the format in the metadata. */
export function layOut(tensors: readonly TensorPlan[]): FileLayout {
  const ordered = tensors.toSorted((a, b) => typeRank(a.type) - typeRank(b.type) || compareText(a.name, b.name));
  const placed: Placed[] = [];
  let offset = 0;
  for (const { name, type, shape } of ordered) {
    const bytes = tensorBytes(type, shape);
    placed.push({ name, type, shape, offset, bytes });
    offset += bytes;
  }
  const entries = placed.map(({ name, type, shape, offset: begin, bytes }) => [
    name,
    { dtype: type, shape, data_offsets: [begin, begin + bytes] },
  ]);
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries([["__metadata__", { format: "pt" }], ...entries])));
  const padded = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, 8);
  return { header, tensors: placed, dataBytes: offset };
}

function typeRank(type: SafetensorsType): number {
  return Object.keys(SAFETENSORS_ELEMENT_BYTES).indexOf(type);
}

/** Compares by code unit, which no locale changes. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A whole safetensors file in memory, for small ones. `data[i]` holds the bytes of `tensors[i]`. */
export function encodeSafetensors(tensors: readonly TensorPlan[], data: readonly ArrayBufferView[]): Uint8Array {
  const { header, tensors: placed, dataBytes } = layOut(tensors);
  const file = new Uint8Array(header.length + dataBytes);
  file.set(header);
  const byName = new Map(tensors.map(({ name }, i) => [name, data[i]!]));
  for (const { name, offset, bytes } of placed) {
    const view = byName.get(name)!;
    if (view.byteLength !== bytes) throw new CheckpointError(`tensor ${name}: got ${view.byteLength} bytes, need ${bytes}`);
    file.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), header.length + offset);
  }
  return file;
}
