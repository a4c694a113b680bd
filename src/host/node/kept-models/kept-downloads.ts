/**
 * The models in a folder of downloads (`folderBlockStore`), by the names that lie beside the content
 * (`src/sources/block-cache.ts`). Processes that use it meanwhile are not locked out: what they miss they
 * fetch again.
 */
import { readdir, readFile, realpath, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { CapabilityError } from "../../../errors.ts";
import { isJsonObject } from "../../../json-object.ts";
import { isWhole as isWholeNumber } from "../../../need.ts";
import { BLOCK_BYTES, KEPT_BLOCK_BYTES } from "../../../sources/block-cache.ts";
import { messageOf } from "../system-error.ts";
import { found, type KeptModel, lastUseOf, unlessGone } from "./kept-model.ts";

const DIGEST = /^[0-9a-f]{64}$/;
/** What a record of names may be at most: a listing of the Hub has some hundred bytes for each file. */
const MOST_RECORD_BYTES = 16 * 2 ** 20;
/** The part of a key by which a file without a name is called. */
const KEY_LETTERS = 12;

/** What `names/` says of one URL. */
interface NameRecord {
  readonly path: string;
  readonly bytes: number;
  readonly model: string | undefined;
  /** The file's folder in `files/`, and its size; absent of a folder. */
  readonly key: string | undefined;
  readonly size: number;
  /** How many files a folder has; 0 of a file. */
  readonly files: number;
  readonly lastUse: number;
}

/** One folder of `files/`. */
interface KeptFile {
  readonly key: string;
  readonly bytes: number;
  /** Bytes of the file that are here, and its size where that is known. */
  readonly contentBytes: number;
  readonly size: number | undefined;
  readonly lastUse: number;
}

/** The models of a folder of downloads; none if there is no such folder. */
export async function keptDownloads(folder: string): Promise<KeptModel[]> {
  const root = await unlessGone(realpath(folder));
  if (root === undefined) return [];
  const records = await readRecords(root);
  const files = await readFiles(root);
  const models = new Map<string, NameRecord[]>();
  for (const record of records) {
    if (record.model !== undefined) models.set(record.model, [...(models.get(record.model) ?? []), record]);
  }
  const named = new Set(records.flatMap(({ model, key }) => (model === undefined || key === undefined ? [] : [key])));
  const unnamed = [...files.values()].filter(({ key }) => !named.has(key));
  return [
    ...[...models].map(([name, own]) => namedModel(root, name, own, files)),
    ...unnamed.map((file) => unnamedFile(root, file)),
  ];
}

function namedModel(root: string, name: string, records: readonly NameRecord[], kept: ReadonlyMap<string, KeptFile>): KeptModel {
  const sizes = new Map(records.flatMap(({ key, size }) => (key === undefined ? [] : [[key, size] as const])));
  const files = [...sizes.keys()].flatMap((key) => kept.get(key) ?? []);
  // Each file of a folder has a name of its own, if the server says enough of it for it to be kept.
  const isNamedWhole = sizes.size > 0 && records.filter(({ key }) => key !== undefined).length >= sum(records.map((record) => record.files)); // prettier-ignore
  const isWhole =
    isNamedWhole && files.length === sizes.size && files.every(({ key, contentBytes }) => contentBytes === sizes.get(key));
  return {
    name,
    isNamed: true,
    folder: root,
    bytes: sum(records.map(({ bytes }) => bytes)) + sum(files.map(({ bytes }) => bytes)),
    isWhole,
    wholeBytes: isNamedWhole ? sum([...sizes.values()]) : undefined,
    lastUse: Math.max(...records.map((record) => record.lastUse), ...files.map((file) => file.lastUse)),
    async remove() {
      // Read anew: another process may have found meanwhile that it shares a file.
      const all = await readRecords(root);
      const [own, others] = [all.filter(({ model }) => model === name), all.filter(({ model }) => model !== name)];
      const shared = new Set(others.flatMap(({ model, key }) => (model === undefined ? [] : [key])));
      const keys = new Set(own.flatMap(({ key }) => (key === undefined || shared.has(key) ? [] : [key])));
      // Names first: what is left by a process that is ended here is listed as content without a name.
      let freed = await removeFiles(own.map(({ path }) => path));
      for (const key of keys) freed += await removeKept(root, key);
      return freed;
    },
  };
}

function unnamedFile(root: string, { key, bytes, contentBytes, size, lastUse }: KeptFile): KeptModel {
  return {
    name: `unnamed:${key.slice(0, KEY_LETTERS)}`,
    isNamed: false,
    folder: root,
    bytes,
    isWhole: contentBytes === size,
    wholeBytes: size,
    lastUse,
    async remove() {
      const records = (await readRecords(root)).filter((record) => record.key === key);
      return (await removeFiles(records.map(({ path }) => path))) + (await removeKept(root, key));
    },
  };
}

async function readRecords(root: string): Promise<NameRecord[]> {
  const records: NameRecord[] = [];
  for (const name of await namesIn(join(root, "names"))) {
    const path = join(root, "names", name);
    const file = DIGEST.test(name) ? await found(path) : undefined;
    if (!file?.isFile() || file.size > MOST_RECORD_BYTES) continue;
    const json = parsed(await unlessGone(readFile(path, "utf8")));
    const { model, key, size, files } = isJsonObject(json) ? json : {};
    records.push({
      path,
      bytes: file.size,
      // It is shown on a terminal, and a damaged file may say anything.
      model: typeof model === "string" && /^(https?:\/\/|hf:)[\x21-\x7e]+$/.test(model) ? model : undefined,
      key: typeof key === "string" && DIGEST.test(key) ? key : undefined,
      size: isWholeNumber(size, 0) ? size : 0,
      files: Array.isArray(files) && files.every((entry) => typeof entry === "string") ? files.length : 0,
      lastUse: file.mtimeMs,
    });
  }
  return records;
}

async function readFiles(root: string): Promise<Map<string, KeptFile>> {
  const files = new Map<string, KeptFile>();
  for (const key of await namesIn(join(root, "files"))) {
    const folder = join(root, "files", key);
    if (!DIGEST.test(key) || !(await found(folder))?.isDirectory()) continue;
    const entry = parsed(await unlessGone(readFile(join(folder, "entry"), "utf8")));
    const size = isJsonObject(entry) && isWholeNumber(entry["size"], 0) ? entry["size"] : undefined;
    let [bytes, contentBytes, lastUse] = [0, 0, 0];
    for (const name of await namesIn(folder)) {
      const file = await found(join(folder, name));
      if (!file?.isFile()) continue;
      bytes += file.size;
      if (!/^\d+$/.test(name)) continue;
      contentBytes += Math.min(BLOCK_BYTES, Math.max(0, file.size - (KEPT_BLOCK_BYTES - BLOCK_BYTES)));
      lastUse = Math.max(lastUse, lastUseOf(file));
    }
    files.set(key, { key, bytes, contentBytes, size, lastUse });
  }
  return files;
}

/** Removes one folder of `files/`, unless the path to it leads out of the cache. */
async function removeKept(root: string, key: string): Promise<number> {
  const folder = join(root, "files", key);
  if ((await unlessGone(realpath(folder))) !== folder) return 0;
  const names = (await namesIn(folder)).filter((name) => name === "entry" || /^\d+$/.test(name));
  // A file that is only begun is another process's; the entry goes first, so that nothing says it is whole.
  const freed = await removeFiles(names.toSorted().toReversed().map((name) => join(folder, name))); // prettier-ignore
  await rmdir(folder).catch(() => undefined);
  return freed;
}

/** Removes files, and of a link the link alone. @returns their bytes */
async function removeFiles(paths: readonly string[]): Promise<number> {
  let freed = 0;
  for (const path of paths) {
    const file = await found(path);
    if (!file || file.isDirectory()) continue;
    await unlessGone(unlink(path)).catch((error: unknown) => {
      throw new CapabilityError(`${path}: cannot be removed: ${messageOf(error)}`, { cause: error });
    });
    freed += file.size;
  }
  return freed;
}

/** The names in a folder; none if there is no such folder, or it is a link to another. */
async function namesIn(folder: string): Promise<string[]> {
  if (!(await found(folder))?.isDirectory()) return [];
  return (await unlessGone(readdir(folder))) ?? [];
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);
