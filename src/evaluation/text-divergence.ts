/** KL divergence of two loaded models over a text. */
import type { LanguageModel } from "../decoding/language-model.ts";
import { OptionError } from "../errors.ts";
import { checkOptions, optionKeys } from "../option-keys.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { klDivergence, type KlDivergenceOptions, type KlDivergenceResult } from "./kl-divergence.ts";

/**
 * KL divergence of a model's predictions from those of another one over a text.
 *
 * @example
 * ```ts
 * import { klDivergence, loadModel } from "fptq";
 *
 * const base = await loadModel("model.gguf", { weights: "f32" });
 * const { kld, sameTop } = await klDivergence(base, model, text, { contextSize: 512, chunks: 16 });
 * ```
 * @param base what the other model is compared with, usually the unquantized one
 * @param text scored by the rule of `kl-divergence.ts`; special tokens written in it are plain text
 * @throws OptionError if the vocabularies differ, the text is shorter than one chunk or an option is outside
 *   its domain; NumericError; AbortError
 */
export async function textKlDivergence(
  base: LanguageModel,
  model: LanguageModel,
  text: string,
  options: Omit<KlDivergenceOptions, "bosTokenId"> = {},
): Promise<KlDivergenceResult> {
  checkOptions(options, optionKeys<typeof options>({ contextSize: 0, chunks: 0, signal: 0, onProgress: 0 }));
  checkSameVocabulary(base.tokenizer, model.tokenizer);
  const { tokenizer } = base;
  const ids = tokenizer.encode(text, { addSpecialTokens: false, parseSpecial: false });
  using expected = base.forwardPass.createSequence();
  using found = model.forwardPass.createSequence();
  return await klDivergence(expected, found, ids, { ...options, bosTokenId: tokenizer.addedBosTokenId });
}

type Vocabulary = Pick<Tokenizer, "vocabSize" | "idToToken">;

/** An id must be the same token to both, or their distributions are over different things. */
export function checkSameVocabulary(base: Vocabulary, model: Vocabulary): void {
  const size = Math.max(base.vocabSize, model.vocabSize);
  for (let id = 0; id < size; id++) {
    const [expected, found] = [base.idToToken(id), model.idToToken(id)];
    if (expected === found) continue;
    const [ours, theirs] = [expected, found].map((token) => (token === undefined ? "no token" : JSON.stringify(token)));
    throw new OptionError(`vocabulary: id ${id}: got ${theirs}, need ${ours}, which it is to the base model`);
  }
}
