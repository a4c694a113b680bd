/**
 * `fptq choice`: multiple choice by likelihood, for HellaSwag, PIQA, WinoGrande, ARC, MMLU and others in one
 * form.
 */
import { Command } from "commander";
import type { ChoiceResult } from "../../evaluation/choice.ts";
import { addRequiredOption } from "../arguments.ts";
import { type CommandContext, readTextFile } from "../command-context.ts";
import { formatShare } from "../evaluation-report.ts";
import { addModelOptions, addOutputOptions, loadModelFromFlags, type ModelFlags } from "../options/model-options.ts";
import { integer, nonEmpty } from "../options/option-values.ts";
import { displayProgress } from "../progress-display.ts";

interface ChoiceFlags extends ModelFlags {
  readonly file: string;
  readonly limit?: number;
  readonly json?: boolean;
  readonly logSamples?: boolean;
}

const EXAMPLES = `
FILE has one JSON object a line, {"context": "...", "choices": [" ...", " ..."], "answer": 0}; a choice is scored as it follows the
context, so it usually begins with a space. The answer is the choice the model finds likeliest: as it is (accuracy), and per character
(normalized).

Examples:
  fptq choice -m SmolLM2-w4a8 -f hellaswag.jsonl
  fptq choice -m SmolLM2.gguf -f arc_easy.jsonl --limit 100 --json`;

export function choiceCommand(context: CommandContext): Command {
  const command = new Command("choice").description("measure multiple choice by likelihood").optionsGroup("Text:");
  addRequiredOption(command, "-f, --file <path>", "JSON Lines; - for stdin", nonEmpty);
  command.option("--limit <n>", "the first n items only (default: all)", integer(1));
  addModelOptions(command, "most tokens in an item (default: the model's context, at most 4096)");
  addOutputOptions(command, "accuracy, accuracy_stderr, accuracy_norm, accuracy_norm_stderr, items");
  return command
    .option("--log-samples", "that document, with log_likelihoods of each item's choices too")
    .addHelpText("after", EXAMPLES)
    .action((flags: ChoiceFlags) => measure(context, flags));
}

async function measure(context: CommandContext, flags: ChoiceFlags): Promise<void> {
  const { output, signal } = context;
  const content = await readTextFile(context, "--file", flags.file);
  const { multipleChoice, parseChoiceItems } = await context.library();
  const items = parseChoiceItems(content, flags.file);
  await using model = await loadModelFromFlags(context, flags);
  using progress = displayProgress(output.logStream);
  const result = await multipleChoice(model, items, { limit: flags.limit, signal, onProgress: progress.onProgress });
  if (flags.logSamples) output.json({ ...choiceDocument(result), log_likelihoods: result.logLikelihoods });
  else if (flags.json) output.json(choiceDocument(result));
  else {
    output.print(`items                ${result.items}`);
    output.print(`accuracy             ${formatShare(result.accuracy)}`);
    output.print(`normalized accuracy  ${formatShare(result.normalizedAccuracy)}`);
  }
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
