/** `fptq lambada`: how often a model finds the last word of a passage. */
import { Command } from "commander";
import type { LambadaComparison, LambadaResult } from "../../evaluation/lambada.ts";
import { addRequiredOption } from "../arguments.ts";
import { addBaseOption, askBesideBase, type ItemFlags } from "./beside-base.ts";
import { type CommandContext, readTextFile } from "../command-context.ts";
import { formatShare, formatUncertain } from "../evaluation-report.ts";
import { addModelOptions, addOutputOptions } from "../options/model-options.ts";
import { integer, nonEmpty } from "../options/option-values.ts";

const EXAMPLES = `
FILE has one JSON object a line, {"text": "..."}. The last word of each text is the target; it counts as found if each of its
tokens is the model's likeliest one.
With --base both models are asked, one after the other, and compared passage by passage.

Examples:
  fptq lambada -m SmolLM2-w4a8 -f lambada_test.jsonl
  fptq lambada -m SmolLM2-w4a8 --base SmolLM2.gguf -f lambada_test.jsonl
  fptq lambada -m SmolLM2.gguf -f lambada_test.jsonl --limit 500 --json`;

export function lambadaCommand(context: CommandContext): Command {
  const command = new Command("lambada")
    .description("measure how often the last word of a passage is found")
    .optionsGroup("Text:");
  addRequiredOption(command, "-f, --file <path>", "JSON Lines; - for stdin", nonEmpty);
  addBaseOption(command);
  command.option("--limit <n>", "the first n passages only (default: all)", integer(1));
  addModelOptions(command, "most tokens in a passage (default: the model's context, at most 4096)");
  addOutputOptions(
    command,
    "accuracy, accuracy_stderr, target_ppl, target_ppl_stderr, items; with --base also base, accuracy_difference, target_ppl_ratio",
  );
  return command
    .option("--log-samples", "that document, with log_likelihoods and solved (1 or 0) of each passage too")
    .addHelpText("after", EXAMPLES)
    .action((flags: ItemFlags) => measure(context, flags));
}

async function measure(context: CommandContext, flags: ItemFlags): Promise<void> {
  const { output } = context;
  const content = await readTextFile(context, "--file", flags.file);
  const { compareLambada, lambada, parseLambadaItems } = await context.library();
  const items = parseLambadaItems(content, flags.file);
  const { result, base } = await askBesideBase(context, flags, (model, options) => lambada(model, items, options));
  const comparison = base && compareLambada(result, base);
  if (flags.json || flags.logSamples) {
    output.json({
      ...lambadaDocument(result),
      ...(flags.logSamples && lambadaSamples(result)),
      ...(base && { base: lambadaDocument(base) }),
      ...(comparison && comparisonDocument(comparison)),
    });
    return;
  }
  output.print(`passages           ${result.items}`);
  output.print(`accuracy           ${formatShare(result.accuracy)}`);
  output.print(`target perplexity  ${formatUncertain(result.targetPerplexity)}`);
  if (!base || !comparison) return;
  output.print(`base accuracy      ${formatShare(base.accuracy)}, difference ${formatShare(comparison.accuracyDifference)}`);
  output.print(
    `base perplexity    ${formatUncertain(base.targetPerplexity)}, ratio ${formatUncertain(comparison.targetPerplexityRatio)}`,
  );
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

function comparisonDocument({ accuracyDifference, targetPerplexityRatio }: LambadaComparison) {
  return {
    accuracy_difference: accuracyDifference.value,
    accuracy_difference_stderr: accuracyDifference.standardError,
    target_ppl_ratio: targetPerplexityRatio.value,
    target_ppl_ratio_stderr: targetPerplexityRatio.standardError,
  };
}
