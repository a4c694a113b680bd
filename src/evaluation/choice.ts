/**
 * Multiple choice by likelihood, as lm-evaluation-harness scores HellaSwag, PIQA, ARC and MMLU
 * ("multiple_choice"): the model answers with the choice it finds likeliest after the context. Context and
 * choices are tokenized apart.
 *
 *     accuracy             answer = argmax of ln p(choice | context)
 *     normalized accuracy  answer = argmax of ln p(choice | context) / characters of the choice, its leading
 *                          space not counted
 *
 * The first of equally likely choices is taken. Characters are code points.
 */
import type { LanguageModel } from "../decoding/language-model.ts";
import { OptionError } from "../errors.ts";
import { isWhole } from "../need.ts";
import { type EvaluationOptions, scoreItems } from "./continuation.ts";
import { kindOf, parseJsonLines, stringField } from "./json-lines.ts";
import { type Uncertain, uncertainDifference, uncertainMean } from "./statistics.ts";

/** Question with its choices. */
export interface ChoiceItem {
  /** The file and line, for messages. */
  readonly name: string;
  /** Text before the choice. */
  readonly context: string;
  /** The choices as they follow the context, so usually with a leading space. */
  readonly choices: readonly string[];
  /** Index of the right one. */
  readonly answer: number;
}

/** How often the right choice is the likeliest. */
export interface ChoiceResult {
  /** Questions asked. */
  readonly items: number;
  /** 0..1. */
  readonly accuracy: Uncertain;
  /** Share of questions whose right choice is the likeliest per character. */
  readonly normalizedAccuracy: Uncertain;
  /** ln p of each choice of each item, in nats. */
  readonly logLikelihoods: readonly (readonly number[])[];
  /** Whether the right choice of each item was the likeliest. */
  readonly solved: readonly boolean[];
  /** Whether it was the likeliest per character. */
  readonly solvedNormalized: readonly boolean[];
}

/** A model beside another on the same questions. */
export interface ChoiceComparison {
  /** Accuracy over that of the base, -1..1; paired. */
  readonly accuracyDifference: Uncertain;
  /** The same of the normalized accuracy. */
  readonly normalizedAccuracyDifference: Uncertain;
}

/**
 * Items of a JSON Lines file of `{"context": "...", "choices": ["...", ...], "answer": 0}`.
 *
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { multipleChoice, parseChoiceItems } from "fptq";
 *
 * const items = parseChoiceItems(await readFile("hellaswag.jsonl", "utf8"), "hellaswag.jsonl");
 * const { accuracy } = await multipleChoice(model, items);
 * ```
 * @throws OptionError naming line and field of the first item that is none
 */
export function parseChoiceItems(content: string, name: string): ChoiceItem[] {
  return parseJsonLines(content, name).map((line) => {
    const context = stringField(line, "context");
    const { choices, answer } = line.object;
    if (!Array.isArray(choices) || choices.length < 2) {
      const got = Array.isArray(choices) ? `${choices.length}` : kindOf(choices);
      throw new OptionError(`${line.name}: "choices": got ${got}, need an array of at least two strings`);
    }
    for (const [i, choice] of choices.entries()) {
      if (typeof choice !== "string" || choice.trim() === "")
        throw new OptionError(`${line.name}: "choices"[${i}]: got ${kindOf(choice)}, need a string that is not blank`);
    }
    if (!isWhole(answer, 0, choices.length - 1)) {
      throw new OptionError(`${line.name}: "answer": got ${kindOf(answer)}, need an index from 0 to ${choices.length - 1}`);
    }
    return { name: line.name, context, choices: choices as string[], answer };
  });
}

/**
 * Answers questions with the choice that is the likeliest, and counts.
 *
 * @example
 * ```ts
 * import { multipleChoice } from "fptq";
 *
 * const items = [{ name: "1", context: "Snow is", choices: [" white", " green"], answer: 0 }];
 * const { normalizedAccuracy } = await multipleChoice(model, items);
 * console.log(`${normalizedAccuracy.value} ± ${normalizedAccuracy.standardError}`);
 * ```
 * @throws as `scoreItems`
 */
export async function multipleChoice(
  model: LanguageModel,
  items: readonly ChoiceItem[],
  options: EvaluationOptions = {},
): Promise<ChoiceResult> {
  const asked = items.map(({ name, context, choices }) => ({ name, context, continuations: choices }));
  const scores = await scoreItems(model, "choice", asked, options);
  const logLikelihoods = scores.map((choices) => choices.map(({ logLikelihood }) => logLikelihood));
  const solvedBy = (score: (logLikelihood: number, choice: string) => number) =>
    logLikelihoods.map((choices, i) => {
      const item = items[i]!;
      return indexOfLargest(choices.map((choice, c) => score(choice, item.choices[c]!))) === item.answer;
    });
  const solved = solvedBy((logLikelihood) => logLikelihood);
  const solvedNormalized = solvedBy((logLikelihood, choice) => logLikelihood / characters(choice));
  return {
    items: scores.length,
    accuracy: uncertainMean(solved.map(Number)),
    normalizedAccuracy: uncertainMean(solvedNormalized.map(Number)),
    logLikelihoods,
    solved,
    solvedNormalized,
  };
}

/**
 * Compares the results of two models, question by question.
 *
 * @example
 * ```ts
 * import { compareChoices, loadModel, multipleChoice } from "fptq";
 *
 * await using base = await loadModel("model.gguf", { weights: "f32" });
 * const items = [{ name: "1", context: "Water is", choices: [" wet", " dry"], answer: 0 }];
 * const [ours, theirs] = [await multipleChoice(model, items), await multipleChoice(base, items)];
 * const { accuracyDifference } = compareChoices(ours, theirs);
 * ```
 */
export function compareChoices(model: ChoiceResult, base: ChoiceResult): ChoiceComparison {
  const difference = (solved: "solved" | "solvedNormalized") =>
    uncertainDifference(model[solved].map(Number), base[solved].map(Number));
  return { accuracyDifference: difference("solved"), normalizedAccuracyDifference: difference("solvedNormalized") };
}

/** Code points of a choice without its leading space. */
const characters = (choice: string) => [...choice.replace(/^ /, "")].length;

const indexOfLargest = (values: readonly number[]) => values.indexOf(Math.max(...values));
