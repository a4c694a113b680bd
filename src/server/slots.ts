/**
 * Slots, as llama-server has them: each remembers the tokens of the text that was last answered in it, so
 * that a client can have them saved, and go on from there another day. Here they decide nothing else: what
 * was computed is found by what texts begin with, whichever slot they are in.
 */
import type { LanguageModel } from "../decoding/language-model.ts";
import { ApiError } from "./api-error.ts";

/** Where saved slots are kept: a folder, or whatever a place has. Names are checked before. */
export interface SlotStore {
  /** Keeps bytes under a name, in place of what had it. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /**
   * @param most bytes that may be read; more is an error
   * @returns undefined if nothing has this name
   */
  read(name: string, most: number): Promise<Uint8Array | undefined>;
}

type TextSequence = ReturnType<LanguageModel["createSequence"]>;

interface Slot {
  readonly id: number;
  kept: TextSequence | undefined;
  running: number;
  used: number;
}

/** A text that is being answered in a slot. */
export interface Seat extends Disposable {
  /** Remembers the tokens of a sequence in place of what was there. */
  keep(sequence: TextSequence): void;
}

export class Slots {
  readonly store: SlotStore;
  readonly #slots: readonly Slot[];
  #clock = 0;

  /** @param count the slots; as many as are answered at a time */
  constructor(count: number, store: SlotStore) {
    this.store = store;
    this.#slots = Array.from({ length: count }, (_, id) => ({ id, kept: undefined, running: 0, used: 0 }));
  }

  list(): readonly { readonly id: number; readonly tokens: number; readonly isRunning: boolean }[] {
    return this.#slots.map(({ id, kept, running }) => ({ id, tokens: kept?.tokens.length ?? 0, isRunning: running > 0 }));
  }

  /**
   * @param id undefined or negative for any
   * @throws ApiError 400 for one that does not exist
   */
  check(id: number | undefined): void {
    if (id === undefined || id < this.#slots.length) return;
    throw new ApiError(400, `id_slot: got ${id}, need 0 to ${this.#slots.length - 1}`, { param: "id_slot" });
  }

  /**
   * Gives a text its slot: the one asked for, else a free one that remembers most of its beginning, else the
   * one that was used the longest ago.
   *
   * @param asked one that exists, or as in `check`
   */
  take(asked: number | undefined, ids: readonly number[]): Seat {
    const slot = this.#slots[asked ?? -1] ?? this.#bestFor(ids);
    slot.running++;
    slot.used = ++this.#clock;
    return {
      keep: (sequence) => this.#keep(slot, sequence.fork()),
      [Symbol.dispose]: () => void slot.running--,
    };
  }

  /** What a slot that exists remembers, to be disposed of; undefined for nothing. */
  copy(id: number): TextSequence | undefined {
    return this.#slots[id]!.kept?.fork();
  }

  /**
   * Remembers a sequence, which is the slot's from then on; undefined forgets.
   * @param id of one that exists
   * @returns tokens that were forgotten
   */
  put(id: number, sequence: TextSequence | undefined): number {
    return this.#keep(this.#slots[id]!, sequence);
  }

  #keep(slot: Slot, sequence: TextSequence | undefined): number {
    const forgotten = slot.kept?.tokens.length ?? 0;
    slot.kept?.dispose();
    slot.kept = sequence;
    return forgotten;
  }

  #bestFor(ids: readonly number[]): Slot {
    const free = this.#slots.filter(({ running }) => running === 0);
    const ranked = (free.length > 0 ? free : this.#slots).map((slot) => ({ slot, common: commonLength(ids, slot.kept?.tokens) }));
    return ranked.reduce((best, other) =>
      other.common > best.common || (other.common === best.common && other.slot.used < best.slot.used) ? other : best,
    ).slot;
  }
}

function commonLength(ids: readonly number[], others: readonly number[] = []): number {
  const end = Math.min(ids.length, others.length);
  let at = 0;
  while (at < end && ids[at] === others[at]) at++;
  return at;
}
