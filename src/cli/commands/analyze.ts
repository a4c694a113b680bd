/** `fptq analyze`: activation ranges of every layer input, what the policy makes of them, and figures. */
import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { CheckpointError, OptionError } from "../../errors.ts";
import { type InputAnalysis, summarizeRanges } from "../../quantizer/decide/analyze-inputs.ts";
import { PAPER_THRESHOLDS, policyName, selectPolicies } from "../../quantizer/decide/policy.ts";
import { addCalibrationOptions, type CalibrationFlags, calibrationSource } from "../options/calibration.ts";
import type { CommandContext } from "../command-context.ts";
import { pathOf } from "../../host/node/node-paths.ts";
import { addOutputOptions } from "../options/model-options.ts";
import { layerList, nonEmpty, number } from "../options/option-values.ts";
import { displayProgress } from "../progress-display.ts";
import { addSourceOptions, SOURCE_FORMS, type SourceFlags, sourceOptions } from "../options/source-options.ts";
import { loadFigures } from "../figures/load-figures.ts";
import { formatSignificant } from "../quantities.ts";
import { displayWidth } from "../line-wrap.ts";
import type { Output } from "../output.ts";
import { alignPoints, formatTable } from "../table.ts";

interface AnalyzeFlags extends CalibrationFlags, SourceFlags {
  readonly v0: number;
  readonly v1: number;
  readonly json?: boolean;
  readonly channels?: boolean;
  readonly svg?: string;
  readonly svgChannels?: string;
  readonly layers?: readonly number[];
}

const EXAMPLES = `
Examples:
  fptq analyze SmolLM2.gguf --calibration wiki.valid.txt
  fptq analyze SmolLM2.gguf --calibration wiki.valid.txt --svg ranges.svg --svg-channels channels.svg
  fptq analyze ./Llama-3.2-1B --json --channels > activations.json`;

export function analyzeCommand(context: CommandContext): Command {
  const command = new Command("analyze")
    .description("measure activation ranges and show the policy they lead to")
    .argument("<source>", `folder with config.json and safetensors, or a GGUF: ${SOURCE_FORMS}`, nonEmpty);
  addCalibrationOptions(command)
    .optionsGroup("Policy:")
    .option("--v0 <range>", "activations up to this range get a static scale as they are", number(0), PAPER_THRESHOLDS.v0)
    .option("--v1 <range>", "activations from this range on get a scale per token", number(0), PAPER_THRESHOLDS.v1);
  addSourceOptions(command.optionsGroup("Model:"));
  return addOutputOptions(command, "layers, policies, summary")
    .option("--channels", "with the largest value of every channel in the JSON")
    .option("--svg <file>", "draw the range of each layer input, over the layers", nonEmpty)
    .option("--svg-channels <file>", "draw the range of each channel, for a few layers", nonEmpty)
    .option("--layers <list>", "which layers --svg-channels shows (default: first, middle, last)", layerList)
    .addHelpText("after", EXAMPLES)
    .action((source: string, flags: AnalyzeFlags) => analyzeSource(context, source, flags));
}

async function analyzeSource(context: CommandContext, source: string, flags: AnalyzeFlags): Promise<void> {
  const { output, signal } = context;
  // The plotting library takes a while to load, and most calls draw nothing. If it is missing, that is said
  // before anything is measured.
  const drawing = flags.svg === undefined ? flags.svgChannels && "--svg-channels" : "--svg";
  const figures = drawing === undefined ? undefined : await loadFigures(drawing);
  const calibration = await calibrationSource(context, flags);
  const library = await context.library();
  using progress = displayProgress(output.logStream);
  const { samples, ctxSize: contextSize, threads } = flags;
  const analysis = await library.analyze(source, {
    ...sourceOptions(flags),
    calibration,
    samples,
    contextSize,
    threads,
    signal,
    onProgress: progress.onProgress,
    onWarning: (message) => output.warn(message),
  });
  const rows = describe(analysis, flags);

  if (flags.json) output.json(analysisDocument(rows, analysis, flags.channels === true));
  else output.print(`${rangeTable(rows, output)}\n\n${summaryTable(analysis)}\n\n${policyLine(rows, flags, output)}`);

  if (figures === undefined) return;
  if (flags.svg !== undefined) await writeFigure(context, "--svg", flags.svg, figures.drawRanges(analysis, flags));
  if (flags.svgChannels !== undefined) {
    const layers = chooseLayers(analysis, flags.layers);
    await writeFigure(context, "--svg-channels", flags.svgChannels, figures.drawChannels(analysis, layers));
  }
}

interface Row extends InputAnalysis {
  readonly policy: string;
}

function describe(analysis: readonly InputAnalysis[], { v0, v1 }: AnalyzeFlags): Row[] {
  const policies = selectPolicies(analysis, { kind: "range", v0, v1 });
  return analysis.map((row, i) => ({ ...row, policy: policyName(policies[i]!.policy, "lae") }));
}

const numberColumn = (head: string) => ({ head, align: "right" as const });

/** Policies by what they cost, and their colours. */
const KINDS = [
  { kind: "static", color: "green", is: (policy: string) => policy === "static" },
  { kind: "equalized", color: "cyan", is: (policy: string) => policy === "lae+static" },
  { kind: "dynamic", color: "yellow", is: (policy: string) => policy.endsWith("dynamic") },
] as const;

function rangeTable(rows: readonly Row[], { columns = Infinity, paint }: Output): string {
  const numbers = (["smallest", "median", "range", "equalizedRange"] as const).map((key) =>
    alignPoints(rows.map((row) => formatCell(row[key]))),
  );
  const colorOf = (policy: string) => paint(KINDS.find(({ is }) => is(policy))?.color ?? "bold", policy);
  const table = (name: (row: Row) => string) =>
    formatTable(
      [{ head: "layer input" }, ...["smallest", "median", "range", "equalized"].map(numberColumn), { head: "policy" }],
      rows.map((row, i) => [name(row), ...numbers.map((column) => column[i]!), colorOf(row.policy)]),
    );
  const whole = table(({ name }) => name);
  if (whole.split("\n").every((line) => displayWidth(line) <= columns)) return whole;
  return table(({ layer, input }) => `${layer}.${input}`);
}

/** How many inputs the policy treats in which way. */
function countPolicies(rows: readonly Row[]) {
  return KINDS.map(({ kind, color, is }) => ({ kind, color, count: rows.filter(({ policy }) => is(policy)).length }));
}

/** `120 layer inputs: 81 static, 12 equalized, 27 dynamic (v0 = 15, v1 = 150)` */
function policyLine(rows: readonly Row[], { v0, v1 }: AnalyzeFlags, { paint }: Output): string {
  const parts = countPolicies(rows).map(({ kind, color, count }) => paint(color, `${count} ${kind}`));
  return `${rows.length} layer inputs: ${parts.join(", ")} (v0 = ${v0}, v1 = ${v1})`;
}

/** The paper's Tables 8 and 9 for this model. */
function summaryTable(analysis: readonly InputAnalysis[]): string {
  const inputs = summarizeRanges(analysis);
  const numbers = (["min", "max", "equalizedMin", "equalizedMax"] as const).map((key) =>
    alignPoints(inputs.map((row) => formatCell(row[key]))),
  );
  return formatTable(
    [{ head: "all layers" }, ...["min", "max", "equalized min", "equalized max"].map(numberColumn)],
    inputs.map(({ input }, i) => [input as string].concat(numbers.map((column) => column[i]!))),
  );
}

const formatCell = (value: number) => formatSignificant(value);

function analysisDocument(rows: readonly Row[], analysis: readonly InputAnalysis[], channels: boolean) {
  return {
    layers: rows.map(({ name, smallest, median, range, equalizedRange, policy, channelAbsmax }) => ({
      name,
      smallest,
      median,
      range,
      equalized_range: equalizedRange,
      policy,
      ...(channels ? { channel_absmax: Array.from(channelAbsmax) } : {}),
    })),
    policies: Object.fromEntries(countPolicies(rows).map(({ kind, count }) => [kind, count])),
    summary: summarizeRanges(analysis).map(({ input, min, max, equalizedMin, equalizedMax }) => ({
      input,
      min,
      max,
      equalized_min: equalizedMin,
      equalized_max: equalizedMax,
    })),
  };
}

function chooseLayers(analysis: readonly InputAnalysis[], wanted: readonly number[] | undefined): number[] {
  const last = Math.max(...analysis.map(({ layer }) => layer));
  const beyond = wanted?.find((layer) => layer > last);
  if (beyond !== undefined) throw new OptionError(`--layers: got ${beyond}, need layers from 0 to ${last}, which the model has`);
  return [...new Set(wanted ?? [0, Math.round(last / 2), last])];
}

async function writeFigure({ output }: CommandContext, option: string, path: string, svg: string): Promise<void> {
  const file = pathOf(path, option);
  try {
    await writeFile(file, svg);
  } catch (error) {
    throw new CheckpointError(`${option} ${path}: cannot be written: ${(error as Error).message}`, { cause: error });
  }
  output.log(`wrote ${path}`);
}
