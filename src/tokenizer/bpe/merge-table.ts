/**
 * Merges by the ids of their tokens: a hash table with open addressing over typed arrays. A `Map` keyed by a
 * text of both tokens took most of the time of encoding, and several times the memory.
 */
export class MergeTable {
  readonly #mask: number;
  readonly #left: Int32Array;
  readonly #right: Int32Array;
  readonly #rank: Int32Array;
  readonly #merged: Int32Array;

  /** @param most how many merges will be set, at most */
  constructor(most: number) {
    // At most half full, so that probes are short.
    const places = 2 ** Math.ceil(Math.log2(2 * most + 2));
    this.#mask = places - 1;
    this.#left = new Int32Array(places).fill(-1);
    this.#right = new Int32Array(places);
    this.#rank = new Int32Array(places);
    this.#merged = new Int32Array(places);
  }

  /** The last merge of a pair counts. */
  set(left: number, right: number, rank: number, merged: number): void {
    const at = this.#place(left, right);
    this.#left[at] = left;
    this.#right[at] = right;
    this.#rank[at] = rank;
    this.#merged[at] = merged;
  }

  /** @returns a place for `rank` and `merged`; -1 if these do not merge */
  find(left: number, right: number): number {
    const at = this.#place(left, right);
    return this.#left[at] === left ? at : -1;
  }

  rank(place: number): number {
    return this.#rank[place]!;
  }

  /** Id of the token that the two become. */
  merged(place: number): number {
    return this.#merged[place]!;
  }

  #place(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    for (let at = hash & this.#mask; ; at = (at + 1) & this.#mask) {
      const there = this.#left[at]!;
      if (there === -1 || (there === left && this.#right[at] === right)) return at;
    }
  }
}
