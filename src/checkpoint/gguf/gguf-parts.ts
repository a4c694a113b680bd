/**
 * A GGUF that is split into files (llama.cpp `tools/gguf-split`): `NAME-00001-of-00003.gguf` and so on, of
 * which the first has the metadata and each has some of the tensors.
 *
 *     split.no             the part's place, from 0
 *     split.count          parts
 *     split.tensors.count  tensors in all of them
 */
import { CheckpointError, DownloadError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";
import { type GgufTensor, readGguf } from "./gguf.ts";
import { GgufMetadata, type GgufValue } from "./gguf-metadata.ts";

/** Opens the file of this name that lies beside another. @throws CheckpointError if there is none */
export type OpenSibling = (fileName: string) => Promise<ByteSource>;

/** The parts of one GGUF as if they were one file. */
export interface GgufParts {
  /** The first one's. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Those of all parts, part by part. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** In their order; one, where the GGUF is not split. */
  readonly files: readonly [ByteSource, ...ByteSource[]];
}

interface Split {
  /** Which part a file is, from 0. */
  readonly place: number;
  readonly count: number;
  readonly tensors: number | undefined;
}

interface PartName {
  readonly prefix: string;
  readonly place: number;
  readonly count: number;
}

/** Each is an open file, and a process may have some thousand of them. */
const MOST_PARTS = 512;

/** A file's name as that of a part; undefined if it is not of the form. */
function partName(fileName: string): PartName | undefined {
  const [, prefix, place, count] = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i.exec(fileName) ?? [];
  return prefix === undefined ? undefined : { prefix, place: Number(place) - 1, count: Number(count) };
}

/** The first of files that are all parts of one GGUF by their names; undefined if they are not. */
export function firstPart(fileNames: readonly string[]): string | undefined {
  const sorted = fileNames.toSorted();
  const first = sorted[0] === undefined ? undefined : partName(sorted[0]);
  const isOne = sorted.every((name) => {
    const { prefix, count } = partName(name) ?? {};
    return prefix === first?.prefix && count === first?.count;
  });
  return first && isOne ? sorted[0] : undefined;
}

/**
 * Reads the table of a GGUF, and of all its parts if it is one of several. If this fails, the parts that were
 * opened are closed again, `file` is not.
 *
 * @param openSibling absent where nothing is known of other files
 * @throws as `readGguf`, of any part; CheckpointError if one is missing, or belongs to another model
 */
export async function readGgufParts(file: ByteSource, openSibling?: OpenSibling, signal?: AbortSignal): Promise<GgufParts> {
  const read = await readGguf(file, signal);
  const split = splitOf(read.metadata, file.name);
  if (!split) return { ...read, files: [file] };

  const opened: ByteSource[] = [];
  try {
    const files = [];
    for (let place = 0; place < split.count; place++) {
      if (place !== split.place) opened.push(await openPart(file, split, place, openSibling));
      files.push(place === split.place ? file : opened.at(-1)!);
    }
    const parts = [];
    for (const part of files) parts.push(part === file ? read : await readGguf(part, signal));
    for (const [place, part] of parts.entries()) {
      checkPart(files[place]!.name, part.metadata, place, { ...split, first: parts[0]!.metadata, firstName: files[0]!.name });
    }
    const tensors = joinTensors(parts.map((part) => part.tensors));
    if (split.tensors !== undefined && tensors.size !== split.tensors) {
      throw new CheckpointError(
        `${file.name}: split.tensors.count: got ${tensors.size} tensors in ${split.count} parts, need ${split.tensors}`,
      );
    }
    return { metadata: parts[0]!.metadata, tensors, files: files as [ByteSource, ...ByteSource[]] };
  } catch (error) {
    for (const part of opened) await part.close();
    throw error;
  }
}

/** Which part of how many a file is; undefined if it is a whole GGUF. */
function splitOf(values: ReadonlyMap<string, GgufValue>, file: string): Split | undefined {
  const metadata = new GgufMetadata(values, file);
  const count = metadata.integer("split.count") ?? 1;
  if (count <= 1) return undefined;
  if (count > MOST_PARTS) throw new CheckpointError(`${file}: split.count: got ${count} parts, need at most ${MOST_PARTS}`);
  const place = metadata.required("split.no", metadata.integer("split.no"));
  if (place >= count) throw new CheckpointError(`${file}: split.no: got ${place}, need less than split.count, ${count}`);
  return { place, count, tensors: metadata.integer("split.tensors.count") };
}

async function openPart(
  file: ByteSource,
  { place: own, count }: Split,
  place: number,
  openSibling: OpenSibling | undefined,
): Promise<ByteSource> {
  const ownName = /[^/\\]*$/.exec(file.name)![0];
  const named = partName(ownName);
  const what = `${file.name}: got part ${own + 1} of ${count} of a split GGUF`;
  if (named?.place !== own || named.count !== count) {
    throw new CheckpointError(
      `${what}, need it named NAME-${fiveDigits(own + 1)}-of-${fiveDigits(count)}.gguf, by which the others are found`,
    );
  }
  if (!openSibling) throw new CheckpointError(`${what} alone, need all of them together`);
  // The digits alone are exchanged: a server may tell apart what spells `.gguf` in another way.
  const fileName = `${ownName.slice(0, named.prefix.length + 1)}${fiveDigits(place + 1)}${ownName.slice(named.prefix.length + 6)}`;
  try {
    return await openSibling(fileName);
  } catch (cause) {
    if (!(cause instanceof CheckpointError) || cause instanceof DownloadError) throw cause;
    throw new CheckpointError(`${what}, need part ${place + 1} beside it: ${cause.message}`, { cause });
  }
}

/** @throws CheckpointError for a part in a place that is not its own, or of another model */
function checkPart(
  name: string,
  metadata: ReadonlyMap<string, GgufValue>,
  place: number,
  whole: Split & { readonly first: ReadonlyMap<string, GgufValue>; readonly firstName: string },
): void {
  const split = splitOf(metadata, name);
  if (split?.place !== place || split.count !== whole.count || split.tensors !== whole.tensors) {
    const found = split ? `${split.place + 1} of ${split.count} with ${split.tensors} tensors` : "no part";
    throw new CheckpointError(
      `${name}: split.no, split.count and split.tensors.count: got ${found}, need part ${place + 1} of ${whole.count} with ${whole.tensors} tensors`,
    );
  }
  // What other keys say is used by nobody.
  const used = ["general.architecture", "tokenizer.", `${String(whole.first.get("general.architecture"))}.`];
  for (const [key, value] of metadata) {
    const isUsed = used.some((begin) => key.startsWith(begin));
    if (isUsed && !isSame(value, whole.first.get(key))) {
      throw new CheckpointError(
        `${name}: metadata key "${key}": got another value than ${whole.firstName} has, need parts of one model`,
      );
    }
  }
}

function isSame(a: GgufValue, b: GgufValue | undefined): boolean {
  if (typeof a !== "object" || typeof b !== "object") return Object.is(a, b);
  return a.length === b.length && Array.from<GgufValue>(a).every((value, i) => isSame(value, b[i]));
}

function joinTensors(parts: readonly ReadonlyMap<string, GgufTensor>[]): Map<string, GgufTensor> {
  const all = new Map<string, GgufTensor>();
  for (const tensor of parts.flatMap((tensors) => [...tensors.values()])) {
    const other = all.get(tensor.name);
    if (other) {
      throw new CheckpointError(
        `${tensor.source.name}: tensor "${tensor.name}": got it in ${other.source.name} too, need it in one part`,
      );
    }
    all.set(tensor.name, tensor);
  }
  return all;
}

const fiveDigits = (number: number) => String(number).padStart(5, "0");
