/** How fast a model is, by the rules of llama-bench and llama-batched-bench. */
import type { LanguageModel } from "../decoding/language-model.ts";
import { checkOptions, optionKeys } from "../option-keys.ts";
import { batchedSpeed, type BatchedSpeedResult, type BatchedSpeedTest } from "./batched-speed.ts";
import { forwardSpeed, type SpeedOptions, type SpeedResult, type SpeedTest } from "./speed.ts";

/**
 * Measures tokens per second of prefill and decode, by llama-bench's rules, in a sequence of its own.
 *
 * @example
 * ```ts
 * import { measureSpeed } from "fptq";
 *
 * const test = { promptTokens: 512, generatedTokens: 0, depth: 0 };
 * const { samplesTs } = await measureSpeed(model, test, { repetitions: 3 });
 * ```
 * @throws OptionError for a test that is empty or does not fit the context; AbortError
 */
export async function measureSpeed(model: LanguageModel, test: SpeedTest, options?: SpeedOptions): Promise<SpeedResult> {
  checkOptions(test, optionKeys<SpeedTest>({ promptTokens: 0, generatedTokens: 0, depth: 0 }));
  checkOptions(options, optionKeys<SpeedOptions>({ repetitions: 0, warmup: 0, seed: 0, signal: 0 }));
  using sequence = model.forwardPass.createSequence();
  return await forwardSpeed(sequence, test, options);
}

/**
 * Measures tokens per second of many sequences at a time, by llama-batched-bench's rules. Load the model with
 * room for them (`cacheTokens`).
 *
 * @example
 * ```ts
 * import { loadModel, measureBatchedSpeed } from "fptq";
 *
 * const model = await loadModel("model-w4a8", { cacheTokens: 8192 });
 * const test = { promptTokens: 128, generatedTokens: 32, sequences: 8 };
 * const { promptSeconds, generationSeconds } = await measureBatchedSpeed(model, test);
 * ```
 * @throws OptionError for a test that is empty or does not fit the cache; AbortError
 */
export async function measureBatchedSpeed(
  { forwardPass }: LanguageModel,
  test: BatchedSpeedTest,
  options: Pick<SpeedOptions, "signal"> = {},
): Promise<BatchedSpeedResult> {
  checkOptions(test, optionKeys<BatchedSpeedTest>({ promptTokens: 0, generatedTokens: 0, sequences: 0 }));
  checkOptions(options, optionKeys<Pick<SpeedOptions, "signal">>({ signal: 0 }));
  return batchedSpeed(forwardPass, test, { cacheTokens: forwardPass.cacheTokens.total, signal: options.signal });
}
