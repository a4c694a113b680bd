/** Builds GGUF files in memory, written from the format document and not from the reader. */
import * as assert from "uvu/assert";
import type { ByteSource } from "../../../src/checkpoint/byte-source.ts";

export interface FixtureValue {
  readonly type: number;
  readonly bytes: Uint8Array;
}

export interface FixtureTensor {
  readonly name: string;
  /** ggml order: contiguous size first. */
  readonly dims: readonly number[];
  readonly typeId: number;
  readonly data: Uint8Array;
}

export interface Fixture {
  readonly version?: number;
  readonly metadata: readonly (readonly [key: string, value: FixtureValue])[];
  readonly tensors: readonly FixtureTensor[];
  /** Also written as general.alignment if it is not the default of 32. */
  readonly alignment?: number;
}

export interface FixtureFile {
  readonly bytes: Uint8Array;
  /** Offsets at which one field of the file ends and the next begins. */
  readonly boundaries: readonly number[];
}

const utf8 = new TextEncoder();

function scalar(type: number, bytes: number, write: (view: DataView) => void): FixtureValue {
  const data = new Uint8Array(bytes);
  write(new DataView(data.buffer));
  return { type, bytes: data };
}

export const u16 = (value: number): FixtureValue => scalar(2, 2, (view) => view.setUint16(0, value, true));
export const u32 = (value: number): FixtureValue => scalar(4, 4, (view) => view.setUint32(0, value, true));
export const i32 = (value: number): FixtureValue => scalar(5, 4, (view) => view.setInt32(0, value, true));
export const f32 = (value: number): FixtureValue => scalar(6, 4, (view) => view.setFloat32(0, value, true));
export const bool = (value: boolean): FixtureValue => scalar(7, 1, (view) => view.setUint8(0, value ? 1 : 0));
export const u64 = (value: bigint): FixtureValue => scalar(10, 8, (view) => view.setBigUint64(0, value, true));
export const string = (value: string): FixtureValue => ({ type: 8, bytes: stringBytes(value) });

/** Elements of one type; nested arrays are elements of type 9. */
export function array(elements: readonly FixtureValue[], type = elements[0]!.type): FixtureValue {
  const head = new Uint8Array(12);
  new DataView(head.buffer).setUint32(0, type, true);
  new DataView(head.buffer).setBigUint64(4, BigInt(elements.length), true);
  return { type: 9, bytes: concatenate([head, ...elements.map(({ bytes }) => bytes)]) };
}
export const strings = (values: readonly string[]): FixtureValue => array(values.map(string), 8);
export const i32s = (values: readonly number[]): FixtureValue => array(values.map(i32), 5);
export const f32s = (values: readonly number[]): FixtureValue => array(values.map(f32), 6);

function stringBytes(value: string): Uint8Array {
  const text = utf8.encode(value);
  return concatenate([u64(BigInt(text.length)).bytes, text]);
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function buildGguf({ version = 3, metadata, tensors, alignment = 32 }: Fixture): FixtureFile {
  const entries = alignment === 32 ? metadata : [...metadata, ["general.alignment", u32(alignment)] as const];
  const parts: Uint8Array[] = [utf8.encode("GGUF"), u32(version).bytes];
  parts.push(u64(BigInt(tensors.length)).bytes, u64(BigInt(entries.length)).bytes);
  for (const [key, value] of entries) parts.push(stringBytes(key), u32(value.type).bytes, value.bytes);

  let offset = 0;
  for (const { name, dims, typeId, data } of tensors) {
    parts.push(stringBytes(name), u32(dims.length).bytes, ...dims.map((size) => u64(BigInt(size)).bytes), u32(typeId).bytes);
    parts.push(u64(BigInt(offset)).bytes);
    offset = Math.ceil((offset + data.length) / alignment) * alignment;
  }
  const boundaries: number[] = [];
  let at = 0;
  const pad = () => {
    const padding = new Uint8Array((alignment - (at % alignment)) % alignment);
    parts.push(padding);
    at += padding.length;
  };
  for (const part of parts) boundaries.push((at += part.length));
  for (const { data } of tensors) {
    pad();
    boundaries.push(at);
    parts.push(data);
    boundaries.push((at += data.length));
  }
  pad();
  return { bytes: concatenate(parts), boundaries };
}

/** A file in memory that fails the test on any read outside it, and counts the bytes it gave out. */
export function memoryFile(bytes: Uint8Array, name = "tiny.gguf"): ByteSource & { bytesRead: number; isClosed: boolean } {
  return {
    name,
    size: bytes.length,
    bytesRead: 0,
    isClosed: false,
    read(offset, length) {
      const isInside =
        Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0 && offset + length <= bytes.length;
      assert.ok(isInside, `read of ${length} bytes at ${offset} in a file of ${bytes.length}`);
      this.bytesRead += length;
      return Promise.resolve(bytes.slice(offset, offset + length));
    },
    close() {
      this.isClosed = true;
      return Promise.resolve();
    },
  };
}
