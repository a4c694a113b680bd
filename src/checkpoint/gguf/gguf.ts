/**
 * The GGUF container (ggml `docs/gguf.md`), versions 2 and 3, little-endian: metadata and where each tensor
 * lies.
 *
 *     magic "GGUF" | u32 version | u64 tensor count | u64 metadata count
 *     metadata     | string key | u32 value type | value
 *     tensor infos | string name | u32 dimensions | u64 sizes, contiguous first | u32 type
 *                  | u64 offset from the data's start
 *     padding to general.alignment (32 if absent) | tensor data
 *
 * The file is not trusted: each count is compared with what the rest of the file could hold before anything
 * is allocated for it, and each tensor's bytes lie inside the file, aligned, apart from all others.
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";
import { GGML_TYPES, type GgmlType, ggmlTypeLabel } from "./ggml-types.ts";
import { GgufCursor } from "./gguf-cursor.ts";
import { type GgufValue, readGgufString, readGgufValue } from "./gguf-metadata.ts";

export interface GgufTensor {
  /** The file's name for it, for instance `blk.0.attn_q.weight`. */
  readonly name: string;
  readonly type: GgmlType;
  /** Sizes in ggml's order, contiguous dimension (in_features) first: the reverse of a Hugging Face shape. */
  readonly dims: readonly number[];
  /** The file it is in: one of several where a GGUF is split. */
  readonly source: ByteSource;
  /** Position of the first byte in the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface Gguf {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** The tensors by name, in the order of the file's table. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** "GGUF" in ASCII. */
export const GGUF_MAGIC = [0x47, 0x47, 0x55, 0x46] as const;

const HEADER_BYTES = 24;
const DEFAULT_ALIGNMENT = 32;
/** A key of one byte, its length, a type and a value of one byte. */
const LEAST_METADATA_BYTES = 8 + 1 + 4 + 1;
/** A name of one byte, its length, one dimension, a type and an offset. */
const LEAST_TENSOR_INFO_BYTES = 8 + 1 + 4 + 8 + 4 + 8;
/** Limits of the format document. */
const MOST_KEY_BYTES = 65535;
const MOST_NAME_BYTES = 64;
const MOST_DIMENSIONS = 4;

/** Tells whether a file starts as a GGUF does. */
export async function isGguf(file: ByteSource): Promise<boolean> {
  if (file.size < GGUF_MAGIC.length) return false;
  const start = await file.read(0, GGUF_MAGIC.length);
  return GGUF_MAGIC.every((byte, i) => start[i] === byte);
}

/**
 * Reads metadata and the table of tensors, not the tensors.
 *
 * @throws CheckpointError if the file is truncated, corrupt or inconsistent; the message names file, and key
 *   or tensor
 * @throws UnsupportedModelError for another version, byte order or tensor type
 */
export async function readGguf(file: ByteSource, signal?: AbortSignal): Promise<Gguf> {
  const cursor = new GgufCursor(file, signal);
  await cursor.fetch(HEADER_BYTES, "a GGUF header");
  const magic = cursor.take(GGUF_MAGIC.length);
  if (!GGUF_MAGIC.every((byte, i) => magic.getUint8(i) === byte)) {
    throw new CheckpointError(`${file.name}: magic: got other bytes, need "GGUF": not a GGUF file`);
  }
  const version = cursor.u32();
  checkVersion(version, file.name);
  const tensorCount = count(cursor, LEAST_TENSOR_INFO_BYTES, "tensors", file.name);
  const metadataCount = count(cursor, LEAST_METADATA_BYTES, "metadata entries", file.name);

  const metadata = await readMetadata(cursor, metadataCount, file.name);
  const alignment = alignmentOf(metadata, file.name);
  const infos = await readTensorInfos(cursor, tensorCount, alignment, file);
  const dataStart = Math.ceil(cursor.offset / alignment) * alignment;
  return { version, metadata, tensors: placeTensors(infos, dataStart, file) };
}

function checkVersion(version: number, file: string): void {
  if (version === 2 || version === 3) return;
  if (version === 0x02000000 || version === 0x03000000) {
    throw new UnsupportedModelError(`${file}: byte order: got a big-endian GGUF, need a little-endian one`);
  }
  throw new UnsupportedModelError(`${file}: GGUF version: got ${version}, need 2 or 3`);
}

function count(cursor: GgufCursor, leastBytesEach: number, what: string, file: string): number {
  const found = cursor.u64();
  const most = Math.floor(cursor.remaining / leastBytesEach);
  if (found > BigInt(most))
    throw new CheckpointError(`${file}: ${what}: got a count of ${found}, need at most ${most}, for which the file has room`);
  return Number(found);
}

async function readMetadata(cursor: GgufCursor, entries: number, file: string): Promise<Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entries; i++) {
    const key = await readGgufString(cursor, `key of metadata entry ${i}`, file, MOST_KEY_BYTES);
    if (metadata.has(key)) throw new CheckpointError(`${file}: metadata key "${key}": got it twice, need it once`);
    await cursor.fetch(4, `type of "${key}"`);
    metadata.set(key, await readGgufValue(cursor, cursor.u32(), `"${key}"`, file));
  }
  return metadata;
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>, file: string): number {
  const alignment = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  const isPowerOfTwo = typeof alignment === "number" && alignment >= 1 && Number.isInteger(Math.log2(alignment));
  if (!isPowerOfTwo) throw new CheckpointError(`${file}: general.alignment: got ${String(alignment)}, need a power of two`);
  return alignment;
}

async function readTensorInfos(
  cursor: GgufCursor,
  tensors: number,
  alignment: number,
  source: ByteSource,
): Promise<GgufTensor[]> {
  const file = source.name;
  const infos: GgufTensor[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensors; i++) {
    const name = await readGgufString(cursor, `name of tensor ${i}`, file, MOST_NAME_BYTES);
    if (names.has(name)) throw new CheckpointError(`${file}: tensor "${name}": got it twice, need it once`);
    names.add(name);

    await cursor.fetch(4, `tensor "${name}"`);
    const dimensions = cursor.u32();
    if (dimensions < 1 || dimensions > MOST_DIMENSIONS) {
      throw new CheckpointError(`${file}: tensor "${name}": got ${dimensions} dimensions, need 1 to ${MOST_DIMENSIONS}`);
    }
    await cursor.fetch(8 * dimensions + 12, `tensor "${name}"`);
    const sizes = Array.from({ length: dimensions }, () => cursor.u64());
    const typeId = cursor.u32();
    const offset = cursor.u64();
    const type = GGML_TYPES.get(typeId);
    if (type === undefined) {
      const readable = Array.from(GGML_TYPES.values(), ({ name: label }) => label).join(", ");
      throw new UnsupportedModelError(`${file}: tensor "${name}": got ${ggmlTypeLabel(typeId)}, need one of ${readable}`);
    }
    const elements = sizes.reduce((product, size) => product * size, 1n);
    if (elements < 1n || elements > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new CheckpointError(
        `${file}: tensor "${name}": got ${elements} elements (${sizes.join(" x ")}), need 1 to ${Number.MAX_SAFE_INTEGER}`,
      );
    }
    if (sizes[0]! % BigInt(type.blockElements) !== 0n) {
      throw new CheckpointError(
        `${file}: tensor "${name}": got rows of ${sizes[0]} elements, need a multiple of ${type.blockElements} for ${type.name}`,
      );
    }
    if (offset > BigInt(Number.MAX_SAFE_INTEGER) || Number(offset) % alignment !== 0) {
      throw new CheckpointError(`${file}: tensor "${name}": got offset ${offset}, need a multiple of ${alignment}`);
    }
    const bytes = (Number(elements) / type.blockElements) * type.blockBytes;
    infos.push({ name, type, dims: sizes.map(Number), source, offset: Number(offset), bytes });
  }
  return infos;
}

/** Turns offsets in the data into offsets in the file, none outside it, no two overlapping. */
function placeTensors(infos: readonly GgufTensor[], dataStart: number, file: ByteSource): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const info of infos) {
    const offset = dataStart + info.offset;
    if (offset + info.bytes > file.size) {
      throw new CheckpointError(
        `${file.name}: tensor "${info.name}": got a file of ${file.size} bytes, need bytes ${offset} to ${offset + info.bytes}`,
      );
    }
    tensors.set(info.name, { ...info, offset });
  }
  const placed = [...tensors.values()].toSorted((a, b) => a.offset - b.offset);
  for (const [i, tensor] of placed.entries()) {
    const next = placed[i + 1];
    if (next !== undefined && tensor.offset + tensor.bytes > next.offset) {
      throw new CheckpointError(
        `${file.name}: tensor "${next.name}": got a place that overlaps "${tensor.name}" at byte ${next.offset}, need one of its own`,
      );
    }
  }
  return tensors;
}
