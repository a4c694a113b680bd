/** What one generation may say: a grammar over the tokens of a model. */
import { UnsupportedModelError } from "../../errors.ts";
import { AutomatonMasks } from "./automaton-masks.ts";
import type { Grammar } from "./grammar.ts";
import { type Position, recognizerOf } from "./recognizer.ts";
import { TokenMasks } from "./token-masks.ts";
import { vocabularyTrie, type VocabularyTokens } from "./vocabulary-trie.ts";

/** What is known of a tokenizer, for as long as there is one; of a grammar, as long as it is kept. */
const tokenizers = new WeakMap<VocabularyTokens, { automata: AutomatonMasks; masks: WeakMap<Grammar, TokenMasks> }>();

/** 32 tokens that all may come, as most do where a text is free. */
const ALL_OF_WORD = 0xffffffff;

export class TokenConstraint {
  readonly #grammar: Grammar;
  readonly #tokenizer: VocabularyTokens;
  readonly #endTokenIds: readonly number[];
  /** Where the text got to after each token, the start first. */
  readonly #positions: Position[] = [];
  readonly #tokens: number[] = [];

  /** @throws OptionError for a grammar that cannot be carried out */
  constructor(grammar: Grammar, tokenizer: VocabularyTokens, endTokenIds: readonly number[]) {
    this.#grammar = grammar;
    this.#tokenizer = tokenizer;
    this.#endTokenIds = endTokenIds;
    this.#positions.push(recognizerOf(grammar).start);
  }

  /** Looks at the vocabulary, which takes a while the first time. */
  prepare(): void {
    void this.#masks;
  }

  /** Whether the text is whole, and nothing may follow it. @param generated ids that the grammar allows */
  isOver(generated: readonly number[]): boolean {
    return !this.#after(generated).goesOn;
  }

  allows(id: number, generated: readonly number[]): boolean {
    const position = this.#after(generated);
    if (this.#endTokenIds.includes(id)) return position.isEnd;
    return this.#masks.after(position, id) !== null;
  }

  /**
   * Makes the logits of tokens that may not come -Infinity.
   *
   * @param logits f32[V]; rows beyond the vocabulary are no tokens
   * @throws UnsupportedModelError if no token may come
   */
  apply(logits: Float32Array, generated: readonly number[]): void {
    const position = this.#after(generated);
    const mask = this.#masks.of(position);
    const ends = this.#endTokenIds.map((id) => [id, logits[id]!] as const);
    let any = position.isEnd && ends.length > 0;
    for (let word = 0; word * 32 < logits.length; word++) {
      const allowed = mask[word] ?? 0;
      any ||= allowed !== 0;
      const begin = word * 32;
      const end = Math.min(begin + 32, logits.length);
      if (allowed === ALL_OF_WORD) continue;
      if (allowed === 0) logits.fill(-Infinity, begin, end);
      else for (let id = begin; id < end; id++) if (((allowed >>> (id - begin)) & 1) === 0) logits[id] = -Infinity;
    }
    for (const [id, logit] of ends) logits[id] = position.isEnd ? logit : -Infinity;
    if (!any) throw new UnsupportedModelError("tokenizer: got no token that goes on with the grammar, need one");
  }

  /** Drafts may be drawn that are given up again: what is not in `generated` any more is forgotten. */
  #after(generated: readonly number[]): Position {
    let shared = 0;
    while (shared < this.#tokens.length && this.#tokens[shared] === generated[shared]) shared++;
    this.#tokens.length = shared;
    this.#positions.length = shared + 1;
    for (const id of generated.slice(shared)) {
      const position = this.#masks.after(this.#positions.at(-1)!, id);
      if (!position) throw new RangeError(`token ${id} does not follow the grammar`);
      this.#positions.push(position);
      this.#tokens.push(id);
    }
    return this.#positions.at(-1)!;
  }

  get #masks(): TokenMasks {
    let known = tokenizers.get(this.#tokenizer);
    if (!known) {
      known = { automata: new AutomatonMasks(vocabularyTrie(this.#tokenizer)), masks: new WeakMap() };
      tokenizers.set(this.#tokenizer, known);
    }
    let masks = known.masks.get(this.#grammar);
    if (!masks) {
      masks = new TokenMasks(recognizerOf(this.#grammar), known.automata, this.#tokenizer);
      known.masks.set(this.#grammar, masks);
    }
    return masks;
  }
}
