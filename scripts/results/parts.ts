/** A model's loss by part, as results keep and show it. */
import { basename } from "node:path";
import { PART_LABELS } from "../../src/cli/commands/diagnose.ts";
import type { DivergenceStatistics } from "../../src/evaluation/divergence-statistics.ts";
import type { ModelPart } from "../../src/evaluation/float-parts.ts";
import type { LossByPart } from "../../src/evaluation/loss-by-part.ts";
import type { Uncertain } from "../../src/evaluation/statistics.ts";
import { percent, plusMinus } from "./numbers.ts";
import type { Results, RowResult } from "./results-file.ts";
import { ROWS } from "./rows.ts";
import type { Settings } from "./settings.ts";

/** How far a model is from float32. */
export interface LossFigures {
  readonly pplRatio: Uncertain;
  readonly kld: Uncertain;
  readonly sameTop: Uncertain;
}

export interface PartFigures {
  /** Targets scored. */
  readonly scored: number;
  readonly quantized: LossFigures;
  readonly parts: readonly { readonly part: ModelPart; readonly alone: LossFigures; readonly cumulative: LossFigures }[];
}

export function partFigures({ quantized, parts }: LossByPart): PartFigures {
  const figures = ({ pplRatio, kld, sameTop }: DivergenceStatistics) => ({ pplRatio, kld: kld.mean, sameTop });
  return {
    scored: quantized.scored,
    quantized: figures(quantized),
    parts: parts.map(({ part, alone, cumulative }) => ({ part, alone: figures(alone), cumulative: figures(cumulative) })),
  };
}

/** The section of each row that was split by part. */
export function partBlocks({ rows }: Results, settings: Settings): string[] {
  const found = ROWS.filter(({ evaluate }) => evaluate.includes("parts")).flatMap(({ id, label, folder }) => {
    const figures: RowResult["parts"] = rows[id]?.parts;
    return figures ? [{ label, folder: folder ?? "OUT", figures }] : [];
  });
  return found.flatMap(({ label, folder, figures }) => [
    `## ${label}`,
    `What is left of the loss with a part put back to float, alone and with all parts above it ([evaluation.md](evaluation.md)),
over ${figures.scored} targets. Printed by

\`\`\`
${diagnoseCommand(folder, settings)}
\`\`\``,
    partTable(figures),
  ]);
}

function diagnoseCommand(folder: string, { model, text, contextSize, partChunks }: Settings): string {
  return `fptq diagnose -m ${folder} --base ${basename(model)} -f ${basename(text)} -c ${contextSize} --chunks ${partChunks}`;
}

function partTable({ quantized, parts }: PartFigures): string {
  const cells = ({ kld, pplRatio, sameTop }: LossFigures) => [plusMinus(kld, 4), plusMinus(pplRatio, 3), percent(sameTop)];
  const heads = ["KLD", "ratio", "same top, %"];
  const lines = [
    ["in float", ...heads, ...heads.map((head) => `${head}, with those above`)],
    ["---", ...Array<string>(6).fill("---:")],
    ["nothing", ...cells(quantized), ...cells(quantized)],
    ...parts.map(({ part, alone, cumulative }) => [PART_LABELS[part], ...cells(alone), ...cells(cumulative)]),
  ];
  return lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
}
