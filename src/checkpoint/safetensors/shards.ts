/** The safetensors files of a folder as one set of tensors. */
import { CheckpointError } from "../../errors.ts";
import { describe } from "../../json-object.ts";
import type { ByteSource, Folder } from "../byte-source.ts";
import type { ReadOptions, TensorInfo } from "../checkpoint.ts";
import { INDEX_FILE, readSafetensorsHeader, readSafetensorsRows, type SafetensorsFile } from "./safetensors.ts";
import type { SafetensorsIndex } from "./safetensors-index.ts";
import { joinTensors, type StoredPart } from "./split-tensors.ts";

export const SINGLE_FILE = "model.safetensors";

/** Entries of the files and the parts that make up each tensor. */
export type Parts = ReadonlyMap<string, readonly StoredPart<SafetensorsFile>[]>;

/**
 * Opens every file with tensors, reads the headers, compares them with the index, and puts split tensors
 * together.
 */
export async function openShards(
  folder: Folder,
  files: ReadonlySet<string>,
  index: SafetensorsIndex | undefined,
  signal: AbortSignal | undefined,
): Promise<Parts> {
  const weightMap = index?.weightMap;
  if (weightMap) checkFilesThere(weightMap, files, `${folder.name}: ${INDEX_FILE}`);
  if (!weightMap && !files.has(SINGLE_FILE)) {
    const other = [...files].find((file) => /\.(bin|pth?|gguf|h5)$/.test(file));
    const found = other === undefined ? "no file of weights" : `${other} (a GGUF is opened by its own path)`;
    throw new CheckpointError(`${folder.name}: got ${found}, need ${SINGLE_FILE} or ${INDEX_FILE}`);
  }
  const sources: ByteSource[] = [];
  try {
    const entries: StoredPart<SafetensorsFile>[] = [];
    for (const fileName of weightMap ? new Set(weightMap.values()) : [SINGLE_FILE]) {
      const source = await folder.open(fileName);
      sources.push(source);
      const file = await readSafetensorsHeader(source, signal);
      for (const tensor of file.tensors.values()) {
        const listed = weightMap ? weightMap.get(tensor.name) : fileName;
        if (listed !== fileName) {
          throw new CheckpointError(
            `${source.name}: tensor ${describe(tensor.name)}: got it in this file, need it in ${describe(listed)}, where the index has it`,
          );
        }
        entries.push({ file, tensor });
      }
    }
    checkAllListed(weightMap, entries, `${folder.name}: ${INDEX_FILE}`);
    return joinTensors(entries, folder.name);
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
}

/** Checks that every file is one of the folder's own. */
function checkFilesThere(weightMap: ReadonlyMap<string, string>, files: ReadonlySet<string>, where: string): void {
  for (const [tensor, file] of weightMap) {
    if (files.has(file)) continue;
    throw new CheckpointError(
      `${where}: tensor ${describe(tensor)}: got ${describe(file)}, need a .safetensors file of this folder`,
    );
  }
}

function checkAllListed(
  weightMap: ReadonlyMap<string, string> | undefined,
  entries: readonly StoredPart<SafetensorsFile>[],
  where: string,
): void {
  if (!weightMap || weightMap.size === entries.length) return;
  const found = new Set(entries.map(({ tensor }) => tensor.name));
  const [tensor, file] = [...weightMap].find(([name]) => !found.has(name))!;
  throw new CheckpointError(`${where}: tensor ${describe(tensor)}: got nothing in ${file}, need it there`);
}

/** One entry, or the parts of a split tensor as the one tensor they are. */
export function tensorInfo(name: string, parts: readonly StoredPart<SafetensorsFile>[]): TensorInfo {
  const { type, shape } = parts[0]!.tensor;
  const rows = parts.reduce((sum, { tensor }) => sum + (tensor.shape[0] ?? 0), 0);
  return {
    name,
    type,
    shape: parts.length === 1 ? shape : [rows, ...shape.slice(1)],
    bytes: parts.reduce((sum, { tensor }) => sum + tensor.bytes, 0),
    file: [...new Set(parts.map(({ file }) => file.source.name))].join(", "),
  };
}

/** Rows of a tensor as the file has them, from one entry or from the parts it was split into. */
export async function readParts(
  parts: readonly StoredPart<SafetensorsFile>[],
  { name, shape, bytes, file }: TensorInfo,
  rows: ReadOptions["rows"],
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (parts.length === 1) return readSafetensorsRows(parts[0]!.file.source, parts[0]!.tensor, rows, signal);

  const [begin, end] = rows ?? [0, shape[0]!];
  if (!(begin >= 0 && begin <= end && end <= shape[0]!)) {
    throw new CheckpointError(`${file}: tensor ${name}: got rows ${begin} to ${end}, need rows within 0 to ${shape[0]}`);
  }
  const rowBytes = bytes / shape[0]!;
  const result = new Uint8Array((end - begin) * rowBytes);
  let first = 0;
  for (const part of parts) {
    const last = first + part.tensor.shape[0]!;
    const [from, to] = [Math.max(begin, first), Math.min(end, last)];
    if (from < to) {
      const piece = await readSafetensorsRows(part.file.source, part.tensor, [from - first, to - first], signal);
      result.set(piece, (from - begin) * rowBytes);
    }
    first = last;
  }
  return result;
}

/** The file each source was opened as -> the digest the index has for it, where it has one. */
export function digestsOf(parts: Parts, index: SafetensorsIndex | undefined): ReadonlyMap<ByteSource, string | undefined> {
  const digests = new Map<ByteSource, string | undefined>();
  for (const stored of parts.values()) {
    for (const { file, tensor } of stored) {
      const shard = index?.weightMap.get(tensor.name);
      digests.set(file.source, shard === undefined ? undefined : index?.shards.get(shard)?.sha256);
    }
  }
  return digests;
}

export function sourcesOf(parts: Parts): ReadonlySet<ByteSource> {
  return new Set([...parts.values()].flatMap((stored) => stored.map(({ file }) => file.source)));
}

export async function closeAll(sources: Iterable<ByteSource>): Promise<void> {
  for (const source of sources) await source.close();
}
