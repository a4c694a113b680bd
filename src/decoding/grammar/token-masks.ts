/** Which tokens may come at a position of a grammar: a bit for each of the vocabulary. */
import { OptionError } from "../../errors.ts";
import { addTokens, type AutomatonMasks, type TokenMask } from "./automaton-masks.ts";
import type { Position, Recognizer } from "./recognizer.ts";
import { grammarBytes, type VocabularyTokens } from "./vocabulary-trie.ts";

/** Masks that are kept, the latest: 19 kB each for 150,000 tokens. */
const MOST_MASKS = 64;
/** Stacks that may be followed for one mask; some seconds. Grammars in use take some thousand. */
const MOST_WORK = 3_000_000;

export class TokenMasks {
  readonly #recognizer: Recognizer;
  readonly #automata: AutomatonMasks;
  readonly #tokenizer: VocabularyTokens;
  readonly #masks = new Map<Position, TokenMask>();

  constructor(recognizer: Recognizer, automata: AutomatonMasks, tokenizer: VocabularyTokens) {
    this.#recognizer = recognizer;
    this.#automata = automata;
    this.#tokenizer = tokenizer;
  }

  get start(): Position {
    return this.#recognizer.start;
  }

  /** The position after a token; null where it may not come. */
  after(position: Position, id: number): Position | null {
    const bytes = grammarBytes(this.#tokenizer, id);
    if (!bytes) return null;
    let at: Position | null = position;
    for (const byte of bytes) if (at) at = this.#recognizer.after(at, byte);
    return at;
  }

  /**
   * Tokens that may come, those that end a text aside.
   * @throws OptionError where finding them takes too long
   */
  of(position: Position): TokenMask {
    const known = this.#masks.get(position);
    if (known) this.#masks.delete(position);
    const mask = known ?? this.#find(position);
    this.#masks.set(position, mask);
    if (this.#masks.size > MOST_MASKS) this.#masks.delete(this.#masks.keys().next().value!);
    return mask;
  }

  #find(position: Position): TokenMask {
    const mask: TokenMask = new Uint32Array(Math.ceil(this.#automata.trie.vocabSize / 32));
    const most = this.#recognizer.work + MOST_WORK;
    for (const { automaton, state, alone, isLast } of this.#recognizer.ways(position)) {
      const { inside, exits } = this.#automata.of(automaton, state);
      for (let word = 0; word < mask.length; word++) mask[word]! |= inside[word]!;
      for (const { node, bytes } of isLast ? [] : exits) {
        let at: Position | null = alone;
        for (const byte of bytes) if (at) at = this.#recognizer.after(at, byte);
        if (at) this.#walkBelow(node, at, mask, most);
      }
    }
    return mask;
  }

  /** Adds the tokens that go on below a node of the trie, from the position there. */
  #walkBelow(top: number, position: Position, mask: TokenMask, most: number): void {
    const { bytes, depths, ends, tokens, same } = this.#automata.trie;
    const { of } = this.#recognizer.classes;
    /** The position before each byte of the node at hand. */
    const path: Position[] = [position];
    const begin = depths[top]! + 1;
    for (let node = top + 1; node < ends[top]!;) {
      const depth = depths[node]! - begin;
      const from = path[depth]!;
      const known = from.next[of[bytes[node]!]!];
      const to = known === undefined ? this.#recognizer.after(from, bytes[node]!) : known;
      if (to === null) {
        node = ends[node]!;
        continue;
      }
      if (known === undefined && this.#recognizer.work > most)
        throw new OptionError(`grammar: got one that takes more than ${MOST_WORK} steps for a token, need a simpler one`);
      path[depth + 1] = to;
      addTokens(mask, tokens[node]!, same);
      node++;
    }
  }
}
