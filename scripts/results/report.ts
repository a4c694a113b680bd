/**
 * `docs/results.md` from the measurements: tables, figures, the command of every row, and what the numbers
 * themselves say.
 */
import { basename } from "node:path";
import { formatSignificant } from "../../src/cli/quantities.ts";
import { evaluationCommands, quantizeCommand } from "./command.ts";
import { percent, plusMinus } from "./numbers.ts";
import { partBlocks } from "./parts.ts";
import { type Environment, isCurrent, madeWith, type Results, type RowResult } from "./results-file.ts";
import { FLOAT_ROW, GIVEN, ROWS, type Row, type Section, SECTIONS } from "./rows.ts";
import type { Settings } from "./settings.ts";
import { testSetBlocks } from "./test-sets.ts";

export interface ReportOptions {
  readonly settings: Settings;
  /** What a person made of the results: Markdown, or undefined. */
  readonly notes: string | undefined;
  /** File name of each figure that was drawn. */
  readonly figures: Readonly<Partial<Record<FigureName, string>>>;
}

export type FigureName = "perplexity" | "activations" | "ranges" | "errors";

export function renderReport(results: Results, { settings, notes, figures }: ReportOptions): string {
  const figure = (name: FigureName, caption: string) => (figures[name] ? [`![${caption}](${figures[name]})`] : []);
  const [first, ...others] = SECTIONS;
  const blocks = [
    "# Results",
    introduction(results, settings),
    ...(notes === undefined ? [] : ["## What to read from it", notes.trim()]),
    ...sectionBlocks(first!, results, settings),
    ...figure("perplexity", "Perplexity ratio of each recipe to float32"),
    given(),
    ...hellaswagBlocks(results),
    ...testSetBlocks(results, settings),
    ...partBlocks(results, settings),
    ...others.flatMap((section) => sectionBlocks(section, results, settings)),
    "## Activations and errors by layer",
    ...figure("ranges", "Largest activation of each linear input, over the layers"),
    ...figure("activations", "Largest activation of each channel before and after LAE"),
    telling(results),
    ...figure("errors", "Error at the output of each linear input, over the layers"),
    "## Where this was measured",
    environments(results),
  ];
  return `${blocks.filter(Boolean).join("\n\n")}\n`;
}

function introduction(results: Results, settings: Settings): string {
  const { contextSize, chunks, samples, lambadaItems } = settings;
  const [model, text, calibration, lambada] = [settings.model, settings.text, settings.calibration, settings.lambada].map(
    (path) => basename(path),
  );
  const missing = ROWS.filter((row) => !isShown(results.rows[row.id]));
  return `Written by \`npm run results -- --write-docs\`; do not edit. Numbers are in \`results.json\`, with what each was made with; the same command
measures again what is missing there or was made with something else. \`npm run data\` fetches the model and the texts, and \`npm run results --
--only NAME\` measures a row on your machine, beside what stands here.

Model: ${model}. Calibration: the first ${samples} x ${contextSize} tokens of ${calibration}, or as many random ones. Perplexity (PPL) by
llama-perplexity's rule, its ratio to float32, KL divergence to float32 (mean, nats) and top-1 agreement with it: ${chunks} chunks of ${contextSize}
of ${text}, which nothing was chosen on. LAMBADA: the first ${lambadaItems} of ${lambada}, last word, greedy. Behind ± stands one standard
error. Bits are those stored per weight of the linear layers in the blocks, scales included; static is the share of layer inputs with
one calibrated scale; seconds are those of quantizing, calibration included, on a machine that did other things too.

After a row's \`fptq quantize\`, given below each table, its figures are printed by

\`\`\`
${evaluationCommands(settings).join("\n")}
\`\`\`${missing.length > 0 ? `\n\nNot measured yet: ${missing.map(({ label }) => label).join("; ")}.` : ""}${stale(results, settings)}`;
}

function stale(results: Results, settings: Settings): string {
  const old = ROWS.filter((row) => isShown(results.rows[row.id]) && !isCurrent(results.rows[row.id], madeWith(row, settings)));
  return old.length > 0 ? `\n\nMeasured with other options than they have now: ${old.map(({ label }) => label).join("; ")}.` : "";
}

const isShown = (result: RowResult | undefined): result is RowResult => result !== undefined;

interface Column {
  readonly head: string;
  readonly cell: (result: RowResult) => string | undefined;
}

const COLUMNS: readonly Column[] = [
  { head: "PPL", cell: ({ text }) => text && plusMinus(text.ppl, 2) },
  { head: "ratio", cell: ({ text }) => text?.divergence && plusMinus(text.divergence.pplRatio, 3) },
  { head: "KLD", cell: ({ text }) => text?.divergence && plusMinus(text.divergence.kld, 3) },
  { head: "same top, %", cell: ({ text }) => text?.divergence && percent(text.divergence.sameTop) },
  { head: "LAMBADA, %", cell: ({ lambada }) => lambada && percent(lambada.accuracy) },
  { head: "bits", cell: ({ quantization }) => quantization?.bitsPerWeight.toFixed(2) },
  {
    head: "static, %",
    cell: ({ quantization }) =>
      quantization && (quantization.staticShare === null ? "float" : (100 * quantization.staticShare).toFixed(0)),
  },
  { head: "seconds", cell: ({ quantization }) => quantization?.seconds.toFixed(0) },
];

const HELLASWAG_COLUMNS: readonly Column[] = [
  { head: "accuracy, %", cell: ({ hellaswag }) => hellaswag && percent(hellaswag.accuracy) },
  { head: "normalized, %", cell: ({ hellaswag }) => hellaswag && percent(hellaswag.normalizedAccuracy) },
];

function sectionBlocks({ title, about, rows: ids }: Section, results: Results, settings: Settings): string[] {
  const rows = measured(ids, results);
  if (rows.every(({ row }) => row.id === FLOAT_ROW)) return [];
  return [`## ${title}`, about, table(rows, COLUMNS), extremes(rows), commands(rows, settings)];
}

function hellaswagBlocks(results: Results): string[] {
  const ids = ROWS.filter(({ evaluate }) => evaluate.includes("hellaswag")).map(({ id }) => id);
  const rows = measured(ids, results).filter(({ result }) => result.hellaswag);
  if (rows.length === 0) return [];
  const items = rows[0]!.result.hellaswag!.items;
  return ["## HellaSwag", `${items} questions, scored as lm-evaluation-harness does.`, table(rows, HELLASWAG_COLUMNS)];
}

interface MeasuredRow {
  readonly row: Row;
  readonly result: RowResult;
}

/** Rows that have been looked at, those that failed too. */
function measured(ids: readonly string[], { rows }: Results): MeasuredRow[] {
  return ids.flatMap((id) => {
    const row = ROWS.find((candidate) => candidate.id === id)!;
    const result = rows[id];
    return isShown(result) ? [{ row, result }] : [];
  });
}

/** Without the columns in which no row has anything. */
function table(rows: readonly MeasuredRow[], candidates: readonly Column[]): string {
  const columns = candidates.filter(({ cell }) => rows.some(({ result }) => cell(result) !== undefined));
  const lines = [
    ["", "format", ...columns.map(({ head }) => head)],
    ["---", "---", ...columns.map(() => "---:")],
    ...rows.map(({ row, result }) =>
      result.failure === undefined
        ? [row.label, format(result), ...columns.map(({ cell }) => cell(result) ?? "")]
        : [`${row.label}: failed: ${result.failure.replaceAll(/[|\n]/g, " ")}`, format(result), ...columns.map(() => "")],
    ),
  ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** `W4A8`: bits of weights and activations. */
export function format({ madeWith: { recipe } }: Pick<RowResult, "madeWith">): string {
  if (recipe === null) return "float32";
  // Codes that are kept have 4 bits; the name of an 8-bit float has digits behind its bits.
  const bits = (type: string) => (type === "none" ? "16" : type === "keep" ? "4" : /\d+/.exec(type)![0]);
  const float = [recipe.weights, recipe.activations].filter((type) => type.startsWith("fp"));
  return `W${bits(recipe.weights)}A${bits(recipe.activations)}${float.length > 0 ? ` (${float.join(", ")})` : ""}`;
}

/** The lowest and the highest ratio in a table, in words. */
function extremes(rows: readonly MeasuredRow[]): string {
  const ranked = rows
    .flatMap(({ row, result }) => (result.text?.divergence ? [{ label: row.label, ratio: result.text.divergence.pplRatio }] : []))
    .toSorted((a, b) => a.ratio.value - b.ratio.value);
  if (ranked.length < 2) return "";
  const [best, worst] = [ranked[0]!, ranked.at(-1)!];
  const words = ({ label, ratio }: typeof best) => `${label} (${plusMinus(ratio, 3)})`;
  return `Lowest perplexity ratio: ${words(best)}; highest: ${words(worst)}.`;
}

function commands(rows: readonly MeasuredRow[], settings: Settings): string {
  const lines = rows.flatMap(({ row }) => {
    const command = quantizeCommand(row, settings);
    return command === undefined ? [] : [`# ${row.label}\n${command}`];
  });
  return `<details>\n<summary>Commands</summary>\n\n\`\`\`sh\n${lines.join("\n")}\n\`\`\`\n\n</details>`;
}

function given(): string {
  const list = GIVEN.map(({ name, pplRatio }) => `${name}: ${pplRatio}`).join("; ");
  return `For comparison, perplexity ratios of llama.cpp re-quantizing the same file: ${list}. Both were given to this project and
are not measured here.`;
}

function telling({ activations }: Results): string {
  if (!activations) return "";
  const { name, before, after } = activations.telling;
  const [high, evened] = [Math.max(...before), Math.max(...after)];
  return `LAE changes \`${name}\` most: its range falls from ${formatSignificant(high)} to ${formatSignificant(evened)}, ${formatSignificant(high / evened)} times less.`;
}

/** Machine, runtime, versions and dates, and which rows are of which, where they differ. */
function environments({ rows, activations }: Results): string {
  const groups = new Map<string, { dates: Set<string>; labels: string[] }>();
  const add = ({ date, cpu, threads, runtime, build, version }: Environment, label: string) => {
    const key = `${cpu}, ${threads} thread${threads === 1 ? "" : "s"}, ${runtime}, ${build} build, fptq ${version}`;
    const group = groups.get(key) ?? { dates: new Set(), labels: [] };
    group.dates.add(date);
    group.labels.push(label);
    groups.set(key, group);
  };
  for (const { id, label } of ROWS) if (rows[id]) add(rows[id].environment, label);
  if (activations) add(activations.environment, "activation ranges");
  return [...groups]
    .map(([key, { dates, labels }]) => {
      const which = groups.size > 1 ? `: ${labels.join("; ")}` : "";
      return `- ${key}, ${[...dates].toSorted().join(", ")}${which}`;
    })
    .join("\n");
}
