/**
 * A sequence that is given whole texts: one that begins like the last one (the next turn of a chat) is
 * evaluated only from where it differs. Prefill and decode give the same bits for a token, so reuse never
 * changes a result.
 */
import { CapabilityError, DisposedError } from "../errors.ts";
import type { ForwardPass, LogitsBlock, PassTime } from "../model/forward-pass.ts";

/** What `ForwardOptions` has under this name. */
type OnPass = (pass: PassTime) => void;

/** What a text goes through. */
export interface TextPass extends ForwardPass {
  /** Appends ids of which nothing is computed until something behind them is. */
  append(ids: readonly number[]): void;
}

export class TokenCache {
  readonly forwardPass: TextPass;
  /**
   * The text of a generation that is going on, and how much of it has been given: the last token of that is
   * not evaluated yet, or drafts behind it are already.
   */
  #text: readonly number[] | undefined;
  #given = 0;
  #busy = false;

  constructor(forwardPass: TextPass) {
    this.forwardPass = forwardPass;
  }

  get contextSize(): number {
    return this.forwardPass.contextSize;
  }

  /** The ids of the text so far. */
  get givenIds(): readonly number[] {
    return this.#text?.slice(0, this.#given) ?? this.forwardPass.ids;
  }

  /** Says how much of a text has been given; its array may become longer for a while, never another one. */
  give(text: readonly number[], length: number): void {
    this.#text = text;
    this.#given = length;
  }

  /** Has exactly what was given of a text, unless something else goes on in its place. */
  leave(text: readonly number[]): void {
    if (this.#text === text && !this.#busy) this.settle();
  }

  /** The ids that are there, in order. */
  get ids(): readonly number[] {
    return this.forwardPass.ids;
  }

  /**
   * How many leading ids need not be evaluated again. At most all but the last one, whose logits are wanted.
   */
  reusable(ids: readonly number[]): number {
    return Math.min(this.#common(ids), ids.length - 1);
  }

  /** How many leading ids are there. */
  #common(ids: readonly number[]): number {
    const cached = this.ids;
    const most = Math.min(cached.length, ids.length);
    let length = 0;
    while (length < most && cached[length] === ids[length]) length++;
    return length;
  }

  /**
   * Makes the cache hold exactly `ids`, evaluating what is not there yet, and reads the logits after the last
   * one.
   *
   * @param ids at least 1, at most `contextSize`
   * @param read gets f32[V], a view valid only during the call, which it may change
   * @throws AbortError; what was evaluated until then stays and is reused next time
   * @throws CapabilityError if another evaluation is going on
   */
  async evaluate<T>(
    ids: readonly number[],
    read: (logits: Float32Array) => T,
    signal?: AbortSignal,
    onPass?: OnPass,
  ): Promise<T> {
    return this.#alone(async () => {
      const common = this.#common(ids);
      const start = Math.min(common, ids.length - 1);
      this.forwardPass.truncate(start);
      let result: T;
      const options = { logits: "last", read: (logits: Float32Array) => void (result = read(logits)), signal, onPass } as const;
      try {
        await this.forwardPass.forward(ids.slice(start), options);
      } catch (error) {
        this.#have(ids.slice(0, common));
        throw error;
      }
      return result!;
    });
  }

  /**
   * Makes the cache hold `ids` and what may come after them, and reads the logits after the last of `ids`,
   * then after each draft, until the reader has read enough. Drafts behind those stay out of the cache; so
   * may any, where there is no room.
   *
   * @param read gets f32[V] as above; says whether the next draft is what came
   * @returns how many drafts went through the model
   * @throws as `evaluate` does
   */
  async evaluateDrafts(
    ids: readonly number[],
    drafts: readonly number[],
    read: (logits: Float32Array) => boolean,
    signal?: AbortSignal,
    onPass?: OnPass,
  ): Promise<number> {
    return this.#alone(async () => {
      const { forwardPass } = this;
      const start = this.reusable(ids);
      forwardPass.truncate(start);
      let length = ids.length;
      let reads = true;
      const logits = ({ values, firstRow, rows }: LogitsBlock) => {
        const V = values.length / rows;
        for (let row = Math.max(0, ids.length - 1 - start - firstRow); reads && row < rows; row++) {
          reads = read(values.subarray(row * V, (row + 1) * V));
          if (reads) length = start + firstRow + row + 2;
        }
      };
      try {
        await forwardPass.forward([...ids.slice(start), ...drafts], { logits, drafts: drafts.length, signal, onPass });
        return forwardPass.length - ids.length;
      } finally {
        this.trim(length);
      }
    });
  }

  /** Has what was given, all of it and nothing else: a generation that goes on evaluates what it lacks. */
  settle(): void {
    const text = this.#text?.slice(0, this.#given);
    this.#text = undefined;
    if (!text) return;
    this.trim(this.#common(text));
    this.#have(text);
  }

  /** Appends what is missing of ids that begin with those that are there, as far as there is room. */
  #have(ids: readonly number[]): void {
    const { length, mostTokens } = this.forwardPass;
    const missing = ids.slice(length, mostTokens);
    if (missing.length > 0) undisposed(() => this.forwardPass.append(missing));
  }

  /** Forgets what is behind `length` ids. */
  trim(length: number): void {
    undisposed(() => {
      if (this.forwardPass.length > length) this.forwardPass.truncate(length);
    });
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy) {
      throw new CapabilityError("sequence: got a second text while it evaluates another, need to await or abort that first");
    }
    this.#busy = true;
    try {
      return await work();
    } finally {
      this.#busy = false;
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.forwardPass.truncate(0);
  }
}

/** A sequence that was disposed has nothing to forget or to add to. */
function undisposed(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof DisposedError)) throw error;
  }
}
