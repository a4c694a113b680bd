/**
 * Tokens that an automaton reads to their end: they may come wherever the automaton is in that state,
 * whatever follows it. So most of the work for a position, all tokens inside of a string above all, is done
 * once for a vocabulary.
 */
import type { Automaton } from "./regular/automaton.ts";
import type { VocabularyTrie } from "./vocabulary-trie.ts";

/** u32[V / 32], the bit of each token that may come. */
export type TokenMask = Uint32Array;

/** Where tokens go on behind a text that the automaton may end with. */
export interface Exit {
  readonly node: number;
  /** The bytes up to the node, it included. */
  readonly bytes: Uint8Array;
}

export interface StateTokens {
  readonly inside: TokenMask;
  /** None is below another. */
  readonly exits: readonly Exit[];
}

/** States that are remembered, the latest. */
const MOST_STATES = 256;

export class AutomatonMasks {
  readonly trie: VocabularyTrie;
  readonly #ids = new WeakMap<Automaton, number>();
  readonly #known = new Map<string, StateTokens>();
  #count = 0;

  constructor(trie: VocabularyTrie) {
    this.trie = trie;
  }

  of(automaton: Automaton, state: number): StateTokens {
    let id = this.#ids.get(automaton);
    if (id === undefined) this.#ids.set(automaton, (id = this.#count++));
    const key = `${id},${state}`;
    const found = this.#known.get(key) ?? this.#find(automaton, state);
    this.#known.delete(key);
    this.#known.set(key, found);
    if (this.#known.size > MOST_STATES) this.#known.delete(this.#known.keys().next().value!);
    return found;
  }

  #find({ classes, next, accepts }: Automaton, start: number): StateTokens {
    const { bytes, depths, ends, tokens, same, vocabSize } = this.trie;
    const C = classes.bytes.length;
    const inside = new Uint32Array(Math.ceil(vocabSize / 32));
    const exits: Exit[] = [];
    /** The state before each byte of the node at hand, and the node. */
    const states = new Int32Array(257);
    const path = new Uint8Array(257);
    states[0] = start;
    for (let node = 0, exitEnd = 0; node < bytes.length;) {
      const depth = depths[node]!;
      const byte = bytes[node]!;
      const state = next[states[depth]! * C + classes.of[byte]!]!;
      if (state < 0) {
        node = ends[node]!;
        continue;
      }
      states[depth + 1] = state;
      path[depth] = byte;
      if (tokens[node]! >= 0) addTokens(inside, tokens[node]!, same);
      if (accepts[state] === 1 && node >= exitEnd && ends[node]! > node + 1) {
        exits.push({ node, bytes: path.slice(0, depth + 1) });
        exitEnd = ends[node]!;
      }
      node++;
    }
    return { inside, exits };
  }
}

/** Sets the bits of the tokens with the same bytes as one; of none if it is -1. */
export function addTokens(mask: TokenMask, first: number, same: Int32Array): void {
  for (let id = first; id >= 0; id = same[id]!) mask[id >>> 5]! |= 1 << (id & 31);
}
