/**
 * Merges of one piece in their order: a binary heap of the pairs that may merge, by rank and then by place.
 * Entries whose pair has changed since are left in it and skipped, as in Rust's `tokenizers`
 * (`models/bpe/word.rs`).
 */
import type { MergeTable } from "./merge-table.ts";

/** Places are below this, ranks below 2^22, so that rank and place together are exact in a double. */
const PLACES = 2 ** 30;

export class MergeQueue {
  /** rank * PLACES + place */
  readonly #keys: number[] = [];
  readonly #merged: number[] = [];

  /**
   * @param symbols ids of the characters; overwritten
   * @returns ids of the tokens they become
   */
  merge(symbols: number[], merges: MergeTable): number[] {
    const { length } = symbols;
    if (length < 2) return symbols;
    const previous = new Int32Array(length);
    const next = new Int32Array(length);
    for (let i = 0; i < length; i++) {
      previous[i] = i - 1;
      next[i] = i + 1 < length ? i + 1 : -1;
    }
    const offer = (at: number): void => {
      const found = merges.find(symbols[at]!, symbols[next[at]!]!);
      if (found >= 0) this.#push(merges.rank(found) * PLACES + at, merges.merged(found));
    };
    for (let i = 0; i + 1 < length; i++) offer(i);
    while (this.#keys.length > 0) {
      const at = this.#keys[0]! % PLACES;
      const merged = this.#merged[0]!;
      this.#pop();
      // -1 marks a symbol that went into the one on its left.
      const right = next[at]!;
      if (symbols[at] === -1 || right === -1) continue;
      const found = merges.find(symbols[at]!, symbols[right]!);
      if (found < 0 || merges.merged(found) !== merged) continue;
      symbols[at] = merged;
      symbols[right] = -1;
      const after = next[right]!;
      next[at] = after;
      if (after !== -1) previous[after] = at;
      if (previous[at] !== -1) offer(previous[at]!);
      if (after !== -1) offer(at);
    }
    return symbols.filter((id) => id !== -1);
  }

  #push(key: number, merged: number): void {
    const keys = this.#keys;
    let at = keys.push(key) - 1;
    this.#merged.push(merged);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[at] = keys[parent]!;
      this.#merged[at] = this.#merged[parent]!;
      at = parent;
    }
    keys[at] = key;
    this.#merged[at] = merged;
  }

  /** Takes the first away: the last sinks from the top to its place. */
  #pop(): void {
    const keys = this.#keys;
    const key = keys.pop()!;
    const merged = this.#merged.pop()!;
    const { length } = keys;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= key) break;
      keys[at] = keys[child]!;
      this.#merged[at] = this.#merged[child]!;
      at = child;
    }
    keys[at] = key;
    this.#merged[at] = merged;
  }
}
