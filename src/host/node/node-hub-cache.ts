/**
 * The Hugging Face cache folder, as `huggingface_hub` lays it out, so that Python programs and this one share
 * what they download:
 *
 *     models--ORG--MODEL/blobs/ETAG                   the bytes; ETAG is the SHA-256 of a large file,
 *                                                     git's blob id of any other
 *     models--ORG--MODEL/refs/REVISION                the commit of a branch or tag
 *     models--ORG--MODEL/snapshots/COMMIT/PATH        a link to the blob
 *
 * https://huggingface.co/docs/huggingface_hub/guides/manage-cache. Both kinds of ETAG say what the bytes have
 * to be, and each file is compared with its own before it is opened: one that is damaged or too short is
 * fetched again.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ByteSource, ModelLocation } from "../../checkpoint/byte-source.ts";
import { CapabilityError, CheckpointError, DownloadError } from "../../errors.ts";
import { BlockCache } from "../../sources/block-cache.ts";
import { HttpReader } from "../../sources/http-reader.ts";
import {
  chooseHubFiles,
  type HubFile,
  hubFileName,
  hubFileUrl,
  hubFolderOf,
  type HubListing,
  type HubName,
  listHubFolder,
  siblingOf,
} from "../../sources/hub.ts";
import type { HubCacheRequest } from "../../sources/locate-model.ts";
import { Remote } from "../../sources/remote.ts";
import { openRemoteFile } from "../../sources/remote-file.ts";
import { nodeSha256 } from "./node-block-store.ts";
import { openFile, openFolder } from "./node-files.ts";
import {
  addFile,
  freeBytes,
  isWhole,
  link,
  PIECE_BYTES,
  removeAbandonedParts,
  startDigest,
  takeOver,
  writeAt,
} from "./node-hub-blob.ts";

/** `HubCapability.cachedFolder` over a folder of this machine. */
export function hubCache(cacheFolder: () => string) {
  return async (name: HubName, request: HubCacheRequest): Promise<ModelLocation> => {
    const repository = join(cacheFolder(), `models--${name.repository.replaceAll("/", "--")}`);
    return new HubSnapshot(repository, name, request).locate();
  };
}

class HubSnapshot {
  readonly #repository: string;
  readonly #name: HubName;
  readonly #request: HubCacheRequest;
  /** The way around a cache folder that cannot be written to. */
  #remote: Remote | undefined;

  constructor(repository: string, name: HubName, request: HubCacheRequest) {
    this.#repository = repository;
    this.#name = name;
    this.#request = request;
  }

  /**
   * The files the Hub lists, fetched when they are opened; without the Hub, those fetched of the commit known
   * last.
   */
  async locate(): Promise<ModelLocation> {
    const listing = await this.#listing();
    if (!listing) return this.#cached();
    const chosen = chooseHubFiles(this.#name, listing.files);
    if ("path" in chosen) {
      const openSibling = (fileName: string) =>
        this.#open(listing.commit, siblingOf(chosen, fileName, this.#name, listing.files));
      return { kind: "file", file: await this.#open(listing.commit, chosen), openSibling };
    }

    const byName = new Map(chosen.map((file) => [hubFileName(file.path), file]));
    const name = `hf:${this.#name.repository}`;
    return {
      kind: "folder",
      folder: {
        name,
        list: () => Promise.resolve([...byName.keys()]),
        open: async (fileName) => {
          const file = byName.get(fileName);
          if (!file) throw new CheckpointError(`${name}: ${fileName} is missing`);
          return this.#open(listing.commit, file);
        },
      },
    };
  }

  async #listing(): Promise<HubListing | undefined> {
    const { access, onWarning, signal } = this.#request;
    if (!access) return undefined;
    try {
      // What is known need not wait for a Hub that does not answer.
      const retries = (await this.#knownCommit()) === undefined;
      const listing = await listHubFolder(access, this.#name, hubFolderOf(this.#name), { retries, signal });
      // Only who is offline needs it; a folder that cannot be written to is reported when a file is fetched.
      await this.#writeRef(listing.commit).catch(() => undefined);
      return listing;
    } catch (error) {
      if (!(error instanceof DownloadError) || !error.transient || (await this.#knownCommit()) === undefined) throw error;
      onWarning?.(`${error.message}; using what ${this.#repository} has`);
      return undefined;
    }
  }

  async #cached(): Promise<ModelLocation> {
    const commit = await this.#knownCommit();
    const snapshot = commit && join(this.#repository, "snapshots", commit, hubFolderOf(this.#name));
    const names = snapshot ? await readdir(snapshot).catch(() => []) : [];
    if (!snapshot || names.length === 0) {
      throw new DownloadError(
        `hf:${this.#name.repository}@${this.#name.revision}: got nothing in ${this.#repository}, need it there or a network: offline`,
      );
    }
    const prefix = hubFolderOf(this.#name);
    const files = names.map((fileName) => ({
      path: prefix ? `${prefix}/${fileName}` : fileName,
      size: 0,
      sha256: undefined,
      gitOid: undefined,
    }));
    const chosen = chooseHubFiles(this.#name, files);
    if ("path" in chosen) {
      const openSibling = (fileName: string) => openFile(join(snapshot, fileName));
      return { kind: "file", file: await openSibling(basename(chosen.path)), openSibling };
    }
    return { kind: "folder", folder: openFolder(snapshot) };
  }

  async #knownCommit(): Promise<string | undefined> {
    const { revision } = this.#name;
    if (/^[0-9a-f]{40}$/.test(revision)) return revision;
    const text = await readFile(this.#refFile(), "utf8").catch(() => "");
    return /^[0-9a-f]{40}$/.test(text.trim()) ? text.trim() : undefined;
  }

  #refFile(): string {
    return join(this.#repository, "refs", ...this.#name.revision.split("/"));
  }

  async #writeRef(commit: string): Promise<void> {
    if (this.#name.revision === commit) return;
    await this.#orExplain(async () => {
      await mkdir(dirname(this.#refFile()), { recursive: true });
      const partial = `${this.#refFile()}.${randomBytes(4).toString("hex")}`;
      await writeFile(partial, commit);
      await rename(partial, this.#refFile());
    });
  }

  /** Opens a file from the cache folder; straight from the Hub if the folder cannot take it. */
  async #open(commit: string, file: HubFile): Promise<ByteSource> {
    const { access, client, onWarning, signal } = this.#request;
    try {
      return await openFile(await this.#fetch(commit, file));
    } catch (error) {
      if (!(error instanceof CapabilityError) || !access) throw error;
      this.#remote ??= new Remote({ client, cache: new BlockCache(undefined), createSha256: nodeSha256, onWarning });
      this.#remote.warnOnce(`cache: ${error.message}; going on without it`);
      const url = hubFileUrl(access.endpoint, this.#name.repository, commit, file.path);
      return openRemoteFile(
        this.#remote,
        { url, name: `hf:${this.#name.repository}/${file.path}`, size: file.size, sha256: file.sha256 },
        signal,
      );
    }
  }

  /** The path of a file in the snapshot, which is fetched if it is not there as it should be. */
  async #fetch(commit: string, file: HubFile): Promise<string> {
    const etag = file.sha256 ?? file.gitOid;
    if (etag === undefined || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) {
      throw new CheckpointError(
        `hf:${this.#name.repository}/${file.path}: listing: got no digest, need SHA-256 or git's blob id`,
      );
    }
    const blob = join(this.#repository, "blobs", etag);
    const pointer = join(this.#repository, "snapshots", commit, ...file.path.split("/"));
    if (!(await isWhole(blob, file, this.#request.signal))) {
      await this.#orExplain(() => mkdir(dirname(blob), { recursive: true }));
      await this.#download(commit, file, blob);
    }
    await this.#orExplain(() => link(blob, pointer));
    return pointer;
  }

  /**
   * Downloads into a file of this process alone, which takes its name when it is whole. One that was left
   * behind is taken over, by a rename that only one process can win; should its owner wake up, it would write
   * the same bytes to the same places.
   */
  async #download(commit: string, file: HubFile, blob: string): Promise<void> {
    const { access, client, signal, onProgress } = this.#request;
    const { repository } = this.#name;
    if (!access)
      throw new DownloadError(`hf:${repository}/${file.path}: got nothing in the cache, need it there or a network: offline`);
    const partial = `${blob}.${randomBytes(4).toString("hex")}.incomplete`;
    await takeOver(blob, partial);
    const reader = new HttpReader(client, hubFileUrl(access.endpoint, repository, commit, file.path), file.size);
    const handle = await this.#orExplain(() => open(partial, constants.O_RDWR | constants.O_CREAT));
    let done = 0;
    try {
      const digest = startDigest(file);
      done = (await handle.stat()).size;
      if (done > file.size) await handle.truncate((done = 0));
      await this.#checkRoom(file.size - done);
      await addFile(digest, partial, done, signal);
      const buffer = new Uint8Array(PIECE_BYTES);
      while (done < file.size) {
        const piece = buffer.subarray(0, file.size - done);
        await reader.read(done, piece, signal);
        await this.#orExplain(() => writeAt(handle, piece, done));
        digest.update(piece);
        done += piece.length;
        onProgress?.({ phase: `download ${basename(file.path)}`, done, total: file.size, unit: "bytes" });
      }
      const found = digest.digest("hex");
      const expected = file.sha256 ?? file.gitOid;
      if (found !== expected) {
        await rm(partial, { force: true });
        throw new CheckpointError(`hf:${repository}/${file.path}: got digest ${found}, need ${expected}: damaged on the way`);
      }
      await handle.sync();
    } catch (error) {
      // For whoever comes next, at once; a file without a byte is nothing to go on with.
      await (done === 0 ? rm(partial, { force: true }) : utimes(partial, 0, 0)).catch(() => undefined);
      throw error;
    } finally {
      reader.disconnect();
      await handle.close();
    }
    await rename(partial, blob);
    await removeAbandonedParts(blob);
  }

  /** A file that will not fit need not be begun. @throws CapabilityError */
  async #checkRoom(bytes: number): Promise<void> {
    const free = await freeBytes(this.#repository);
    if (free >= bytes) return;
    throw new CapabilityError(`${this.#repository}: got ${free} bytes free, need ${bytes}; HF_HUB_CACHE names another place`);
  }

  async #orExplain<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const free = await freeBytes(this.#repository);
      throw new CapabilityError(
        `${this.#repository}: cannot be written (${free} bytes free): ${message}; HF_HUB_CACHE names another place`,
        {
          cause: error,
        },
      );
    }
  }
}
