/** `fptq lambada`: how often a model finds the last word of a passage. */
import { Command } from "commander";
import type { LambadaResult } from "../../evaluation/lambada.ts";
import { addRequiredOption } from "../arguments.ts";
import { type CommandContext, readTextFile } from "../command-context.ts";
import { formatShare, formatUncertain } from "../evaluation-report.ts";
import { addModelOptions, addOutputOptions, loadModelFromFlags, type ModelFlags } from "../options/model-options.ts";
import { integer, nonEmpty } from "../options/option-values.ts";
import { displayProgress } from "../progress-display.ts";

interface LambadaFlags extends ModelFlags {
  readonly file: string;
  readonly limit?: number;
  readonly json?: boolean;
  readonly logSamples?: boolean;
}

const EXAMPLES = `
FILE has one JSON object a line, {"text": "..."}. The last word of each text is the target; it counts as found if each of its
tokens is the model's likeliest one.

Examples:
  fptq lambada -m SmolLM2-w4a8 -f lambada_test.jsonl
  fptq lambada -m SmolLM2.gguf -f lambada_test.jsonl --limit 500 --json`;

export function lambadaCommand(context: CommandContext): Command {
  const command = new Command("lambada")
    .description("measure how often the last word of a passage is found")
    .optionsGroup("Text:");
  addRequiredOption(command, "-f, --file <path>", "JSON Lines; - for stdin", nonEmpty);
  command.option("--limit <n>", "the first n passages only (default: all)", integer(1));
  addModelOptions(command, "most tokens in a passage (default: the model's context, at most 4096)");
  addOutputOptions(command, "accuracy, accuracy_stderr, target_ppl, target_ppl_stderr, items");
  return command
    .option("--log-samples", "that document, with log_likelihoods and solved (1 or 0) of each passage too")
    .addHelpText("after", EXAMPLES)
    .action((flags: LambadaFlags) => measure(context, flags));
}

async function measure(context: CommandContext, flags: LambadaFlags): Promise<void> {
  const { output, signal } = context;
  const content = await readTextFile(context, "--file", flags.file);
  const { lambada, parseLambadaItems } = await context.library();
  const items = parseLambadaItems(content, flags.file);
  await using model = await loadModelFromFlags(context, flags);
  using progress = displayProgress(output.logStream);
  const result = await lambada(model, items, { limit: flags.limit, signal, onProgress: progress.onProgress });
  if (flags.logSamples) output.json({ ...lambadaDocument(result), ...lambadaSamples(result) });
  else if (flags.json) output.json(lambadaDocument(result));
  else {
    output.print(`passages           ${result.items}`);
    output.print(`accuracy           ${formatShare(result.accuracy)}`);
    output.print(`target perplexity  ${formatUncertain(result.targetPerplexity)}`);
  }
}

/** The JSON of `lambada`; accuracy 0..1. */
export function lambadaDocument({ items, accuracy, targetPerplexity }: LambadaResult) {
  return {
    accuracy: accuracy.value,
    accuracy_stderr: accuracy.standardError,
    target_ppl: targetPerplexity.value,
    target_ppl_stderr: targetPerplexity.standardError,
    items,
  };
}

/** What each passage got; log-likelihoods in nats. */
function lambadaSamples({ logLikelihoods, solved }: LambadaResult) {
  return { log_likelihoods: logLikelihoods, solved: solved.map(Number) };
}
