/**
 * A sequence that is given whole texts: one that begins like the last one (the next turn of a chat) is
 * evaluated only from where it differs. Prefill and decode give the same bits for a token, so reuse never
 * changes a result.
 */
import { CapabilityError, DisposedError } from "../errors.ts";
import type { ForwardPass, LogitsBlock, PassTime } from "../model/forward-pass.ts";

/** What `ForwardOptions` has under this name. */
type OnPass = (pass: PassTime) => void;

export class TokenCache {
  readonly forwardPass: ForwardPass;
  /** How many ids are the text so far, where a generation has evaluated tokens it has not given yet. */
  given = Infinity;
  #busy = false;

  constructor(forwardPass: ForwardPass) {
    this.forwardPass = forwardPass;
  }

  get contextSize(): number {
    return this.forwardPass.contextSize;
  }

  /** The ids of the text so far. */
  get givenIds(): readonly number[] {
    const { ids } = this.forwardPass;
    return ids.length > this.given ? ids.slice(0, this.given) : ids;
  }

  /** The ids that are there, in order. */
  get ids(): readonly number[] {
    return this.forwardPass.ids;
  }

  /**
   * How many leading ids need not be evaluated again. At most all but the last one, whose logits are wanted.
   */
  reusable(ids: readonly number[]): number {
    const cached = this.ids;
    const most = Math.min(cached.length, ids.length - 1);
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
      const start = this.reusable(ids);
      this.forwardPass.truncate(start);
      let result: T;
      const options = { logits: "last", read: (logits: Float32Array) => void (result = read(logits)), signal, onPass } as const;
      await this.forwardPass.forward(ids.slice(start), options);
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

  /** Forgets what is not of the text yet: a generation that goes on will evaluate it again. */
  settle(): void {
    this.trim(this.given);
  }

  /** Forgets what is behind `length` ids; one that was disposed has nothing to forget. */
  trim(length: number): void {
    this.given = Infinity;
    try {
      if (this.forwardPass.length > length) this.forwardPass.truncate(length);
    } catch (error) {
      if (!(error instanceof DisposedError)) throw error;
    }
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
