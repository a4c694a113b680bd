/**
 * Downloaded bytes, kept between runs as blocks of files.
 *
 *   names/HASH(url)      what a URL was at the last visit: key of its file, size, validator; of a folder, the
 *                        names in it; and the model it is part of, as it may be shown
 *   files/KEY/entry      size of a file, and whether all of it has been compared with its digest
 *   files/KEY/INDEX      one block, and behind it the 32 bytes of its SHA-256
 *
 * KEY is the SHA-256 of the file where it is known beforehand, else a hash of URL, validator and size:
 * content decides, so two URLs of one file share it, and a changed file is another one.
 *
 * Blocks make the rest simple. Each is written whole or not at all, so an interrupted download has kept what
 * it got and goes on where it ended; two loaders at once write the same bytes under the same keys and need no
 * locks; a block that was damaged where it lay does not match its digest, counts as absent, and is fetched
 * again.
 */
import { CapabilityError } from "../errors.ts";
import { isJsonObject, type JsonObject } from "../json-object.ts";
import { isWhole } from "../need.ts";
import { hexadecimal, sha256 } from "../checkpoint/sha256.ts";

/**
 * A place where values are kept by key: a folder, a page's private files, the Cache API, memory. Keys are of
 * `[0-9a-z/]`, at most 100 letters.
 */
export interface BlockStore {
  /** The path, or the kind of storage, for messages. */
  readonly name: string;
  /** The value put last, or undefined. It belongs to the caller. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Keeps a value: whole or not at all, whoever else does the same at the same time. */
  put(key: string, value: Uint8Array): Promise<void>;
  /** Forgets a value, if there is one. */
  delete(key: string): Promise<void>;
  /**
   * Bytes in use and bytes there is room for, where that can be found out: for the message that there is no
   * room.
   */
  room?(): Promise<{ readonly used?: number | undefined; readonly free: number } | undefined>;
}

/**
 * Bytes of a block: few enough that four of them are no matter beside a model, enough that a model is a few
 * dozen.
 */
export const BLOCK_BYTES = 2 * 2 ** 20;
const DIGEST_BYTES = 32;
/** What a whole block takes where it is kept. */
export const KEPT_BLOCK_BYTES = BLOCK_BYTES + DIGEST_BYTES;

/**
 * A block to be filled, with room for its digest behind it, so that neither is copied to be kept.
 *
 * @param spare one that is no longer needed, whose memory is taken if it fits
 */
export function newBlock(length: number, spare?: Uint8Array): Uint8Array {
  const fits = spare?.length === length && spare.byteOffset === 0 && spare.buffer.byteLength === length + DIGEST_BYTES;
  return fits ? spare : new Uint8Array(new ArrayBuffer(length + DIGEST_BYTES), 0, length);
}

/** The knowledge kept of a file. */
export interface FileEntry {
  readonly size: number;
  readonly verified: boolean;
}

/**
 * A store as downloads use it: values are checked, and a store that fails is left alone, with one warning.
 */
export class BlockCache {
  readonly #store: BlockStore | undefined;
  readonly #onWarning: ((message: string) => void) | undefined;
  /** The model whose files go through here, as it may be shown; undefined where nothing is kept. */
  readonly #model: string | undefined;
  #writable: boolean;
  #warned = false;

  /**
   * @param store nothing is kept without one
   * @param model written beside what is kept under a URL: its name, without secrets
   */
  constructor(store: BlockStore | undefined, onWarning?: (message: string) => void, model?: string) {
    this.#store = store;
    this.#model = model;
    this.#writable = store !== undefined;
    this.#onWarning = onWarning;
  }

  /** A block as it was put; undefined if it is not there or has been damaged. */
  async block(key: string, index: number): Promise<Uint8Array | undefined> {
    const sealed = await this.#get(`files/${key}/${index}`);
    if (!sealed) return undefined;
    const block = sealed.subarray(0, Math.max(0, sealed.length - DIGEST_BYTES));
    const digest = sealed.subarray(block.length);
    if (hexadecimal(await sha256(block)) === hexadecimal(digest)) return block;
    await this.#delete(`files/${key}/${index}`);
    return undefined;
  }

  /** @param block made by `newBlock` */
  async putBlock(key: string, index: number, block: Uint8Array): Promise<void> {
    if (!this.#writable) return;
    const sealed = new Uint8Array(block.buffer);
    sealed.set(await sha256(block), block.length);
    await this.#put(`files/${key}/${index}`, sealed);
  }

  async entry(key: string): Promise<FileEntry | undefined> {
    const { size, verified } = (await this.#json(`files/${key}/entry`)) ?? {};
    return isWhole(size, 0) ? { size, verified: verified === true } : undefined;
  }

  putEntry(key: string, entry: FileEntry): Promise<void> {
    return this.#putJson(`files/${key}/entry`, { ...entry });
  }

  /** Forgets a file of so many bytes. */
  async evict(key: string, size: number): Promise<void> {
    await this.#delete(`files/${key}/entry`);
    for (let index = 0; index * BLOCK_BYTES < size; index++) await this.#delete(`files/${key}/${index}`);
  }

  /** The value last kept under a URL. */
  async named(url: string): Promise<JsonObject | undefined> {
    return this.#json(await nameKey(url));
  }

  async putNamed(url: string, value: JsonObject): Promise<void> {
    await this.#putJson(await nameKey(url), this.#model === undefined ? value : { ...value, model: this.#model });
  }

  /**
   * Writes down which model a file is part of, where nothing does yet: names kept by an earlier version, and
   * files that are known by their digest.
   */
  async putModel(url: string, file: { readonly key: string; readonly size: number }): Promise<void> {
    if (!this.#writable || this.#model === undefined) return;
    const key = await nameKey(url);
    const known = await this.#json(key);
    if (known?.["model"] === this.#model && known["key"] === file.key) return;
    // A cache that only gives, a folder of a container's image for one, is as good without it.
    await this.#store!.put(key, jsonBytes({ ...known, ...file, model: this.#model })).catch(() => undefined);
  }

  async #json(key: string): Promise<JsonObject | undefined> {
    const bytes = await this.#get(key);
    if (!bytes) return undefined;
    try {
      const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
      return isJsonObject(value) ? value : undefined;
    } catch {
      return undefined; // damaged where it lay: as if it were not there
    }
  }

  #putJson(key: string, value: JsonObject): Promise<void> {
    return this.#put(key, jsonBytes(value));
  }

  async #get(key: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#store?.get(key);
    } catch (error) {
      await this.#giveUp(`cannot read from ${this.#store!.name}`, error);
      return undefined;
    }
  }

  async #put(key: string, value: Uint8Array): Promise<void> {
    if (!this.#writable) return;
    try {
      await this.#store!.put(key, value);
    } catch (error) {
      await this.#giveUp(`cannot keep ${value.length} bytes in ${this.#store!.name}`, error);
    }
  }

  async #delete(key: string): Promise<void> {
    // What cannot be deleted is found wrong again the next time.
    await this.#store?.delete(key).catch(() => undefined);
  }

  async #giveUp(problem: string, error: unknown): Promise<void> {
    this.#writable = false;
    if (this.#warned) return;
    this.#warned = true;
    const room = await this.#store?.room?.().catch(() => undefined);
    const used = room?.used === undefined ? "" : `${room.used} bytes used, `;
    const numbers = room ? ` (${used}${room.free} free)` : "";
    const reason = error instanceof Error ? error.message : String(error);
    this.#onWarning?.(`cache: ${problem}${numbers}: ${reason}; going on without it`);
  }
}

const jsonBytes = (value: JsonObject) => new TextEncoder().encode(JSON.stringify(value));

async function nameKey(url: string): Promise<string> {
  return `names/${hexadecimal(await sha256(new TextEncoder().encode(url)))}`;
}

/**
 * Keeps everything in memory: for tests, and for models loaded several times by a process without storage.
 *
 * @example
 * ```ts
 * import { loadModel, MemoryBlockStore } from "fptq";
 *
 * const cache = new MemoryBlockStore();
 * const first = await loadModel("hf:ORG/MODEL", { cache });
 * const second = await loadModel("hf:ORG/MODEL", { cache }); // from memory
 * ```
 */
export class MemoryBlockStore implements BlockStore {
  /** Name for messages. */
  readonly name = "memory";
  readonly #values = new Map<string, Uint8Array>();
  readonly #limitBytes: number;

  /**
   * Makes an empty store.
   *
   * @param limitBytes most it keeps; without, no limit
   */
  constructor({ limitBytes = Infinity }: { limitBytes?: number } = {}) {
    this.#limitBytes = limitBytes;
  }

  /** Value of a key; undefined if there is none. */
  get(key: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#values.get(key)?.slice());
  }

  /** Keeps a value. */
  async put(key: string, value: Uint8Array): Promise<void> {
    const { free } = await this.room();
    if (value.length - (this.#values.get(key)?.length ?? 0) > free) {
      throw new CapabilityError(
        `${this.name}: got ${value.length} bytes, need at most ${free}: the rest of ${this.#limitBytes} is taken`,
      );
    }
    this.#values.set(key, value.slice());
  }

  /** Forgets a value. */
  delete(key: string): Promise<void> {
    this.#values.delete(key);
    return Promise.resolve();
  }

  /** Bytes kept, and bytes left. */
  room(): Promise<{ used: number; free: number }> {
    let used = 0;
    for (const { length } of this.#values.values()) used += length;
    return Promise.resolve({ used, free: this.#limitBytes - used });
  }
}
