/** `fptq diagnose`: how much of a quantized model's loss each of its parts has. */
import { Command } from "commander";
import type { DivergenceStatistics } from "../../evaluation/divergence-statistics.ts";
import type { ModelPart } from "../../evaluation/float-parts.ts";
import type { LossByPart } from "../../evaluation/loss-by-part.ts";
import { addRequiredOption } from "../arguments.ts";
import { type CommandContext, readTextFile } from "../command-context.ts";
import { formatShare, formatUncertain, withError } from "../evaluation-report.ts";
import { addOutputOptions } from "../options/model-options.ts";
import { integer, nonEmpty } from "../options/option-values.ts";
import { addSourceOptions, SOURCE_FORMS, type SourceFlags, sourceOptions } from "../options/source-options.ts";
import { displayProgress } from "../progress-display.ts";
import { formatTable } from "../table.ts";

interface DiagnoseFlags extends SourceFlags {
  readonly model: string;
  readonly base: string;
  readonly file: string;
  readonly chunks?: number;
  readonly ctxSize?: number;
  readonly threads?: number;
  readonly json?: boolean;
}

const EXAMPLES = `
Each part is put back to float alone, and with all parts before it: the weights of the blocks, what their linear layers read (qkv, o,
up, down), cached keys and values, the head with its input, the embedding. What is left of the KL divergence, the perplexity ratio and
the agreement with the base is compared as by "fptq kld". With all parts in float the model is the base. That takes about two runs of
the float model over the text for each part.

Examples:
  fptq diagnose -m SmolLM2-w4a8 --base SmolLM2.gguf -f wiki.test.txt --chunks 16
  fptq diagnose -m SmolLM2-w4a8 --base SmolLM2.gguf -f main.py --json | jq '.parts[] | [.part, .cumulative.kld.value]'`;

export function diagnoseCommand(context: CommandContext): Command {
  const command = new Command("diagnose")
    .description("split a quantized model's loss by part: weights, inputs, cache, head, embedding")
    .optionsGroup("Text:");
  addRequiredOption(command, "-f, --file <path>", "UTF-8 text; - for stdin", nonEmpty);
  command.option("--chunks <n>", "compare the first n chunks only (default: all)", integer(1)).optionsGroup("Model:");
  addRequiredOption(command, "-m, --model <source>", `quantized folder: ${SOURCE_FORMS}`, nonEmpty);
  addRequiredOption(command, "--base <source>", "the float model it was made of: a folder or GGUF, as above", nonEmpty);
  addSourceOptions(command)
    .option("-c, --ctx-size <n>", "tokens in each chunk (default: 512)", integer(1))
    .option("-t, --threads <n>", "threads (default: one per core)", integer(1, 64));
  return addOutputOptions(command, "quantized, parts (alone and cumulative: ppl, ppl_ratio, kld, same_top), base_ppl, ...")
    .addHelpText("after", EXAMPLES)
    .action((flags: DiagnoseFlags) => diagnose(context, flags));
}

async function diagnose(context: CommandContext, flags: DiagnoseFlags): Promise<void> {
  const { output, signal } = context;
  const { model, base, ctxSize: contextSize, chunks, threads } = flags;
  const text = await readTextFile(context, "--file", flags.file);
  const { lossByPart } = await context.library();
  using progress = displayProgress(output.logStream);
  const result = await lossByPart(model, base, text, {
    ...sourceOptions(flags),
    contextSize,
    chunks,
    threads,
    signal,
    onProgress: progress.onProgress,
    onWarning: (message) => output.warn(message),
  });
  if (flags.json) output.json(lossDocument(result));
  else output.print(lossTable(result));
}

/** What a part is called in tables. */
export const PART_LABELS: Readonly<Record<ModelPart, string>> = {
  weights: "weights",
  qkv: "inputs of qkv",
  o: "inputs of o",
  up: "inputs of up",
  down: "inputs of down",
  keys: "cached keys",
  values: "cached values",
  head: "head",
  embedding: "embedding",
};

/** A row for the model as it is, then one for each part: alone, and with all before it. */
function lossTable({ quantized, parts }: LossByPart): string {
  const cells = ({ kld, pplRatio, sameTop }: DivergenceStatistics) => [
    formatUncertain(kld.mean),
    formatUncertain(pplRatio),
    formatShare(sameTop),
  ];
  const right = (head: string) => ({ head, align: "right" as const });
  const columns = [{ head: "in float" }, ...["KLD", "PPL ratio", "same top", "KLD so far", "PPL ratio", "same top"].map(right)];
  return formatTable(columns, [
    ["nothing", ...cells(quantized), ...cells(quantized)],
    ...parts.map(({ part, alone, cumulative }) => [PART_LABELS[part], ...cells(alone), ...cells(cumulative)]),
  ]);
}

/** The JSON of `diagnose`: nats, and shares 0..1. */
function lossDocument({ quantized, parts, chunks, tokens }: LossByPart) {
  const figures = ({ ppl, pplRatio, kld, sameTop }: DivergenceStatistics) => ({
    ppl: withError(ppl),
    ppl_ratio: withError(pplRatio),
    kld: withError(kld.mean),
    same_top: withError(sameTop),
  });
  return {
    base_ppl: withError(quantized.basePpl),
    quantized: figures(quantized),
    parts: parts.map(({ part, alone, cumulative }) => ({ part, alone: figures(alone), cumulative: figures(cumulative) })),
    scored: quantized.scored,
    chunks,
    tokens,
  };
}
