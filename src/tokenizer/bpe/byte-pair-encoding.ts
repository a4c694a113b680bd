/**
 * Byte-pair encoding of one piece of text: its characters, then the merge of lowest rank again and again, the
 * leftmost of equals first, as Rust's `tokenizers` carries it out (`models/bpe/`).
 *
 * A merge is looked up by the ids of its two tokens, and a heap gives the next one: n log n in the length of
 * a piece, whatever the merges.
 */
import { CheckpointError } from "../../errors.ts";
import type { BpeModel } from "../tokenizer-json.ts";
import { MergeQueue } from "./merge-queue.ts";
import { MergeTable } from "./merge-table.ts";

/** Longer pieces are rare, so remembering them would cost more than it saves. */
const LONGEST_CACHED = 256;
/** Pieces remembered; when they are that many, all are forgotten. A text of 100 kB has a few thousand. */
const MOST_CACHED = 10_000;

const utf8 = new TextEncoder();

export class BytePairEncoding {
  /** Entries of the tables, for an estimate of memory. */
  readonly entries: number;
  readonly #model: Omit<BpeModel, "merges">;
  readonly #name: string;
  readonly #unknown: number | undefined;
  readonly #byteIds: readonly (number | undefined)[];
  readonly #merges: MergeTable;
  readonly #queue = new MergeQueue();
  readonly #known = new Map<string, readonly number[]>();

  /** @throws CheckpointError if a merge's tokens are not in the vocabulary */
  constructor({ merges, ...model }: BpeModel, name: string) {
    this.#model = model;
    this.entries = model.vocab.size + merges.length;
    this.#name = name;
    const { vocab } = model;
    this.#unknown = model.unknown === undefined ? undefined : vocab.get(model.unknown);
    const hex = (byte: number) => byte.toString(16).toUpperCase().padStart(2, "0");
    this.#byteIds = Array.from({ length: 256 }, (_, byte) => vocab.get(`<0x${hex(byte)}>`));
    this.#merges = new MergeTable(merges.length);
    const prefix = model.continuingPrefix.length;
    // Loops of this many rounds are done before an engine has compiled them, so they take nothing apart.
    for (let rank = 0; rank < merges.length; rank++) {
      const pair = merges[rank]!;
      const left = pair[0];
      const right = pair[1];
      const leftId = vocab.get(left);
      const rightId = vocab.get(right);
      const merged = vocab.get(prefix === 0 ? left + right : left + right.slice(prefix));
      if (leftId === undefined || rightId === undefined || merged === undefined) {
        throw new CheckpointError(
          `${name}: tokenizer.json: merges: got ${JSON.stringify([left, right])} at ${rank}, need two tokens that join to a third`,
        );
      }
      this.#merges.set(leftId, rightId, rank, merged);
    }
  }

  /**
   * Appends the ids of a piece.
   * @throws CheckpointError if a character is unknown and the token for unknown ones as well
   */
  encode(piece: string, ids: number[]): void {
    const known = this.#known.get(piece);
    if (known !== undefined) {
      for (let i = 0; i < known.length; i++) ids.push(known[i]!);
      return;
    }
    const whole = this.#model.ignoreMerges ? this.#model.vocab.get(piece) : undefined;
    const found = whole === undefined ? this.#queue.merge(this.#characters(piece), this.#merges) : [whole];
    for (let i = 0; i < found.length; i++) ids.push(found[i]!);
    if (piece.length > LONGEST_CACHED) return;
    if (this.#known.size >= MOST_CACHED) this.#known.clear();
    this.#known.set(piece, found);
  }

  /** Ids of the characters; of their bytes, or of the unknown token, where one is in no vocabulary. */
  #characters(piece: string): number[] {
    const { vocab, continuingPrefix, endOfWordSuffix, byteFallback, fuseUnknown } = this.#model;
    const ids: number[] = [];
    // An unknown token waits for what may be fused with it. As in Rust, bytes that come then overtake it.
    let waiting: number | undefined;
    for (let at = 0; at < piece.length;) {
      const end = at + (piece.codePointAt(at)! > 0xffff ? 2 : 1);
      let character = piece.slice(at, end);
      if (at > 0) character = continuingPrefix + character;
      if (end === piece.length) character += endOfWordSuffix;
      at = end;
      const id = vocab.get(character);
      if (id !== undefined) {
        if (waiting !== undefined) ids.push(waiting);
        waiting = undefined;
        ids.push(id);
        continue;
      }
      if (byteFallback && this.#pushBytes(character, ids)) continue;
      if (this.#model.unknown === undefined) continue;
      if (waiting !== undefined && !fuseUnknown) ids.push(waiting);
      waiting = this.#unknown ?? this.#refuseUnknown();
    }
    if (waiting !== undefined) ids.push(waiting);
    return ids;
  }

  /** @returns whether all bytes have tokens; appends nothing otherwise */
  #pushBytes(character: string, ids: number[]): boolean {
    const bytes = Array.from(utf8.encode(character), (byte) => this.#byteIds[byte]);
    if (bytes.includes(undefined)) return false;
    ids.push(...(bytes as number[]));
    return true;
  }

  #refuseUnknown(): never {
    throw new CheckpointError(
      `${this.#name}: tokenizer.json: unk_token: got "${this.#model.unknown}", need a token of the model's vocabulary`,
    );
  }
}
