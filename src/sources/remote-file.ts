/**
 * A file of a server as a `ByteSource`: read in blocks, from memory, a cache or the network, whichever has it
 * first.
 *
 * A model is loaded in the order of its files, so blocks follow one another on one connection, pass through
 * the digest as they go by, and leave memory again: of a file of any size a few blocks are held. Reads out of
 * that order work too, at the price of a request each.
 */
import type { ByteSource } from "../checkpoint/byte-source.ts";
import { createSha256, hexadecimal, type Sha256, sha256 } from "../checkpoint/sha256.ts";
import { AbortError, CheckpointError, DownloadError, throwIfAborted } from "../errors.ts";
import { BLOCK_BYTES } from "./block-cache.ts";
import { HttpReader } from "./http-reader.ts";
import type { Remote } from "./remote.ts";

/** A file whose size nobody says is held whole, so it has to be a small one. */
const MOST_UNSIZED_BYTES = 64 * 2 ** 20;

export interface RemoteFileSpec {
  readonly url: URL;
  /** The name for messages; by default the URL without its secrets. */
  readonly name?: string | undefined;
  /** The size where something says so beforehand, an index or a hub. */
  readonly size?: number | undefined;
  readonly sha256?: string | undefined;
}

interface Opened {
  readonly size: number;
  /** The key in the cache; undefined if the file cannot be told from a later one. */
  readonly key: string | undefined;
  readonly verified: boolean;
  readonly reader: HttpReader;
  /** The file, if it had to be read to know its size. */
  readonly whole?: Uint8Array;
}

/**
 * Opens a file of a server. One with a digest costs no request if the cache has it; one without is asked for
 * its validator, and read from the cache if that has not changed or the server cannot be reached.
 *
 * @throws DownloadError if it cannot be had; its `status` tells an absent file from an absent server.
 *   AbortError
 */
export async function openRemoteFile(remote: Remote, spec: RemoteFileSpec, signal?: AbortSignal): Promise<RemoteFile> {
  const reader = new HttpReader(remote.options.client, spec.url, spec.size);
  const opened = await remote.inTurn(() =>
    spec.sha256 === undefined ? openByUrl(remote, reader, signal) : openByDigest(remote, reader, spec, signal),
  );
  const file = new RemoteFile(remote, spec, opened);
  remote.files.add(file);
  return file;
}

async function openByDigest(
  remote: Remote,
  reader: HttpReader,
  spec: RemoteFileSpec,
  signal: AbortSignal | undefined,
): Promise<Opened> {
  const key = spec.sha256!;
  const entry = await remote.options.cache.entry(key);
  let size = spec.size ?? entry?.size;
  if (size === undefined) {
    await request(remote, reader, signal);
    size = reader.size;
    if (size === undefined) return { ...(await readWhole(reader, signal)), key: undefined, verified: false, reader };
  }
  await remote.options.cache.putModel(reader.url.href, { key, size });
  return { size, key, verified: entry?.size === size && entry.verified, reader };
}

async function openByUrl(remote: Remote, reader: HttpReader, signal: AbortSignal | undefined): Promise<Opened> {
  const { cache } = remote.options;
  const { href } = reader.url;
  const { key: knownKey, size: knownSize, validator } = (await cache.named(href)) ?? {};
  const known =
    typeof knownKey === "string" && typeof knownSize === "number" && typeof validator === "string"
      ? { key: knownKey, size: knownSize, validator }
      : undefined;
  if (known && (await stillHolds(remote, reader, known.validator, signal))) {
    reader.expect(known.size, known.validator);
    await cache.putModel(href, known);
    return { size: known.size, key: known.key, verified: false, reader };
  }
  if (!known) await request(remote, reader, signal);

  const { size, validator: current } = reader;
  if (size === undefined) return { ...(await readWhole(reader, signal)), key: undefined, verified: false, reader };
  if (current === undefined) return { size, key: undefined, verified: false, reader };
  const key = hexadecimal(await sha256(new TextEncoder().encode(`${href}\n${current}\n${size}`)));
  await cache.putNamed(href, { key, size, validator: current });
  return { size, key, verified: false, reader };
}

/**
 * Tells whether a file may be read from the cache: it has not changed, or nobody can be asked. If not, its
 * reader is open.
 */
async function stillHolds(
  remote: Remote,
  reader: HttpReader,
  validator: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (remote.options.offline) return true;
  try {
    // What is known need not wait for a server that does not answer.
    return !(await remote.connect(reader).open(signal, validator, false));
  } catch (error) {
    if (!(error instanceof DownloadError) || !error.transient) throw error;
    remote.isUnreachable = true;
    remote.warnOnce(`${error.message}; using what the cache has of ${reader.url.host}`);
    reader.disconnect();
    return true;
  }
}

async function request(remote: Remote, reader: HttpReader, signal: AbortSignal | undefined): Promise<void> {
  refuseOffline(remote, reader);
  await remote.connect(reader).open(signal);
}

function refuseOffline(remote: Remote, reader: HttpReader): void {
  if (remote.options.offline)
    throw new DownloadError(`${reader.name}: got nothing in the cache, need it there or a network: offline`);
}

async function readWhole(reader: HttpReader, signal: AbortSignal | undefined): Promise<{ size: number; whole: Uint8Array }> {
  const whole = await reader.readToEnd(MOST_UNSIZED_BYTES, signal);
  return { size: whole.length, whole };
}

export class RemoteFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #remote: Remote;
  readonly #opened: Opened;
  readonly #id: string;
  #expected: string | undefined;
  #verified: boolean;
  #usedCache = false;
  /** The digest of all blocks before `#hashed`. */
  #hash: Sha256 | undefined;
  #hashed = 0;

  constructor(remote: Remote, spec: RemoteFileSpec, opened: Opened) {
    this.name = spec.name ?? opened.reader.name;
    this.size = opened.size;
    this.#remote = remote;
    this.#opened = opened;
    this.#id = `${opened.key ?? spec.url.href} `;
    this.#expected = spec.sha256;
    this.#verified = opened.verified;
    if (this.#expected !== undefined && !this.#verified) this.#startHash();
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    throwIfAborted(signal, `loading ${this.name}`);
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) {
      throw new CheckpointError(
        `${this.name}: got a read of ${length} bytes at ${offset}, need one within the file's ${this.size}`,
      );
    }
    return this.#remote.inOrder(() => this.#read(offset, length, signal));
  }

  async #read(offset: number, length: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const at = offset + done;
      const block = await this.#block(Math.floor(at / BLOCK_BYTES), signal);
      const piece = block.subarray(at % BLOCK_BYTES, Math.min(block.length, (at % BLOCK_BYTES) + length - done));
      bytes.set(piece, done);
      done += piece.length;
    }
    return bytes;
  }

  async verify(digest: string | undefined, signal?: AbortSignal): Promise<void> {
    const expected = digest ?? this.#expected;
    if (expected === undefined || (this.#verified && expected === this.#expected)) return;
    this.#expected = expected;
    if (!this.#hash) this.#startHash();
    for (let index = this.#hashed; index * BLOCK_BYTES < this.size; index++)
      this.#addToHash(index, await this.#block(index, signal));
    const found = this.#hash!.hex();
    this.#hash = undefined;
    if (found !== expected) {
      throw new CheckpointError(`${this.name}: got SHA-256 ${found}, need ${expected}: damaged on the way or on the server`);
    }
    this.#verified = true;
    const { key } = this.#opened;
    if (key !== undefined) await this.#remote.options.cache.putEntry(key, { size: this.size, verified: true });
  }

  /** Takes an unverified file out of the cache. @returns whether any of it had come from there */
  async forget(): Promise<boolean> {
    const { key } = this.#opened;
    if (this.#verified || key === undefined) return false;
    this.#remote.drop(this.#id);
    await this.#remote.options.cache.evict(key, this.size);
    return this.#usedCache;
  }

  close(): Promise<void> {
    this.#opened.reader.disconnect();
    this.#remote.drop(this.#id);
    return Promise.resolve();
  }

  async #block(index: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const id = this.#id + index;
    const held = this.#remote.held(id);
    if (held) return held;
    return this.#remote.inTurn(async () => {
      // Another reader may have brought it meanwhile.
      const brought = this.#remote.held(id);
      if (brought) return brought;
      throwIfAborted(signal, `loading ${this.name}`);
      const block = await this.#fetchBlock(index, signal);
      this.#addToHash(index, block);
      this.#remote.hold(id, block);
      return block;
    });
  }

  async #fetchBlock(index: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { key, reader, whole } = this.#opened;
    const { cache } = this.#remote.options;
    const begin = index * BLOCK_BYTES;
    const length = Math.min(BLOCK_BYTES, this.size - begin);
    if (whole) return whole.subarray(begin, begin + length);
    const cached = key === undefined ? undefined : await cache.block(key, index);
    if (cached?.length === length) {
      this.#usedCache = true;
      return cached;
    }
    refuseOffline(this.#remote, reader);
    const block = this.#remote.newBlock(length);
    await this.#fetch(reader, begin, block, signal);
    if (key !== undefined) {
      // A verified file with a hole has to be verified again.
      if (this.#verified) {
        this.#verified = false;
        await cache.putEntry(key, { size: this.size, verified: false });
      } else if (index === 0) await cache.putEntry(key, { size: this.size, verified: false });
      await cache.putBlock(key, index, block);
    }
    return block;
  }

  async #fetch(reader: HttpReader, begin: number, block: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#remote.connect(reader).read(begin, block, signal);
    } catch (error) {
      if (signal?.aborted && !(error instanceof AbortError)) throwIfAborted(signal, `loading ${this.name}`);
      throw error;
    }
  }

  #startHash(): void {
    this.#hash = (this.#remote.options.createSha256 ?? createSha256)();
    this.#hashed = 0;
  }

  #addToHash(index: number, block: Uint8Array): void {
    if (!this.#hash || index !== this.#hashed) return;
    this.#hash.update(block);
    this.#hashed++;
  }
}
