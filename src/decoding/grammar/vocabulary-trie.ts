/**
 * The tokens of a vocabulary by the bytes they begin with: each node is followed by those that begin like it,
 * and knows the place behind them. So one pass from left to right visits every token, and skips those of
 * a beginning that is not allowed.
 */
import { SPECIAL_BYTE, specialBytes } from "./grammar.ts";

/** What is asked of a tokenizer. */
export interface VocabularyTokens {
  readonly vocabSize: number;
  readonly specialIds: ReadonlySet<number>;
  /** Undefined where no token has the id. */
  idToToken(id: number): string | undefined;
  /** The bytes a token adds to a text, made anew. */
  readBytes(id: number): Uint8Array;
}

/** Longer tokens are left out of constrained texts. */
const MOST_BYTES = 255;

export interface VocabularyTrie {
  readonly vocabSize: number;
  /** u8[nodes], the byte each adds. */
  readonly bytes: Uint8Array;
  /** u8[nodes], bytes before it. */
  readonly depths: Uint8Array;
  /** u32[nodes], the first node that does not begin like it. */
  readonly ends: Uint32Array;
  /** i32[nodes], a token that ends here; -1 for none. */
  readonly tokens: Int32Array;
  /** i32[V], the next token with the same bytes; -1 for none. */
  readonly same: Int32Array;
}

/** Bytes of a token as the grammar reads them; undefined for one that is in no text. */
export function grammarBytes(tokenizer: VocabularyTokens, id: number): Uint8Array | undefined {
  const token = tokenizer.idToToken(id);
  if (token === undefined) return undefined;
  const isSpecial = tokenizer.specialIds.has(id);
  const bytes = isSpecial ? specialBytes(token) : tokenizer.readBytes(id);
  if (bytes.length === 0 || bytes.length > MOST_BYTES) return undefined;
  return isSpecial || !bytes.includes(SPECIAL_BYTE) ? bytes : undefined;
}

export function vocabularyTrie(tokenizer: VocabularyTokens): VocabularyTrie {
  const { vocabSize } = tokenizer;
  const builder = new TrieBuilder(vocabSize);
  for (let id = 0; id < vocabSize; id++) {
    const bytes = grammarBytes(tokenizer, id);
    if (bytes) builder.add(bytes, id);
  }
  return builder.trie();
}

/** The node above all. */
const ROOT = 0;

/** Nodes in the order in which they come; what is below a node is found by a hash of it and the byte. */
class TrieBuilder {
  readonly #same: Int32Array;
  readonly #bytes: number[] = [0];
  readonly #tokens: number[] = [-1];
  readonly #firstBelow: number[] = [-1];
  readonly #nextBeside: number[] = [-1];
  /** Node and byte to the node below: open addressing, at most half full. */
  #keys = new Float64Array(1 << 16).fill(-1);
  #nodes = new Int32Array(1 << 16);

  constructor(vocabSize: number) {
    this.#same = new Int32Array(vocabSize).fill(-1);
  }

  add(bytes: Uint8Array, id: number): void {
    let node = ROOT;
    for (const byte of bytes) node = this.#below(node, byte);
    this.#same[id] = this.#tokens[node]!;
    this.#tokens[node] = id;
  }

  #below(node: number, byte: number): number {
    const key = node * 256 + byte;
    let slot = this.#slotOf(key);
    if (this.#keys[slot] === key) return this.#nodes[slot]!;
    if (2 * this.#bytes.length > this.#keys.length) {
      this.#grow();
      slot = this.#slotOf(key);
    }
    const below = this.#bytes.push(byte) - 1;
    this.#tokens.push(-1);
    this.#firstBelow.push(-1);
    this.#nextBeside.push(this.#firstBelow[node]!);
    this.#firstBelow[node] = below;
    this.#keys[slot] = key;
    this.#nodes[slot] = below;
    return below;
  }

  #slotOf(key: number): number {
    const mask = this.#keys.length - 1;
    let slot = Math.imul(key, 0x9e3779b1) >>> 8;
    for (slot &= mask; this.#keys[slot] !== -1 && this.#keys[slot] !== key;) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [keys, nodes] = [this.#keys, this.#nodes];
    this.#keys = new Float64Array(2 * keys.length).fill(-1);
    this.#nodes = new Int32Array(2 * keys.length);
    for (const [i, key] of keys.entries()) {
      if (key < 0) continue;
      const slot = this.#slotOf(key);
      this.#keys[slot] = key;
      this.#nodes[slot] = nodes[i]!;
    }
  }

  /** All nodes but the root, each followed by those below it. */
  trie(): VocabularyTrie {
    const count = this.#bytes.length - 1;
    const [bytes, depths] = [new Uint8Array(count), new Uint8Array(count)];
    const [ends, tokens] = [new Uint32Array(count), new Int32Array(count)];
    let place = 0;
    const visit = (node: number, depth: number) => {
      for (let below = this.#firstBelow[node]!; below >= 0; below = this.#nextBeside[below]!) {
        const at = place++;
        bytes[at] = this.#bytes[below]!;
        depths[at] = depth;
        tokens[at] = this.#tokens[below]!;
        visit(below, depth + 1);
        ends[at] = place;
      }
    };
    visit(ROOT, 0);
    return { vocabSize: this.#same.length, bytes, depths, ends, tokens, same: this.#same };
  }
}
