/** Perplexity of a text under a loaded model. */
import type { LanguageModel } from "../decoding/language-model.ts";
import { checkOptions, optionKeys } from "../option-keys.ts";
import { perplexity, type PerplexityOptions, type PerplexityResult } from "./perplexity.ts";

/**
 * @param text scored by the rule of `perplexity.ts`; special tokens written in it are plain text
 * @throws OptionError if the text is shorter than one chunk or an option is outside its domain; NumericError;
 *   AbortError
 */
export async function textPerplexity(
  model: LanguageModel,
  text: string,
  options: Omit<PerplexityOptions, "bosTokenId"> = {},
): Promise<PerplexityResult> {
  checkOptions(options, optionKeys<typeof options>({ contextSize: 0, chunks: 0, signal: 0, onProgress: 0 }));
  const { tokenizer } = model;
  const ids = tokenizer.encode(text, { addSpecialTokens: false, parseSpecial: false });
  using sequence = model.forwardPass.createSequence();
  return await perplexity(sequence, ids, { ...options, bosTokenId: tokenizer.addedBosTokenId });
}
