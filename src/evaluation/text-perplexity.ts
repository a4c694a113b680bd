/** Perplexity of a text, or of token ids, under a loaded model. */
import type { LanguageModel } from "../decoding/language-model.ts";
import { checkOptions, optionKeys } from "../option-keys.ts";
import { perplexity, type PerplexityOptions, type PerplexityResult } from "./perplexity.ts";

/**
 * Perplexity of a text under a model, by llama-perplexity's rule.
 *
 * @example
 * ```ts
 * import { perplexity } from "fptq";
 *
 * const { ppl, secondHalf } = await perplexity(model, text, { contextSize: 512, chunks: 16 });
 * ```
 * @param text scored by the rule of `perplexity.ts`; special tokens written in it are plain text. Or its
 *   token ids, without special ones; what the tokenizer, if there is one, puts before a text is put before
 *   them too
 * @throws UnsupportedModelError for a text where there is no tokenizer; OptionError if it is shorter than one
 *   chunk or an option is outside its domain; NumericError; AbortError
 */
export async function textPerplexity(
  model: LanguageModel,
  text: string | readonly number[],
  options: Omit<PerplexityOptions, "bosTokenId"> = {},
): Promise<PerplexityResult> {
  checkOptions(options, optionKeys<typeof options>({ contextSize: 0, chunks: 0, signal: 0, onProgress: 0 }));
  const ids = typeof text === "string" ? model.tokenizer.encode(text, { addSpecialTokens: false, parseSpecial: false }) : text;
  const bosTokenId = model.hasTokenizer ? model.tokenizer.addedBosTokenId : undefined;
  using sequence = model.forwardPass.createSequence();
  return await perplexity(sequence, ids, { ...options, bosTokenId });
}
