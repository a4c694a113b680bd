/** Brings a file of the catalogue into a folder, through the loader that the package's users have. */
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { ByteSource } from "../../src/checkpoint/byte-source.ts";
import { CheckpointError } from "../../src/errors.ts";
import { nodeSources } from "../../src/host/node/node-sources.ts";
import type { OnProgress } from "../../src/progress.ts";
import { BlockCache } from "../../src/sources/block-cache.ts";
import { type Fetch, HttpClient } from "../../src/sources/http-client.ts";
import { locateModel } from "../../src/sources/locate-model.ts";
import { Remote } from "../../src/sources/remote.ts";
import { openRemoteFile } from "../../src/sources/remote-file.ts";
import type { DataFile } from "./catalogue.ts";
import { findData } from "./data-folder.ts";

export interface FetchOptions {
  /** By default the runtime's own. */
  readonly fetch?: Fetch | undefined;
  readonly environment?: NodeJS.ProcessEnv | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

const PIECE_BYTES = 2 ** 20;

/**
 * Fetches a file unless the folder has it. It appears under its name when all of it has the digest it should.
 *
 * @returns how it came there
 * @throws CheckpointError if it is another file than the catalogue's, in the folder or at its source;
 *   DownloadError; AbortError; Error for a file that nobody may hand out
 */
export async function fetchData(file: DataFile, folder: string, options: FetchOptions = {}): Promise<"present" | "fetched"> {
  const there = findData(folder, file.name);
  if (there !== undefined) {
    const found = await digestOf(there);
    if (found === file.sha256) return "present";
    throw new CheckpointError(`${there}: got SHA-256 ${found}, need ${file.sha256}: another file; delete it to fetch it`);
  }
  const path = join(folder, file.name);
  mkdirSync(folder, { recursive: true });
  const source = await openSource(file, options);
  const unfinished = `${path}.${process.pid}.part`;
  try {
    if (source.size !== file.bytes)
      throw new CheckpointError(`${file.name}: got ${source.size} bytes from ${source.name}, need ${file.bytes}`);
    await copy(source, unfinished, options);
    await source.verify?.(file.sha256, options.signal);
    const found = await digestOf(unfinished);
    if (found !== file.sha256)
      throw new CheckpointError(`${file.name}: got SHA-256 ${found} from ${source.name}, need ${file.sha256}`);
    renameSync(unfinished, path);
    return "fetched";
  } finally {
    rmSync(unfinished, { force: true });
    await source.close();
  }
}

async function openSource({ name, sha256, source }: DataFile, options: FetchOptions): Promise<ByteSource> {
  const capabilities = nodeSources(options.environment);
  const { fetch = capabilities.fetch!, signal, onProgress, onWarning } = options;
  if (source.kind === "owner") throw new Error(`${name}: got none, need it from its owner: ${source.how}`);
  if (source.kind === "hub") {
    const location = await locateModel(source.name, { ...capabilities, fetch }, { signal, onProgress, onWarning });
    if (location.kind !== "file") throw new CheckpointError(`${source.name}: got a folder, need a file`);
    return location.file;
  }
  const { createSha256, connectionAdvice: advice } = capabilities;
  const client = new HttpClient({ fetch, onWarning, advice });
  const remote = new Remote({ client, cache: new BlockCache(undefined, onWarning), createSha256, onWarning });
  return openRemoteFile(remote, { url: new URL(source.url), sha256 }, signal);
}

async function copy(source: ByteSource, path: string, { signal, onProgress }: FetchOptions): Promise<void> {
  const output = await open(path, "w");
  try {
    for (let done = 0; done < source.size;) {
      const bytes = await source.read(done, Math.min(PIECE_BYTES, source.size - done), signal);
      await output.writeFile(bytes);
      done += bytes.length;
      onProgress?.({ phase: "download", done, total: source.size, unit: "bytes" });
    }
  } finally {
    await output.close();
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest("hex");
}
