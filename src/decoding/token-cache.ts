/**
 * A sequence that is given whole texts: one that begins like the last one (the next turn of a chat) is
 * evaluated only from where it differs. Prefill and decode give the same bits for a token, so reuse never
 * changes a result.
 */
import { CapabilityError } from "../errors.ts";
import type { ForwardPass } from "../model/forward-pass.ts";

export class TokenCache {
  readonly forwardPass: ForwardPass;
  #busy = false;

  constructor(forwardPass: ForwardPass) {
    this.forwardPass = forwardPass;
  }

  get contextSize(): number {
    return this.forwardPass.contextSize;
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
  async evaluate<T>(ids: readonly number[], read: (logits: Float32Array) => T, signal?: AbortSignal): Promise<T> {
    if (this.#busy) {
      throw new CapabilityError("sequence: got a second text while it evaluates another, need to await or abort that first");
    }
    this.#busy = true;
    const start = this.reusable(ids);
    const rest = ids.slice(start);
    try {
      this.forwardPass.truncate(start);
      let result: T;
      await this.forwardPass.forward(rest, { logits: "last", read: (logits) => (result = read(logits)), signal });
      return result!;
    } finally {
      this.#busy = false;
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.forwardPass.truncate(0);
  }
}
