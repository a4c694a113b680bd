/** `fptq quantize`: checkpoint in, W4A8 checkpoint out, with a table of what was decided. */
import { Command, InvalidArgumentError } from "commander";
import { addRequiredOption } from "../arguments.ts";
import { addCalibrationOptions, type CalibrationFlags, calibrationSource } from "../calibration.ts";
import type { CommandContext } from "../command-context.ts";
import { addOutputOptions } from "../model-options.ts";
import { integerOf, nonEmpty, number, oneOf } from "../option-values.ts";
import { parsePolicyOverride, type PolicyOverride } from "../../quantizer/policy.ts";
import { RECIPE_NAMES } from "../../quantizer/recipe.ts";
import { displayProgress } from "../progress.ts";
import { addSourceOptions, SOURCE_FORMS, type SourceFlags, sourceOptions } from "../source-options.ts";
import { formatDuration } from "../quantities.ts";
import { reportDocument, reportTable } from "../report.ts";

interface QuantizeFlags extends CalibrationFlags, SourceFlags {
  readonly output: string;
  readonly force?: boolean;
  readonly recipe: string;
  readonly groupSize?: 32 | 64 | 128;
  // Without defaults here: a recipe without thresholds refuses them when they are given.
  readonly v0?: number;
  readonly v1?: number;
  readonly alpha?: number;
  readonly policy?: readonly PolicyOverride[];
  readonly embedding: "q8" | "f16";
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  fptq quantize SmolLM2.gguf -o SmolLM2-w4a8 --calibration wiki.valid.txt
  fptq quantize ./Llama-3.2-1B -o Llama-w4a8 --calibration texts.jsonl --samples 64 --group-size 64
  fptq quantize ./Llama-3.2-1B -o Llama-vllm --embedding f16        # opens in transformers and vLLM
  fptq quantize SmolLM2.gguf -o SmolLM2-w4a8 --json > report.json`;

export function quantizeCommand(context: CommandContext): Command {
  const command = new Command("quantize")
    .description("quantize a model to 4-bit weights and 8-bit activations")
    .argument("<source>", `folder with config.json and safetensors, or a GGUF: ${SOURCE_FORMS}`, nonEmpty);
  addRequiredOption(command, "-o, --output <dir>", "folder to write", nonEmpty);
  command
    .option("--force", "replace the output folder if there is one")
    .optionsGroup("Recipe:")
    .option(`--recipe <${RECIPE_NAMES.join("|")}>`, "preset of choices for each stage", oneOf(...RECIPE_NAMES), "fptq")
    .option(
      "--group-size <32|64|128>",
      "in_features that share a weight scale (default: the largest that divides)",
      integerOf(32, 64, 128),
    )
    .option("--v0 <range>", "activations up to this range get a static scale as they are (default: 15)", number(0))
    .option("--v1 <range>", "activations from this range on get a scale per token (default: 150)", number(0))
    .option("--alpha <x>", "exponent of logarithmic activation equalization (default: 1)", number(0))
    .option(
      "--policy <name=policy>",
      "set a policy by hand, * in the name: 'model.layers.3.*=dynamic'; repeatable",
      policyOverrides,
    )
    .option(
      "--embedding <q8|f16>",
      "embedding and tied head: q8 is smaller, f16 opens in transformers and vLLM",
      oneOf("q8", "f16"),
      "q8",
    );
  addCalibrationOptions(command);
  addSourceOptions(command.optionsGroup("Model:"));
  return addOutputOptions(command, "layers, bits_per_weight, seconds")
    .addHelpText("after", EXAMPLES)
    .action((source: string, flags: QuantizeFlags) => quantizeSource(context, source, flags));
}

function policyOverrides(text: string, earlier: readonly PolicyOverride[] = []): PolicyOverride[] {
  try {
    return [...earlier, parsePolicyOverride(text)];
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

async function quantizeSource(context: CommandContext, source: string, flags: QuantizeFlags): Promise<void> {
  const { output, signal } = context;
  const calibration = await calibrationSource(context, flags);
  const library = await context.library();
  using progress = displayProgress(output.logStream);
  const report = await library.quantize(source, {
    ...sourceOptions(flags),
    output: flags.output,
    force: flags.force ?? false,
    recipe: flags.recipe,
    groupSize: flags.groupSize,
    v0: flags.v0,
    v1: flags.v1,
    alpha: flags.alpha,
    overrides: flags.policy,
    embedding: flags.embedding,
    calibration,
    samples: flags.samples,
    contextSize: flags.ctxSize,
    threads: flags.threads,
    signal,
    onProgress: progress.onProgress,
    onWarning: (message) => output.warn(message),
  });
  if (flags.json) output.json(reportDocument(report));
  else output.print(reportTable(report));
  output.log(
    `\nwrote ${flags.output}: ${report.bits_per_weight.toFixed(2)} bits per weight in the layers, took ${formatDuration(report.seconds)}`,
  );
  output.log(`run it: fptq run -m ${flags.output} -p "..."`);
}
