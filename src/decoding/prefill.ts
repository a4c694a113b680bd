/**
 * Context decoding, the first stage: the whole prompt goes through the model at once (GEMM), and its last
 * logits give the first token.
 */
import { throwIfAborted } from "../errors.ts";
import type { StageMeter } from "./stage-meter.ts";
import type { TokenCache } from "./token-cache.ts";

/**
 * Evaluates what the cache does not hold of the prompt.
 *
 * @param choose picks the first token from f32[V]
 * @param meter gets the tokens that were evaluated, not those found in the cache; the time includes `choose`,
 *   so it is the time to the first token
 * @throws AbortError; whole chunks evaluated until then stay in the cache
 */
export async function prefill(
  cache: TokenCache,
  promptIds: readonly number[],
  choose: (logits: Float32Array) => number,
  meter: StageMeter,
  signal?: AbortSignal,
): Promise<number> {
  throwIfAborted(signal, "prefill");
  const { forwardPass } = cache;
  const before = forwardPass.evaluated;
  return meter.measure(
    () => forwardPass.evaluated - before,
    () => cache.evaluate(promptIds, choose, signal),
  );
}
