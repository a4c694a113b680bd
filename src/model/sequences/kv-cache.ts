/**
 * Who has room in the KV cache: blocks and block tables of sequences, and from whom they are taken where
 * there are too few.
 */
import { offsetBy } from "../../kernels/pointer.ts";
import { BlockPool } from "./block-pool.ts";
import { BLOCK_TOKENS, type LayerCache } from "../layers/attention.ts";
import type { Placed, Workspace } from "../workspace/workspace.ts";
import type { Sequence } from "./sequence.ts";

/**
 * Where keys and values lie. A block of the pool has one number in all layers and workspaces, and each
 * workspace has a table of every sequence's blocks.
 */
export interface KvCacheMemory {
  readonly spaces: readonly Workspace[];
  /** One for each layer. */
  readonly caches: readonly Placed<LayerCache>[];
  readonly cacheBlocks: number;
  /** The latest tokens that a row sees in any layer; Infinity for all. */
  readonly window: number;
  /** Rows of a pass at most. */
  readonly maxRows: number;
}

export class KvCache {
  readonly memory: KvCacheMemory;
  readonly #pool: BlockPool;
  readonly #freeTables: number[];
  /** Those that hold a part of it. */
  readonly #holders = new Set<Sequence>();
  #clock = 0;

  constructor(memory: KvCacheMemory) {
    this.memory = memory;
    this.#freeTables = [...memory.spaces[0]!.blockTables.keys()];
    this.#pool = new BlockPool(memory.cacheBlocks, (from, to) => this.#copyBlock(from, to), memory.window);
  }

  /** Tokens of one sequence at most. */
  get mostTokens(): number {
    return this.#pool.tokens >= this.#mostHeld ? Infinity : this.#pool.tokens;
  }

  /** Tokens of the cache that a sequence of so many takes at most. */
  roomOf(tokens: number): number {
    return Math.min(tokens, this.#mostHeld);
  }

  /**
   * What a sequence of any length takes where all layers have windows: a window, a pass, and blocks that one
   * of them ends in or that are kept or copied (two before and two behind).
   */
  get #mostHeld(): number {
    const { window, maxRows } = this.memory;
    return window + maxRows + 4 * BLOCK_TOKENS;
  }

  /** Tokens in all, tokens that no sequence holds, and tokens that several hold together. */
  get tokens(): { readonly total: number; readonly free: number; readonly shared: number } {
    return { total: this.#pool.tokens, free: this.#pool.freeTokens, shared: this.#pool.sharedTokens };
  }

  /** Tokens that a new sequence can have without anybody who runs giving up room. */
  get availableTokens(): number {
    const running = [...this.#holders].filter(({ rank }) => rank !== undefined);
    const held = new Set(running.flatMap(({ held: { blocks } }) => blocks));
    return this.#pool.tokens - held.size * BLOCK_TOKENS;
  }

  /**
   * Makes room for the next rows of a sequence: a block table, and blocks that are its own.
   *
   * @param most of its tokens that may be found in blocks of others
   * @returns whether there was room
   */
  reserve(sequence: Sequence, rows: number, most: number): boolean {
    if (sequence.table === undefined) {
      while (this.#freeTables.length === 0) if (!this.#takeFrom(sequence, ({ table }) => table !== undefined)) return false;
      sequence.table = this.#freeTables.pop()!;
      this.#holders.add(sequence);
    }
    if (sequence.held.length === 0 && sequence.shares && most > 0) {
      this.#pool.truncate(sequence.held, 0);
      sequence.held = this.#pool.match(sequence.ids, most);
    }
    this.#pool.slide(sequence.held);
    const missing = Math.min(rows, sequence.length - sequence.held.length);
    while (!this.#pool.extend(sequence.held, missing)) {
      if (!this.#takeFrom(sequence, ({ held }) => held.blocks.length > 0)) return false;
    }
    this.#enterBlocks(sequence);
    sequence.used = ++this.#clock;
    return true;
  }

  /**
   * Makes room for the next rows of a sequence that has room for some, without taking it from others.
   * @returns for how many there is room
   */
  reserveFree(sequence: Sequence, rows: number): number {
    const { held } = sequence;
    if (!this.#pool.extend(held, rows)) return (held.passed + held.blocks.length) * BLOCK_TOKENS - held.length;
    this.#enterBlocks(sequence);
    return rows;
  }

  /** Says that the keys and values of `ids`, the next ones of a sequence, are there. */
  record({ held }: Sequence, ids: ArrayLike<number>): void {
    this.#pool.record(held, ids);
  }

  /** Lets go of a sequence's part behind `length` tokens. */
  release(sequence: Sequence, length: number): void {
    this.#pool.truncate(sequence.held, length);
    if (sequence.held.blocks.length > 0) return;
    if (sequence.table !== undefined) this.#freeTables.push(sequence.table);
    sequence.table = undefined;
    this.#holders.delete(sequence);
  }

  /**
   * Lets a sequence that has nothing go on behind blocks that none of its rows reads.
   * @returns whether that is so, of a row behind `tokens`
   */
  pass({ held }: Sequence, blocks: number, tokens: number): boolean {
    if (!this.#pool.reaches({ blocks: [], passed: blocks, length: tokens })) return false;
    held.passed = blocks;
    held.length = blocks * BLOCK_TOKENS;
    return true;
  }

  /** Lets a sequence that has nothing hold what another one does. */
  share(from: Sequence, to: Sequence): void {
    to.held = this.#pool.share(from.held);
    if (to.held.blocks.length > 0) this.#holders.add(to);
  }

  /** Keys and values of a block, or what a convolution keeps, layer by layer. */
  *blockViews(number: number): Generator<Uint8Array> {
    for (const { space, item: cache } of this.memory.caches) {
      const { blockBytes: bytes } = cache;
      for (const half of ["k", "v"] as const) yield space.kernels.u8(offsetBy(cache[half], number * bytes[half]), bytes[half]);
    }
  }

  /** Writes the block table of each workspace. */
  #enterBlocks({ table, held: { blocks, passed } }: Sequence): void {
    const numbers = blocks.map(({ number }) => number);
    for (const { kernels, blockTables } of this.memory.spaces) {
      kernels.i32(blockTables[table!]!, passed + numbers.length).set(numbers, passed);
    }
  }

  /** Takes all it has from a sequence that nobody runs, or that came later; says whether there was one. */
  #takeFrom(sequence: Sequence, has: (other: Sequence) => boolean): boolean {
    const later = [...this.#holders].filter(
      (other) => other !== sequence && has(other) && (other.rank === undefined || other.rank > (sequence.rank ?? Infinity)),
    );
    const idle = later.filter(({ rank }) => rank === undefined).toSorted((a, b) => a.used - b.used);
    const victim = idle[0] ?? later.toSorted((a, b) => b.rank! - a.rank!)[0];
    if (!victim) return false;
    this.release(victim, 0);
    return true;
  }

  #copyBlock(from: number, to: number): void {
    const targets = [...this.blockViews(to)];
    for (const [i, source] of [...this.blockViews(from)].entries()) targets[i]!.set(source);
  }
}
