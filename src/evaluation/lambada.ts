/**
 * LAMBADA: the last word of a passage, which can be told from the whole passage and not from its last
 * sentence alone (Paperno et al., "The LAMBADA dataset: Word prediction requiring a broad discourse context",
 * arXiv 1606.06031).
 *
 * The target is what follows the last space, with that space. Context and target are tokenized apart. A
 * passage is solved if each token of the target is the model's likeliest one.
 */
import type { LanguageModel } from "../decoding/language-model.ts";
import { OptionError } from "../errors.ts";
import { type EvaluationOptions, scoreItems } from "./continuation.ts";
import { parseJsonLines, stringField } from "./json-lines.ts";
import { type Uncertain, uncertainDifference, uncertainExp, uncertainMean } from "./statistics.ts";

/** Passage, split before its last word. */
export interface LambadaItem {
  /** The file and line, for messages. */
  readonly name: string;
  /** Passage without its last word. */
  readonly context: string;
  /** The last word, with its leading space. */
  readonly target: string;
}

/** How often the last word is found. */
export interface LambadaResult {
  /** Passages asked. */
  readonly items: number;
  /** Passages solved, 0..1. */
  readonly accuracy: Uncertain;
  /** exp of the mean negative log-likelihood of a whole target. */
  readonly targetPerplexity: Uncertain;
  /** ln p of each passage's target, in nats. */
  readonly logLikelihoods: readonly number[];
  /** Whether each passage was solved. */
  readonly solved: readonly boolean[];
}

/** A model beside another on the same passages. */
export interface LambadaComparison {
  /** Accuracy over that of the base, -1..1; paired. */
  readonly accuracyDifference: Uncertain;
  /** Target perplexity over that of the base; paired. */
  readonly targetPerplexityRatio: Uncertain;
}

/**
 * Items of a JSON Lines file of `{"text": "..."}`.
 *
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { lambada, parseLambadaItems } from "fptq";
 *
 * const items = parseLambadaItems(await readFile("lambada_test.jsonl", "utf8"), "lambada_test.jsonl");
 * const { accuracy } = await lambada(model, items.slice(0, 500));
 * ```
 * @throws OptionError naming the line of the first item that is none
 */
export function parseLambadaItems(content: string, name: string): LambadaItem[] {
  return parseJsonLines(content, name).map((line) => {
    const text = stringField(line, "text").trimEnd();
    const at = text.lastIndexOf(" ");
    if (text.slice(0, Math.max(0, at)).trim() === "") {
      throw new OptionError(`${line.name}: "text": got fewer than two words, need at least two with a space between`);
    }
    return { name: line.name, context: text.slice(0, at), target: text.slice(at) };
  });
}

/**
 * Measures how often the last word of a passage is the likeliest.
 *
 * @example
 * ```ts
 * import { lambada } from "fptq";
 *
 * const items = [{ name: "1", context: "He put the key in the", target: " lock" }];
 * const { solved } = await lambada(model, items);
 * ```
 * @throws as `scoreItems`
 */
export async function lambada(
  model: LanguageModel,
  items: readonly LambadaItem[],
  options: EvaluationOptions = {},
): Promise<LambadaResult> {
  const asked = items.map(({ name, context, target }) => ({ name, context, continuations: [target] }));
  const scores = (await scoreItems(model, "lambada", asked, options)).flat();
  return {
    items: scores.length,
    accuracy: uncertainMean(scores.map(({ greedy }) => (greedy ? 1 : 0))),
    targetPerplexity: uncertainExp(uncertainMean(scores.map(({ logLikelihood }) => -logLikelihood))),
    logLikelihoods: scores.map(({ logLikelihood }) => logLikelihood),
    solved: scores.map(({ greedy }) => greedy),
  };
}

/**
 * Compares the results of two models, passage by passage.
 *
 * @example
 * ```ts
 * import { compareLambada, lambada, loadModel } from "fptq";
 *
 * await using base = await loadModel("model.gguf", { weights: "f32" });
 * const items = [{ name: "1", context: "He put the key in the", target: " lock" }];
 * const { accuracyDifference } = compareLambada(await lambada(model, items), await lambada(base, items));
 * ```
 */
export function compareLambada(model: LambadaResult, base: LambadaResult): LambadaComparison {
  return {
    accuracyDifference: uncertainDifference(model.solved.map(Number), base.solved.map(Number)),
    targetPerplexityRatio: uncertainExp(uncertainDifference(base.logLikelihoods, model.logLikelihoods)),
  };
}
