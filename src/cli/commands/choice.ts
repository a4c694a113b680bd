/**
 * `fptq choice`: multiple choice by likelihood, for HellaSwag, PIQA, WinoGrande, ARC, MMLU and others in one
 * form.
 */
import { Command } from "commander";
import type { ChoiceComparison, ChoiceResult } from "../../evaluation/choice.ts";
import { addRequiredOption } from "../arguments.ts";
import { addBaseOption, askBesideBase, type ItemFlags } from "./beside-base.ts";
import { type CommandContext, readTextFile } from "../command-context.ts";
import { formatShare } from "../evaluation-report.ts";
import { addModelOptions, addOutputOptions } from "../options/model-options.ts";
import { integer, nonEmpty } from "../options/option-values.ts";

const EXAMPLES = `
FILE has one JSON object a line, {"context": "...", "choices": [" ...", " ..."], "answer": 0}; a choice is scored as it follows the
context, so it usually begins with a space. The answer is the choice the model finds likeliest: as it is (accuracy), and per character
(normalized).
With --base both models are asked, one after the other, and compared item by item.

Examples:
  fptq choice -m SmolLM2-w4a8 -f hellaswag.jsonl
  fptq choice -m SmolLM2-w4a8 --base SmolLM2.gguf -f hellaswag.jsonl
  fptq choice -m SmolLM2.gguf -f arc_easy.jsonl --limit 100 --json`;

export function choiceCommand(context: CommandContext): Command {
  const command = new Command("choice").description("measure multiple choice by likelihood").optionsGroup("Text:");
  addRequiredOption(command, "-f, --file <path>", "JSON Lines; - for stdin", nonEmpty);
  addBaseOption(command);
  command.option("--limit <n>", "the first n items only (default: all)", integer(1));
  addModelOptions(command, "most tokens in an item (default: the model's context, at most 4096)");
  addOutputOptions(
    command,
    "accuracy, accuracy_stderr, accuracy_norm, accuracy_norm_stderr, items; with --base also base, accuracy_difference, accuracy_norm_difference",
  );
  return command
    .option("--log-samples", "that document, with log_likelihoods of each item's choices too")
    .addHelpText("after", EXAMPLES)
    .action((flags: ItemFlags) => measure(context, flags));
}

async function measure(context: CommandContext, flags: ItemFlags): Promise<void> {
  const { output } = context;
  const content = await readTextFile(context, "--file", flags.file);
  const { compareChoices, multipleChoice, parseChoiceItems } = await context.library();
  const items = parseChoiceItems(content, flags.file);
  const { result, base } = await askBesideBase(context, flags, (model, options) => multipleChoice(model, items, options));
  const comparison = base && compareChoices(result, base);
  if (flags.json || flags.logSamples) {
    output.json({
      ...choiceDocument(result),
      ...(flags.logSamples && { log_likelihoods: result.logLikelihoods }),
      ...(base && { base: choiceDocument(base) }),
      ...(comparison && comparisonDocument(comparison)),
    });
    return;
  }
  output.print(`items                ${result.items}`);
  output.print(`accuracy             ${formatShare(result.accuracy)}`);
  output.print(`normalized accuracy  ${formatShare(result.normalizedAccuracy)}`);
  if (!base || !comparison) return;
  output.print(`base accuracy        ${formatShare(base.accuracy)}, difference ${formatShare(comparison.accuracyDifference)}`);
  output.print(
    `base, normalized     ${formatShare(base.normalizedAccuracy)}, difference ${formatShare(comparison.normalizedAccuracyDifference)}`,
  );
}

/** The JSON of `choice`; accuracies 0..1. */
export function choiceDocument({ items, accuracy, normalizedAccuracy }: ChoiceResult) {
  return {
    accuracy: accuracy.value,
    accuracy_stderr: accuracy.standardError,
    accuracy_norm: normalizedAccuracy.value,
    accuracy_norm_stderr: normalizedAccuracy.standardError,
    items,
  };
}

function comparisonDocument({ accuracyDifference, normalizedAccuracyDifference }: ChoiceComparison) {
  return {
    accuracy_difference: accuracyDifference.value,
    accuracy_difference_stderr: accuracyDifference.standardError,
    accuracy_norm_difference: normalizedAccuracyDifference.value,
    accuracy_norm_difference_stderr: normalizedAccuracyDifference.standardError,
  };
}
