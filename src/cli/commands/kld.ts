/**
 * `fptq kld`: what quantizing changed in a model's predictions, printed as llama-perplexity's
 * `--kl-divergence` does.
 */
import { Command } from "commander";
import { addRequiredOption } from "../arguments.ts";
import { type CommandContext, readTextFile } from "../command-context.ts";
import { divergenceDocument, divergenceReport } from "../evaluation-report.ts";
import {
  addModelOptions,
  addOutputOptions,
  loadBaseFromFlags,
  loadModelFromFlags,
  type ModelFlags,
} from "../options/model-options.ts";
import { integer, nonEmpty } from "../options/option-values.ts";
import { displayProgress } from "../progress-display.ts";

interface KldFlags extends ModelFlags {
  readonly base: string;
  readonly file: string;
  readonly chunks?: number;
  readonly json?: boolean;
}

/** llama-perplexity's default. */
const DEFAULT_CONTEXT = 512;

const EXAMPLES = `
Both models run side by side over the text, cut into chunks of -c tokens; the second half of each is compared. Options of precision
(--weights, -ctk, -ctv, --head) are the model's; the base runs in f32, or as W4A8 if it is that.

Examples:
  fptq kld --base SmolLM2.gguf -m SmolLM2-w4a8 -f wiki.test.txt --chunks 16
  fptq kld --base SmolLM2.gguf -m SmolLM2-w4a8 -f wiki.test.txt -ctk f32 --json`;

export function kldCommand(context: CommandContext): Command {
  const command = new Command("kld").description("compare a model's predictions with those of another").optionsGroup("Text:");
  addRequiredOption(command, "--base <source>", "the model to compare with, usually the unquantized one", nonEmpty);
  addRequiredOption(command, "-f, --file <path>", "UTF-8 text; - for stdin", nonEmpty);
  command.option("--chunks <n>", "compare the first n chunks only (default: all)", integer(1));
  addModelOptions(command, `tokens in each chunk (default: ${DEFAULT_CONTEXT})`);
  return addOutputOptions(command, "ppl, base_ppl, ppl_ratio, kld, same_top, delta_p, ... with standard errors")
    .addHelpText("after", EXAMPLES)
    .action((flags: KldFlags) => compare(context, flags));
}

async function compare(context: CommandContext, flags: KldFlags): Promise<void> {
  const { output, signal } = context;
  const contextSize = flags.ctxSize ?? DEFAULT_CONTEXT;
  const text = await readTextFile(context, "--file", flags.file);
  const { klDivergence } = await context.library();
  const chunked = { ...flags, ctxSize: contextSize };
  await using base = await loadBaseFromFlags(context, flags.base, chunked);
  await using model = await loadModelFromFlags(context, chunked);
  using progress = displayProgress(output.logStream);
  const options = { contextSize, chunks: flags.chunks, signal, onProgress: progress.onProgress };
  const result = await klDivergence(base, model, text, options);
  if (flags.json) output.json(divergenceDocument(result));
  else output.print(divergenceReport(result));
}
