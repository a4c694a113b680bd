/**
 * Which ids a sequence holds, so that a text that begins like the last one (the next turn of a chat) is
 * evaluated only from where it differs. Prefill and decode give the same bits for a token, so reuse never
 * changes a result.
 */
import { CapabilityError } from "../errors.ts";
import type { ForwardPass } from "../model/forward-pass.ts";

export class TokenCache {
  readonly forwardPass: ForwardPass;
  #ids: number[] = [];
  #busy = false;

  /**
   * Whoever calls `forward` of the same pass directly must leave it truncated to 0, or this list is wrong.
   */
  constructor(forwardPass: ForwardPass) {
    this.forwardPass = forwardPass;
  }

  get contextSize(): number {
    return this.forwardPass.contextSize;
  }

  /** The ids whose keys and values are in the cache, in order. */
  get ids(): readonly number[] {
    // Shorter than remembered if someone else truncated the pass.
    if (this.#ids.length > this.forwardPass.length) this.#ids.length = this.forwardPass.length;
    return this.#ids;
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
  async evaluate<T>(ids: readonly number[], read: (logits: Float32Array) => T, signal?: AbortSignal): Promise<T> {
    if (this.#busy) {
      throw new CapabilityError("sequence: got a second text while it evaluates another, need to await or abort that first");
    }
    this.#busy = true;
    const start = this.reusable(ids);
    const rest = ids.slice(start);
    try {
      this.forwardPass.truncate(start);
      this.#ids.length = start;
      let result: T;
      await this.forwardPass.forward(rest, { logits: "last", read: (logits) => (result = read(logits)), signal });
      return result!;
    } finally {
      for (const id of rest.slice(0, this.forwardPass.length - start)) this.#ids.push(id);
      this.#busy = false;
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.forwardPass.truncate(0);
  }
}
