/** Sequences of a model as bytes, and back. */
import type { Kernels } from "../../kernels/kernels.ts";
import { offsetBy, type Pointer } from "../../kernels/pointer.ts";
import { ropesOf } from "../../architecture/description.ts";
import { createSha256 } from "../../checkpoint/sha256.ts";
import { BLOCK_TOKENS } from "../layers/attention.ts";
import { dependsOnContext } from "../layers/rope-frequencies.ts";
import type { Placed } from "../workspace/workspace.ts";
import type { KvCache } from "./kv-cache.ts";
import { packState, type SequenceState, type StateFormat, unpackState } from "./sequence-state.ts";
import type { Sequence } from "./sequence.ts";

/** Bytes hashed at a time. */
const PIECE_BYTES = 2 ** 20;

/** First and last byte of weights. */
export type WeightRange = readonly [Pointer, Pointer];

export class SavedSequences {
  readonly #cache: KvCache;
  readonly #weights: readonly Placed<WeightRange>[];
  #digest: string | undefined;

  /** @param weights of all parts in one order, which are the same bytes in every build and division */
  constructor(cache: KvCache, weights: readonly Placed<WeightRange>[]) {
    this.#cache = cache;
    this.#weights = weights;
  }

  /** Gives a sequence's ids and its whole blocks, as far as later rows may read them; all are computed. */
  async save(sequence: Sequence): Promise<Uint8Array<ArrayBuffer>> {
    await sequence.complete();
    const format = this.#format();
    const { passed } = sequence.held;
    const whole = Math.floor(sequence.length / BLOCK_TOKENS) - passed;
    const blocks = new Uint8Array(whole * format.blockBytes);
    let at = 0;
    for (const { number } of sequence.held.blocks.slice(0, whole)) {
      for (const bytes of this.#cache.blockViews(number)) {
        blocks.set(bytes, at);
        at += bytes.length;
      }
    }
    return packState({ ids: [...sequence.ids], passed, blocks }, format);
  }

  /** @throws CheckpointError for bytes that are not of this model */
  read(bytes: Uint8Array): Promise<SequenceState> {
    return unpackState(bytes, this.#format());
  }

  /**
   * Puts a saved sequence in place of another one, between two passes. Where there is no room for its blocks
   * they are computed again when it goes on.
   */
  place(sequence: Sequence, { ids, passed, blocks }: SequenceState): void {
    sequence.adopt(ids);
    const tokens = Math.floor(ids.length / BLOCK_TOKENS) * BLOCK_TOKENS;
    if (tokens === 0 || !this.#cache.pass(sequence, passed, tokens)) return;
    const begin = passed * BLOCK_TOKENS;
    if (!this.#cache.reserve(sequence, tokens - begin, 0)) return this.#cache.release(sequence, 0);
    let at = 0;
    for (const { number } of sequence.held.blocks) {
      for (const view of this.#cache.blockViews(number)) {
        view.set(blocks.subarray(at, at + view.length));
        at += view.length;
      }
    }
    this.#cache.record(sequence, ids.slice(begin, tokens));
  }

  #format(): StateFormat {
    const { caches, spaces } = this.#cache.memory;
    return {
      model: (this.#digest ??= this.#hash()),
      kv: caches[0]!.item.precision,
      layers: caches.length,
      blockBytes: caches.reduce((sum, { item: { blockBytes } }) => sum + blockBytes.k + blockBytes.v, 0),
      vocabSize: spaces[0]!.config.vocabSize,
    };
  }

  /** SHA-256 of all that keys and values depend on; made once, when it is first needed. */
  #hash(): string {
    const { caches, spaces } = this.#cache.memory;
    const { kernels, config, tables } = spaces[0]!;
    const hash = createSha256();
    hash.update(new TextEncoder().encode(JSON.stringify([config, caches.map(({ item: { scales } }) => scales)])));
    // The same model loaded with another context turns keys otherwise.
    for (const [i, rope] of ropesOf(config).entries()) {
      if (dependsOnContext(rope)) hash.update(kernels.u8(tables.ropes[i]!.frequencies, 2 * config.rotaryDim));
    }
    for (const { space, item } of this.#weights) for (const bytes of pieces(space.kernels, item)) hash.update(bytes);
    return hash.hex();
  }
}

function* pieces(kernels: Kernels, [begin, end]: WeightRange): Generator<Uint8Array<ArrayBuffer>> {
  for (let at = begin; at < end; at = offsetBy(at, PIECE_BYTES)) yield kernels.u8(at, Math.min(PIECE_BYTES, end - at));
}
