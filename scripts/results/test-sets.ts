/** Whole test sets: a model of this repository beside float32, item by item. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { compareChoices, multipleChoice, parseChoiceItems } from "../../src/evaluation/choice.ts";
import type { EvaluationOptions } from "../../src/evaluation/continuation.ts";
import { compareLambada, lambada, parseLambadaItems } from "../../src/evaluation/lambada.ts";
import type { Uncertain } from "../../src/evaluation/statistics.ts";
import type { LanguageModel } from "../../src/index.ts";
import { percent, plusMinus } from "./numbers.ts";
import type { Results } from "./results-file.ts";
import { ROWS } from "./rows.ts";
import type { Settings } from "./settings.ts";

/** A file that is asked from its first to its last item, by its name among the settings. */
export type TestSet = "lambada" | "hellaswag" | "arcChallenge" | "winogrande" | "openbookqa";

export interface TestSetFigures {
  readonly items: number;
  readonly measures: readonly TestSetMeasure[];
}

export interface TestSetMeasure {
  readonly name: "accuracy" | "normalized accuracy" | "target perplexity";
  readonly model: Uncertain;
  readonly base: Uncertain;
  /** Paired: the difference of two accuracies, the ratio of two perplexities. */
  readonly comparison: Uncertain;
}

/** Asks both models, one after the other. */
export async function measureTestSet(
  set: TestSet,
  settings: Settings,
  models: { readonly model: LanguageModel; readonly base: LanguageModel },
  options: EvaluationOptions,
): Promise<TestSetFigures> {
  const path = settings[set];
  const content = readFileSync(path, "utf8");
  if (set === "lambada") {
    const items = parseLambadaItems(content, basename(path));
    const base = await lambada(models.base, items, options);
    const model = await lambada(models.model, items, options);
    const { accuracyDifference, targetPerplexityRatio } = compareLambada(model, base);
    return {
      items: model.items,
      measures: [
        { name: "accuracy", model: model.accuracy, base: base.accuracy, comparison: accuracyDifference },
        {
          name: "target perplexity",
          model: model.targetPerplexity,
          base: base.targetPerplexity,
          comparison: targetPerplexityRatio,
        },
      ],
    };
  }
  const items = parseChoiceItems(content, basename(path));
  const base = await multipleChoice(models.base, items, options);
  const model = await multipleChoice(models.model, items, options);
  const { accuracyDifference, normalizedAccuracyDifference } = compareChoices(model, base);
  return {
    items: model.items,
    measures: [
      { name: "accuracy", model: model.accuracy, base: base.accuracy, comparison: accuracyDifference },
      {
        name: "normalized accuracy",
        model: model.normalizedAccuracy,
        base: base.normalizedAccuracy,
        comparison: normalizedAccuracyDifference,
      },
    ],
  };
}

/** The section of the sets that were asked. */
export function testSetBlocks({ rows }: Results, settings: Settings): string[] {
  const found = ROWS.flatMap(({ id, label, folder, testSet }) => {
    const figures = rows[id]?.testSet;
    return testSet && folder && figures ? [{ label, folder, testSet, figures }] : [];
  });
  if (found.length === 0) return [];
  const lines = [
    ["", "items", "float32", "this model", "difference or ratio"],
    ["---", "---:", "---:", "---:", "---:"],
    ...found.flatMap(({ label, figures: { items, measures } }) =>
      measures.map((measure) => [`${label}, ${measure.name}`, `${items}`, ...cells(measure)]),
    ),
  ];
  const commands = found.map(({ folder, testSet }) => testSetCommand(folder, testSet, settings));
  return [
    "## Whole test sets",
    `The model in this repository beside float32 on every item. Accuracies are in percent, and so is their difference; target
perplexities have a ratio. Both models have the same items, so the errors of differences and ratios are paired. Printed by

\`\`\`
${commands.join("\n")}
\`\`\``,
    lines.map((line) => `| ${line.join(" | ")} |`).join("\n"),
  ];
}

function cells({ name, model, base, comparison }: TestSetMeasure): string[] {
  return name === "target perplexity"
    ? [plusMinus(base, 2), plusMinus(model, 2), plusMinus(comparison, 3)]
    : [base, model, comparison].map(percent);
}

function testSetCommand(folder: string, set: TestSet, settings: Settings): string {
  const command = set === "lambada" ? "lambada" : "choice";
  return `fptq ${command} -m ${folder} --base ${basename(settings.model)} -f ${basename(settings[set])}`;
}
