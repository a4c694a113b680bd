/**
 * The KV cache as a pool of blocks of 64 tokens with reference counts. Sequences that begin alike share
 * blocks; a shared block is copied before it is written. Blocks that nobody holds keep what they have until
 * their place is needed, so that a later sequence may find it.
 *
 * What a block holds depends on all tokens before it, so blocks form a tree: a block is known by the one
 * before it and its own tokens.
 *
 * Where every layer sees a window of the latest tokens only, a sequence lets go of blocks that none of its
 * later rows reads. It can go back as far as what it holds reaches; before that it has nothing.
 */
import { BLOCK_TOKENS } from "../layers/attention.ts";

/** A place in the pool, and what is there. */
export class CacheBlock {
  /** Place in the pool. */
  readonly number: number;
  /** Sequences that hold it. */
  references = 0;
  /** The tokens whose keys and values it has, at most 64. */
  tokens: number[] = [];
  /** The block before it; undefined for the first of a sequence. */
  parent: CacheBlock | undefined;
  readonly children = new Set<CacheBlock>();
  /** When it was let go: the smallest is taken first. */
  released = 0;

  constructor(number: number) {
    this.number = number;
  }
}

/** What a sequence holds of the pool. */
export interface HeldBlocks {
  readonly blocks: CacheBlock[];
  /** How many blocks before them it has let go of, where layers have windows. */
  passed: number;
  /** Tokens of them that are the sequence's; the last block may have others behind. */
  length: number;
  /** Whether what the last block has behind them is of another text, and worth keeping. */
  found?: boolean;
}

export class BlockPool {
  readonly #blocks: readonly CacheBlock[];
  /** First blocks of sequences. */
  readonly #roots = new Set<CacheBlock>();
  /** Whose text begins in a block that has another one by now: nobody finds them. */
  readonly #lost = new CacheBlock(-1);
  readonly #copy: (from: number, to: number) => void;
  readonly #window: number;
  #free: number;
  #clock = 0;

  /**
   * @param copy copies a block's keys and values of all layers
   * @param window the latest tokens that a row sees in any layer; Infinity for all
   */
  constructor(blocks: number, copy: (from: number, to: number) => void, window = Infinity) {
    this.#blocks = Array.from({ length: blocks }, (_, number) => new CacheBlock(number));
    this.#copy = copy;
    this.#window = window;
    this.#free = blocks;
  }

  /** Tokens it has room for in all. */
  get tokens(): number {
    return this.#blocks.length * BLOCK_TOKENS;
  }

  /** Tokens in blocks that no sequence holds. */
  get freeTokens(): number {
    return this.#free * BLOCK_TOKENS;
  }

  /** Tokens in blocks that more than one sequence holds. */
  get sharedTokens(): number {
    return this.#blocks.filter(({ references }) => references > 1).length * BLOCK_TOKENS;
  }

  /**
   * Holds the blocks that begin as `ids` do, for at most `most` tokens: nothing of them need be computed
   * again.
   */
  match(ids: ArrayLike<number>, most: number): HeldBlocks {
    const held: HeldBlocks = { blocks: [], passed: 0, length: 0 };
    for (let parent: CacheBlock | undefined; held.length < most; parent = held.blocks.at(-1)) {
      let [best, longest]: [CacheBlock | undefined, number] = [undefined, 0];
      for (const block of parent ? parent.children : this.#roots) {
        const common = commonTokens(block, ids, held.length, most);
        if (common > longest) [best, longest] = [block, common];
      }
      if (!best) break;
      this.#hold(best);
      held.blocks.push(best);
      held.length += longest;
      held.found = longest < best.tokens.length;
      if (longest < BLOCK_TOKENS) break;
    }
    return held;
  }

  /** Holds the same blocks once more. */
  share({ blocks, passed, length }: HeldBlocks): HeldBlocks {
    for (const block of blocks) this.#hold(block);
    return { blocks: [...blocks], passed, length };
  }

  /**
   * Lets go of blocks that no row from here on reads, but for one, so that the last few tokens can be taken
   * back.
   */
  slide(held: HeldBlocks): void {
    const { blocks } = held;
    const unread = this.#firstRead(held.length) - 1 - held.passed;
    if (unread <= 0) return;
    for (const block of blocks.splice(0, unread)) this.#release(block);
    held.passed += unread;
  }

  /**
   * Makes room for `count` more tokens behind those held: the last block is the sequence's own then, and has
   * nothing behind its tokens. Where another text goes on in it, that text keeps it if there is room for
   * both.
   * @returns whether there was room; if not, nothing has changed
   */
  extend(held: HeldBlocks, count: number): boolean {
    const { blocks, length } = held;
    const last = blocks.at(-1);
    const within = length % BLOCK_TOKENS;
    const added = Math.ceil((length + count) / BLOCK_TOKENS) - held.passed - blocks.length;
    const isShared = last !== undefined && within > 0 && last.references > 1;
    if (added + (isShared ? 1 : 0) > this.#free) return false;
    const copies = isShared || (last !== undefined && within > 0 && held.found === true && added < this.#free);
    held.found = false;
    if (copies) {
      const own = this.#take();
      this.#putBehind(last.parent, own);
      this.#copy(last.number, own.number);
      own.tokens = last.tokens.slice(0, within);
      blocks[blocks.length - 1] = own;
      this.#release(last);
    } else if (last && within > 0 && last.tokens.length > within) this.#cut(last, within);
    for (let i = 0; i < added; i++) {
      const own = this.#take();
      this.#putBehind(blocks.at(-1) ?? (held.passed > 0 ? this.#lost : undefined), own);
      blocks.push(own);
    }
    return true;
  }

  /**
   * Says that the keys and values of `ids`, the next ones of a sequence, are in the blocks `extend` gave it.
   */
  record(held: HeldBlocks, ids: ArrayLike<number>): void {
    for (let i = 0; i < ids.length; i++) {
      held.blocks[Math.floor(held.length++ / BLOCK_TOKENS) - held.passed]!.tokens.push(ids[i]!);
    }
  }

  /** Lets go of what lies behind `length` tokens; of all, if a block that the next row reads is gone. */
  truncate(held: HeldBlocks, length: number): void {
    held.length = Math.min(held.length, length);
    this.#goBack(held, this.#firstRead(held.length));
    if (!this.reaches(held)) held.length = 0;
    if (held.length === 0) held.passed = 0;
    const kept = Math.ceil(held.length / BLOCK_TOKENS) - held.passed;
    // From the end, so that a block is taken before those it depends on.
    while (held.blocks.length > kept) this.#release(held.blocks.pop()!);
  }

  /** Whether all is there that the next row reads. */
  reaches({ passed, length }: HeldBlocks): boolean {
    return this.#firstRead(length) >= passed;
  }

  /** Holds blocks again that it has let go of, from the last of them to `first`, as far as they are there. */
  #goBack(held: HeldBlocks, first: number): void {
    while (held.passed > first) {
      // Where the one before has another text by now, this one is lost.
      const before = held.blocks[0]?.parent;
      if (!before || before === this.#lost) return;
      this.#hold(before);
      held.blocks.unshift(before);
      held.passed--;
    }
  }

  /** The first block that the row behind `length` tokens reads. */
  #firstRead(length: number): number {
    return Math.max(0, Math.floor((length - this.#window + 1) / BLOCK_TOKENS));
  }

  #hold(block: CacheBlock): void {
    if (block.references++ === 0) this.#free--;
  }

  #release(block: CacheBlock): void {
    if (--block.references > 0) return;
    block.released = ++this.#clock;
    this.#free++;
  }

  /** A block nobody holds, the one let go first, empty, and of no text. */
  #take(): CacheBlock {
    let oldest: CacheBlock | undefined;
    for (const block of this.#blocks) {
      if (block.references === 0 && (!oldest || block.released < oldest.released)) oldest = block;
    }
    const block = oldest!;
    this.#cut(block, 0);
    this.#putBehind(this.#lost, block);
    this.#hold(block);
    return block;
  }

  #putBehind(parent: CacheBlock | undefined, block: CacheBlock): void {
    this.#siblings(block).delete(block);
    block.parent = parent;
    this.#siblings(block).add(block);
  }

  /** Forgets a block's tokens from `length` on, and what depends on them. */
  #cut(block: CacheBlock, length: number): void {
    block.tokens.length = Math.min(block.tokens.length, length);
    for (const child of block.children) {
      // Who holds it has let go of this block: it has what it had, but begins with nothing that can be found.
      if (child.references > 0) this.#putBehind(this.#lost, child);
      else this.#cut(child, 0);
    }
  }

  #siblings({ parent }: CacheBlock): Set<CacheBlock> {
    return parent ? parent.children : this.#roots;
  }
}

/** How many tokens a block has in common with `ids` from `begin` on, below `end`. */
function commonTokens({ tokens }: CacheBlock, ids: ArrayLike<number>, begin: number, end: number): number {
  const most = Math.min(tokens.length, end - begin);
  let common = 0;
  while (common < most && tokens[common] === ids[begin + common]) common++;
  return common;
}
