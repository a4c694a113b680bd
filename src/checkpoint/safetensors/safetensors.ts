/**
 * The safetensors container, reading: a header that says where each tensor is, and rows of tensors.
 *
 *   u64 N, little-endian | N bytes of JSON | data
 *   JSON: { "__metadata__": {string: string} or null,
 *           "NAME": { "dtype", "shape", "data_offsets": [begin, end) from the data's start }, ... }
 *
 * Format and limits: https://github.com/huggingface/safetensors, README and `safetensors/src/tensor.rs`: the
 * header has at most 100,000,000 bytes, the tensors cover the data without holes or overlap, values are
 * row-major and little-endian. The whole header is checked before a tensor is read, and nothing is read or
 * allocated beyond the file's size.
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";
import { describe, isJsonObject, type JsonObject, parseJsonObject } from "../../json-object.ts";
import { isWhole } from "../../need.ts";

/**
 * Bytes of an element, by the name the header uses, in the order in which the reference writer puts tensors
 * of different types.
 */
export const SAFETENSORS_ELEMENT_BYTES = {
  I64: 8,
  F64: 8,
  F32: 4,
  I32: 4,
  BF16: 2,
  F16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;
export type SafetensorsType = keyof typeof SAFETENSORS_ELEMENT_BYTES;

/** Types of the format that no model here uses; told apart from a corrupt header. */
const OTHER_TYPES: ReadonlySet<unknown> = new Set(
  ["U16", "U32", "U64", "C64", "F4", "F6_E2M3", "F6_E3M2", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"], // prettier-ignore
);

/** The file beside shards that says which tensor is in which of them. */
export const INDEX_FILE = "model.safetensors.index.json";

const MAX_HEADER_BYTES = 100_000_000;
const MAX_DIMENSIONS = 8;

export interface SafetensorsTensor {
  readonly name: string;
  readonly type: SafetensorsType;
  readonly shape: readonly number[];
  /** Position of the first byte in the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsFile {
  readonly source: ByteSource;
  readonly metadata: ReadonlyMap<string, string>;
  /** The tensors by name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
}

/**
 * Reads and checks the header of one file.
 *
 * @throws CheckpointError if the file is truncated, corrupt or inconsistent; UnsupportedModelError for
 *   element types such as F8_E4M3
 */
export async function readSafetensorsHeader(source: ByteSource, signal?: AbortSignal): Promise<SafetensorsFile> {
  const file = source.name;
  if (source.size < 8) throw new CheckpointError(`${file}: got ${source.size} bytes, need at least the 8 of a header length`);
  const prefix = await source.read(0, 8, signal);
  const headerBytes = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new CheckpointError(
      `${file}: header: got a length of ${headerBytes} bytes, need at most ${MAX_HEADER_BYTES}: no safetensors file?`,
    );
  }
  const dataBegin = 8 + Number(headerBytes);
  if (dataBegin > source.size) {
    throw new CheckpointError(`${file}: header: got a file of ${source.size} bytes, need ${dataBegin} for the header: truncated`);
  }
  const header = parseJsonObject(decodeHeader(await source.read(8, dataBegin - 8, signal), file), file);

  const tensors: SafetensorsTensor[] = [];
  let metadata = new Map<string, string>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") metadata = checkMetadata(entry, file);
    else tensors.push(checkEntry(name, entry, dataBegin, source));
  }
  checkCover(tensors, dataBegin, source);
  return { source, metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}

function decodeHeader(bytes: Uint8Array, file: string): string {
  if (bytes[0] !== 0x7b) throw new CheckpointError(`${file}: header: got another start, need "{": no safetensors file?`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError(`${file}: header: got bytes that are not UTF-8, need UTF-8`, { cause });
  }
}

/** A null is none, as for the reference reader. */
function checkMetadata(value: unknown, file: string): Map<string, string> {
  if (value === null) return new Map();
  if (!isJsonObject(value)) throw new CheckpointError(`${file}: __metadata__: got ${describe(value)}, need an object of strings`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw new CheckpointError(`${file}: __metadata__.${key}: got ${describe(text)}, need a string`);
  }
  return new Map(Object.entries(value as Record<string, string>));
}

function checkEntry(name: string, value: unknown, dataBegin: number, source: ByteSource): SafetensorsTensor {
  const where = `${source.name}: tensor ${describe(name)}`;
  const entry: JsonObject = isJsonObject(value) ? value : {};
  const { dtype, shape, data_offsets: offsets } = entry;
  if (OTHER_TYPES.has(dtype)) {
    const known = Object.keys(SAFETENSORS_ELEMENT_BYTES).join(", ");
    throw new UnsupportedModelError(`${where}: dtype: got ${String(dtype)}, need one of ${known}`);
  }
  if (typeof dtype !== "string" || !Object.hasOwn(SAFETENSORS_ELEMENT_BYTES, dtype)) {
    throw new CheckpointError(`${where}: dtype: got ${describe(dtype)}, need an element type such as "F32"`);
  }
  if (!isSizes(shape) || shape.length > MAX_DIMENSIONS) {
    throw new CheckpointError(`${where}: shape: got ${describe(shape)}, need at most ${MAX_DIMENSIONS} sizes`);
  }
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]! || offsets[1]! > source.size - dataBegin) {
    const limit = source.size - dataBegin;
    throw new CheckpointError(
      `${where}: data_offsets: got ${describe(offsets)}, need [begin, end] within the ${limit} bytes of data`,
    );
  }
  const [begin, end] = offsets as [number, number];
  const type = dtype as SafetensorsType;
  const need = tensorBytes(type, shape);
  if (need !== end - begin) {
    throw new CheckpointError(
      `${where}: data_offsets: got a span of ${end - begin} bytes, need ${need} for ${type} [${shape.join(", ")}]`,
    );
  }
  return { name, type, shape, offset: dataBegin + begin, bytes: need };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => isWhole(size, 0));
}

/**
 * Bytes of a tensor. A product beyond 2^53 is no longer exact, but then it is larger than any file and
 * compares unequal.
 */
export function tensorBytes(type: SafetensorsType, shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, SAFETENSORS_ELEMENT_BYTES[type]);
}

/** Sorts by position; every byte of the data belongs to exactly one tensor. */
function checkCover(tensors: SafetensorsTensor[], dataBegin: number, source: ByteSource): void {
  tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataBegin;
  for (const tensor of tensors) {
    if (tensor.offset !== end) {
      const got = tensor.offset > end ? `a hole of ${tensor.offset - end} bytes before it` : "an overlap with the one before it";
      throw new CheckpointError(`${source.name}: tensor ${describe(tensor.name)}: got ${got}, need none`);
    }
    end += tensor.bytes;
  }
  if (end !== source.size) {
    throw new CheckpointError(
      `${source.name}: got ${source.size - end} bytes after the last tensor, need none: truncated header or foreign data`,
    );
  }
}

/**
 * Stored bytes of rows `[begin, end)`; of the whole tensor without a range. A tensor of one dimension has one
 * row per element, a scalar is one row.
 *
 * @throws CheckpointError if the rows are outside the tensor or cannot be read
 */
export async function readSafetensorsRows(
  source: ByteSource,
  tensor: SafetensorsTensor,
  rows?: readonly [begin: number, end: number],
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const count = tensor.shape[0] ?? 1;
  const [begin, end] = rows ?? [0, count];
  if (!(Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && begin <= end && end <= count)) {
    throw new CheckpointError(
      `${source.name}: tensor ${tensor.name}: got rows ${begin} to ${end}, need rows within 0 to ${count}`,
    );
  }
  const rowBytes = count === 0 ? 0 : tensor.bytes / count;
  return source.read(tensor.offset + begin * rowBytes, (end - begin) * rowBytes, signal);
}
