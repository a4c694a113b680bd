/**
 * Foretells the next tokens of a text from what it said before: the longest ending of the text that was there
 * earlier, and what followed it then.
 *
 * Prompt lookup (Saxena, "Prompt lookup decoding", 2023; `prompt_lookup_num_tokens` of transformers, the
 * ngram proposer of vLLM, llama.cpp's lookup) searches the text anew for each draft. Here each token is
 * entered into an index once and each search looks at a few places, as deflate's hash chains and the match
 * model of lpaq (Mahoney, 2007) do: work per token is bounded, whatever the text.
 */

/** Endings that are looked up, the longer first: a pair alone foretells little, a triple is often missing. */
const GRAMS = [3, 2] as const;
/** Places looked at for each of them, the latest first. */
const MOST_PLACES = 8;
/** Ids compared backwards from a place; matches beyond it all foretell equally well. */
export const LONGEST_MATCH = 32;

/** Places of one n-gram after another: the latest by hash, and before each place the one before it. */
class Chains {
  readonly gram: number;
  readonly #latest: Int32Array;
  readonly #earlier: Int32Array;

  constructor(gram: number, capacity: number) {
    this.gram = gram;
    this.#latest = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, capacity))));
    this.#earlier = new Int32Array(capacity + 1);
  }

  /** Enters the n-gram that ends before `place`; gives the place with the same hash before it, 0 for none. */
  enter(ids: Int32Array, place: number): number {
    let hash = 0;
    for (let i = place - this.gram; i < place; i++) hash = Math.imul(hash ^ ids[i]!, 0x9e3779b1) ^ (hash >>> 15);
    const slot = (hash ^ (hash >>> 16)) & (this.#latest.length - 1);
    const before = this.#latest[slot]!;
    this.#earlier[place] = before;
    this.#latest[slot] = place;
    return before;
  }

  before(place: number): number {
    return this.#earlier[place]!;
  }
}

export class MatchModel {
  readonly #ids: Int32Array;
  readonly #chains: readonly Chains[];
  #count = 0;
  /** Where the id lies that followed the match; 0 for no match. */
  #place = 0;
  #length = 0;

  /** @param capacity ids it can take, at most */
  constructor(capacity: number) {
    this.#ids = new Int32Array(capacity);
    this.#chains = GRAMS.map((gram) => new Chains(gram, capacity));
  }

  /** How many of the last ids were there before, at most 32; 0 for no match, else 2 or more. */
  get length(): number {
    return this.#length;
  }

  /** The next id, as far as it is foretold. */
  get next(): number | undefined {
    return this.#length === 0 ? undefined : this.#ids[this.#place];
  }

  /** Takes the next id of the text. */
  push(id: number): void {
    const goesOn = this.#length > 0 && this.#ids[this.#place] === id;
    this.#ids[this.#count++] = id;
    const end = this.#count;
    this.#length = goesOn ? Math.min(this.#length + 1, LONGEST_MATCH) : 0;
    this.#place = goesOn ? this.#place + 1 : 0;
    for (const chains of this.#chains) {
      if (end < chains.gram) continue;
      let place = chains.enter(this.#ids, end);
      for (let looked = 0; place > 0 && looked < MOST_PLACES && this.#length < LONGEST_MATCH; looked++) {
        const length = this.#common(place, end);
        if (length >= chains.gram && length > this.#length) [this.#place, this.#length] = [place, length];
        place = chains.before(place);
      }
    }
  }

  /**
   * The next ids, `most` of them; none without a match. Where the match reaches the end of the text, it goes
   * on with what it has foretold: a text that repeats itself is foretold for ever.
   */
  draft(most: number): number[] {
    const draft: number[] = [];
    if (this.#length === 0) return draft;
    const there = this.#count - this.#place;
    for (let i = 0; i < most; i++) draft.push(i < there ? this.#ids[this.#place + i]! : draft[i - there]!);
    return draft;
  }

  /** How many ids before two places are the same. */
  #common(place: number, end: number): number {
    const most = Math.min(place, LONGEST_MATCH);
    let length = 0;
    while (length < most && this.#ids[place - 1 - length] === this.#ids[end - 1 - length]) length++;
    return length;
  }
}
