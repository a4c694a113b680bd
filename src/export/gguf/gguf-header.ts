/**
 * The beginning of a GGUF, version 3 (ggml `docs/gguf.md`): metadata and the places of tensors, from names,
 * types and sizes before any data exists.
 */
import type { GgmlType } from "../../checkpoint/gguf/ggml-types.ts";

/** What stands before every value and every array of values. */
const VALUE_TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;
type ScalarKind = Exclude<keyof typeof VALUE_TYPE, "array">;

export type GgufScalar = { readonly [Kind in ScalarKind]: readonly [kind: Kind, value: Scalars[Kind]] }[ScalarKind];
interface Scalars {
  readonly u32: number;
  readonly i32: number;
  readonly f32: number;
  readonly bool: boolean;
  readonly string: string;
}
export type GgufArray =
  | { readonly kind: "string"; readonly values: readonly string[] }
  | { readonly kind: "i32" | "f32"; readonly values: ArrayLike<number> };

/** Metadata in the order of the file. */
export type GgufEntries = ReadonlyMap<string, GgufScalar | GgufArray>;

/** A tensor to be written. */
export interface GgufTensorPlan {
  readonly name: string;
  /** Its id, and the type. */
  readonly typeId: number;
  readonly type: GgmlType;
  /** ggml's order: in_features first. */
  readonly dims: readonly number[];
  readonly bytes: number;
}

const ALIGNMENT = 32;
const VERSION = 3;

export interface GgufLayout {
  /** All bytes before the data, padded. */
  readonly header: Uint8Array;
  /** Bytes of the whole file. */
  readonly totalBytes: number;
}

/** Zeros behind so many bytes of data. */
export function paddingAfter(bytes: number): number {
  return (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;
}

/** Data follows the header in the order of `tensors`, each padded to the alignment. */
export function layOutGguf(entries: GgufEntries, tensors: readonly GgufTensorPlan[]): GgufLayout {
  const writer = new HeaderWriter();
  writer.bytes(new TextEncoder().encode("GGUF"));
  writer.u32(VERSION);
  writer.u64(tensors.length);
  writer.u64(entries.size);
  for (const [key, value] of entries) {
    writer.string(key);
    if ("kind" in value) writer.array(value);
    else {
      writer.u32(VALUE_TYPE[value[0]]);
      writer.scalar(value);
    }
  }
  let dataBytes = 0;
  for (const { name, dims, typeId, bytes } of tensors) {
    writer.string(name);
    writer.u32(dims.length);
    for (const size of dims) writer.u64(size);
    writer.u32(typeId);
    writer.u64(dataBytes);
    dataBytes += bytes + paddingAfter(bytes);
  }
  const header = writer.padded();
  return { header, totalBytes: header.length + dataBytes };
}

/** Bytes that grow. */
class HeaderWriter {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #encoder = new TextEncoder();

  bytes(values: Uint8Array): void {
    const at = this.#room(values.length);
    this.#bytes.set(values, at);
  }

  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  u64(value: number): void {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  string(text: string): void {
    const encoded = this.#encoder.encode(text);
    this.u64(encoded.length);
    this.bytes(encoded);
  }

  scalar([kind, value]: GgufScalar): void {
    if (kind === "string") return this.string(value);
    const at = this.#room(kind === "bool" ? 1 : 4);
    if (kind === "bool") this.#view.setUint8(at, value ? 1 : 0);
    else if (kind === "f32") this.#view.setFloat32(at, value, true);
    else this.#view.setUint32(at, value, true); // the same bits for both signs
  }

  array({ kind, values }: GgufArray): void {
    this.u32(VALUE_TYPE.array);
    this.u32(VALUE_TYPE[kind]);
    this.u64(values.length);
    for (let i = 0; i < values.length; i++) this.scalar([kind, values[i]!] as GgufScalar);
  }

  padded(): Uint8Array {
    return this.#bytes.slice(0, this.#length + paddingAfter(this.#length));
  }

  /** @returns where so many bytes may be written */
  #room(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(2 ** Math.ceil(Math.log2(this.#length + 1)));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
