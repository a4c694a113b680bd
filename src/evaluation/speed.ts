/**
 * Tokens per second by llama-bench's rules (llama.cpp, `tools/llama-bench/llama-bench.cpp`), so that its rows
 * and ours can be put side by side.
 *
 *     pp  promptTokens random ids go through the model at once
 *     tg  generatedTokens random ids go through it one at a time, each computing logits
 *     @ d both with depth random ids in the KV cache before, which are not timed
 *
 * Neither tokenization nor sampling is timed: ids are drawn beforehand, whatever the logits say.
 */
import { Xoshiro128 } from "../decoding/sampling/random.ts";
import { OptionError } from "../errors.ts";
import { need } from "../need.ts";
import type { ForwardPass } from "../model/forward-pass.ts";

/** What is timed: a prompt, or tokens after one. */
export interface SpeedTest {
  /** Tokens of the prompt; 0 for none. */
  readonly promptTokens: number;
  /** Tokens generated; 0 for none. */
  readonly generatedTokens: number;
  /** Tokens in the KV cache before the clock starts. */
  readonly depth: number;
}

/** How often a test is repeated. */
export interface SpeedOptions {
  /** Default 5. */
  readonly repetitions?: number | undefined;
  /**
   * One untimed run before, of the whole prompt and of the first tokens generated: engines run code
   * unoptimized at first. Default true.
   */
  readonly warmup?: boolean | undefined;
  /** Seed of the token ids. Default 0. */
  readonly seed?: number | undefined;
  /** Ends the work with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
}

/** Times of a test's repetitions. */
export interface SpeedResult {
  /** Nanoseconds of each repetition. */
  readonly samplesNs: readonly number[];
  /** Tokens per second of each. */
  readonly samplesTs: readonly number[];
}

/** llama-bench warms up with one token, which is enough for native code. */
const WARMUP_TOKENS = 16;

/**
 * Times a test. The KV cache is empty before and after; what is at `depth` is evaluated once and reused, for
 * the same ids give the same cache.
 *
 * @throws OptionError for a test that is empty or does not fit the cache; AbortError
 */
export async function forwardSpeed(model: ForwardPass, test: SpeedTest, options: SpeedOptions = {}): Promise<SpeedResult> {
  const promptTokens = need.whole("promptTokens", test.promptTokens, 0);
  const generatedTokens = need.whole("generatedTokens", test.generatedTokens, 0);
  const depth = need.whole("depth", test.depth, 0);
  const repetitions = need.whole("repetitions", options.repetitions ?? 5, 1);
  const tokens = promptTokens + generatedTokens;
  if (tokens === 0) throw new OptionError("test: got no tokens to process, need promptTokens or generatedTokens above 0");
  if (depth + tokens > model.contextSize) {
    throw new OptionError(`test: got ${depth + tokens} tokens, need at most ${model.contextSize}, which the cache holds`);
  }
  const { signal } = options;
  const ids = randomIds(depth + tokens, model.config.vocabSize, options.seed ?? 0);
  const promptEnd = depth + promptTokens;

  const run = async (end: number) => {
    if (promptTokens > 0) await model.forward(ids.subarray(depth, promptEnd), { logits: "last", read: () => {}, signal });
    for (let at = promptEnd; at < end; at++)
      await model.forward(ids.subarray(at, at + 1), { logits: "last", read: () => {}, signal });
  };

  const samplesNs: number[] = [];
  model.truncate(0);
  try {
    if (depth > 0) await model.forward(ids.subarray(0, depth), { logits: "none", signal });
    if (options.warmup ?? true) await run(promptEnd + Math.min(generatedTokens, WARMUP_TOKENS));
    for (let repetition = 0; repetition < repetitions; repetition++) {
      model.truncate(depth);
      const began = performance.now();
      await run(promptEnd + generatedTokens);
      // At least one, for clocks that are too coarse for a small test.
      samplesNs.push(Math.max(1, Math.round((performance.now() - began) * 1e6)));
    }
  } finally {
    model.truncate(0);
  }
  return { samplesNs, samplesTs: samplesNs.map((ns) => (1e9 * tokens) / ns) };
}

function randomIds(count: number, vocabSize: number, seed: number): Int32Array {
  const random = Xoshiro128.fromSeed(seed);
  return Int32Array.from({ length: count }, () => Math.floor(random.nextDouble() * vocabSize));
}
