/** Self-decoding, the second stage: one token goes through the model (GEMV), and its logits give the next. */
import { throwIfAborted } from "../errors.ts";
import type { StageMeter } from "./stage-meter.ts";
import type { TokenCache } from "./token-cache.ts";

/**
 * One step. The cache holds all of the sequence but its last id; if another generation used it in between two
 * steps, what is missing is evaluated again.
 *
 * @param sequence prompt and generated ids
 * @param choose picks the next token from f32[V]
 * @param meter counts one token per step, as llama.cpp counts its "eval" runs: n generated tokens took n - 1
 *   steps, and one more if an end token came after them; the time includes `choose`
 * @throws AbortError; the cache stays as it was
 */
export async function decode(
  cache: TokenCache,
  sequence: readonly number[],
  choose: (logits: Float32Array) => number,
  meter: StageMeter,
  signal?: AbortSignal,
): Promise<number> {
  throwIfAborted(signal, "decode");
  let steps = 0;
  return meter.measure(
    () => steps,
    async () => {
      const next = await cache.evaluate(sequence, choose, signal);
      steps = 1;
      return next;
    },
  );
}
