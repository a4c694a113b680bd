/**
 * The common means of the files of one remote model: a client, a cache, one connection at a time, and a few
 * blocks in memory.
 */
import type { CreateSha256 } from "../checkpoint/sha256.ts";
import { type BlockCache, newBlock } from "./block-cache.ts";
import type { HttpClient } from "./http-client.ts";
import type { HttpReader } from "./http-reader.ts";

/**
 * Blocks in memory, over all files of a model: where scales and weights are read in turn, each needs one, and
 * one may lie between.
 */
const HELD_BLOCKS = 4;

export interface RemoteOptions {
  readonly client: HttpClient;
  readonly cache: BlockCache;
  /** Nothing is asked of the network. */
  readonly offline?: boolean | undefined;
  readonly createSha256?: CreateSha256 | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

export class Remote {
  readonly options: RemoteOptions;
  /** Opened since the cache was last asked to forget. */
  readonly files = new Set<{ forget(): Promise<boolean> }>();
  readonly #held = new Map<string, Uint8Array>();
  #spare: Uint8Array | undefined;
  #connected: HttpReader | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #lastRead: Promise<unknown> = Promise.resolve();
  /** A server did not answer, and the cache stood in for it. */
  isUnreachable = false;
  #warned = false;

  constructor(options: RemoteOptions) {
    this.options = options;
  }

  /**
   * Runs one piece of work after another: readers that took turns on one connection would break it each time.
   */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /**
   * Runs one read after another, in the order in which they were asked for, each with all of its blocks:
   * those of reads side by side would be asked for in turn, and the connection go back and forth.
   */
  inOrder<T>(read: () => Promise<T>): Promise<T> {
    const result = this.#lastRead.then(read, read);
    this.#lastRead = result.catch(() => undefined);
    return result;
  }

  /**
   * The connection that is open from now on. A browser opens six to a host, and a paused one is a broken one
   * later.
   */
  connect(reader: HttpReader): HttpReader {
    if (this.#connected !== reader) this.#connected?.disconnect();
    this.#connected = reader;
    return reader;
  }

  held(key: string): Uint8Array | undefined {
    const block = this.#held.get(key);
    if (block) this.hold(key, block);
    return block;
  }

  /** The block used last is dropped last. */
  hold(key: string, block: Uint8Array): void {
    this.#held.delete(key);
    this.#held.set(key, block);
    for (const [oldest, dropped] of this.#held) {
      if (this.#held.size <= HELD_BLOCKS) break;
      this.#held.delete(oldest);
      this.#spare = dropped;
    }
  }

  /**
   * An empty block, in the memory of the one dropped last: engines collect large buffers late, and a file
   * would pass through memory as garbage. Whoever reads copies at once, long before a block just brought is
   * the oldest of four.
   */
  newBlock(length: number): Uint8Array {
    const block = newBlock(length, this.#spare);
    this.#spare = undefined;
    return block;
  }

  drop(prefix: string): void {
    for (const key of this.#held.keys()) if (key.startsWith(prefix)) this.#held.delete(key);
  }

  warnOnce(message: string): void {
    if (!this.#warned) this.options.onWarning?.(message);
    this.#warned = true;
  }

  /** `ModelLocation.forgetUnverified` */
  async forgetUnverified(): Promise<boolean> {
    const forgotten = await Promise.all([...this.files].map((file) => file.forget()));
    this.files.clear();
    return forgotten.includes(true);
  }
}
