/**
 * The models in the Hub's cache folder, whichever program brought them (`node-hub-cache.ts` has the layout).
 * Data sets and what else lies there are others' business.
 */
import { readdir, readFile, realpath, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseSafetensorsIndex } from "../../../checkpoint/safetensors/safetensors-index.ts";
import { INDEX_FILE } from "../../../checkpoint/safetensors/safetensors.ts";
import { CapabilityError } from "../../../errors.ts";
import { parseJsonObject } from "../../../json-object.ts";
import { ABANDONED_MS } from "../node-hub-blob.ts";
import { messageOf } from "../system-error.ts";
import { found, type KeptModel, lastUseOf, unlessGone } from "./kept-model.ts";

const FOLDER = /^models--([\x21-\x7e]+)$/;
const WEIGHTS = /\.(safetensors|gguf|bin)$/i;
/** The most of an index that is read: one of thousands of tensors has a few MB. */
const MOST_INDEX_BYTES = 64 * 2 ** 20;

/** The models of a Hub's cache folder; none if there is no such folder. */
export async function keptHubModels(folder: string): Promise<KeptModel[]> {
  const root = await unlessGone(realpath(folder));
  if (root === undefined) return [];
  const models: KeptModel[] = [];
  for (const folderName of (await unlessGone(readdir(root))) ?? []) {
    const repository = FOLDER.exec(folderName)?.[1]?.replace("--", "/");
    const path = join(root, folderName);
    // One that somebody has put on another disk, with a link to it, is a model too.
    if (repository === undefined || !(await unlessGone(stat(path)))?.isDirectory()) continue;
    models.push(await hubModel(root, `hf:${repository}`, path));
  }
  return models;
}

async function hubModel(root: string, name: string, path: string): Promise<KeptModel> {
  const { bytes, lastUse, writing } = await ownFiles(path);
  return {
    name,
    isNamed: true,
    folder: root,
    bytes,
    isWhole: writing === undefined && (await hasWholeSnapshot(join(path, "snapshots"))),
    wholeBytes: undefined,
    lastUse,
    async remove() {
      if ((await realpath(path)) !== path) {
        throw new CapabilityError(
          `${name}: got a link to ${await realpath(path)}, need a folder in ${root}: what lies elsewhere is not removed`,
        );
      }
      const now = await ownFiles(path);
      if (now.writing !== undefined && Date.now() - now.writing < ABANDONED_MS) {
        throw new CapabilityError(`${name}: got a download that goes on, need one that has ended: another process fetches it`);
      }
      await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
        throw new CapabilityError(`${path}: cannot be removed: ${messageOf(error)}`, { cause: error });
      });
      return now.bytes;
    },
  };
}

/** Bytes of the files below a folder, links not followed, and when the newest unfinished one was written. */
async function ownFiles(folder: string): Promise<{ bytes: number; lastUse: number; writing: number | undefined }> {
  let [bytes, lastUse] = [0, 0];
  let writing: number | undefined;
  for (const path of await filesBelow(folder)) {
    const file = await found(path);
    if (!file?.isFile()) continue;
    bytes += file.size;
    if (path.endsWith(".incomplete")) writing = Math.max(writing ?? 0, file.mtimeMs);
    lastUse = Math.max(lastUse, lastUseOf(file));
  }
  return { bytes, lastUse, writing };
}

/** Tells whether a commit has weights, and every shard that its indices name. */
async function hasWholeSnapshot(folder: string): Promise<boolean> {
  for (const commit of (await unlessGone(readdir(folder))) ?? []) {
    const there = new Set<string>();
    // A link whose blob is gone is no file.
    for (const path of await filesBelow(join(folder, commit))) if (await unlessGone(stat(path))) there.add(path);
    const paths = [...there];
    const indices = paths.filter((path) => basename(path) === INDEX_FILE);
    const shards = (await Promise.all(indices.map(shardsOf))).flat();
    if (paths.some((path) => WEIGHTS.test(path)) && shards.every((shard) => shard !== undefined && there.has(shard))) return true;
  }
  return false;
}

/** Paths of the shards an index names; one undefined path if it cannot be read. */
async function shardsOf(index: string): Promise<(string | undefined)[]> {
  try {
    if ((await stat(index)).size > MOST_INDEX_BYTES) return [undefined];
    const { weightMap } = parseSafetensorsIndex(parseJsonObject(await readFile(index, "utf8"), index), index);
    return [...new Set(weightMap.values())].map((shard) => join(dirname(index), shard));
  } catch {
    return [undefined]; // damaged, or gone meanwhile: fetched again when it is asked for
  }
}

/** Paths of what lies below a folder and is no folder itself. A link is named and not followed. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = (await unlessGone(readdir(folder, { withFileTypes: true }))) ?? [];
  const below = await Promise.all(
    entries.map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(path) : [path];
    }),
  );
  return below.flat();
}
