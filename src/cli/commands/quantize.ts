/** `fptq quantize`: checkpoint in, W4A8 checkpoint out, with a table of what was decided. */
import { Command } from "commander";
import { addRequiredOption } from "../arguments.ts";
import { addCalibrationOptions, type CalibrationFlags, calibrationSource } from "../options/calibration.ts";
import type { CommandContext } from "../command-context.ts";
import { addOutputOptions } from "../options/model-options.ts";
import { nonEmpty } from "../options/option-values.ts";
import { displayProgress } from "../progress-display.ts";
import { addRecipeOptions, type RecipeFlags, recipeOptions } from "../options/recipe-flags.ts";
import { reportDocument, reportSummary, reportTable } from "../quantization-report.ts";
import { addSourceOptions, SOURCE_FORMS, type SourceFlags, sourceOptions } from "../options/source-options.ts";

interface QuantizeFlags extends CalibrationFlags, RecipeFlags, SourceFlags {
  readonly output: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  fptq quantize SmolLM2.gguf -o SmolLM2-w4a8 --calibration wiki.valid.txt
  fptq quantize ./Llama-3.2-1B -o Llama-w4a8 --calibration texts.jsonl --samples 64 --group-size 64
  fptq quantize ./Llama-3.2-1B -o Llama-vllm --embedding f16        # opens in transformers and vLLM
  fptq quantize SmolLM2.gguf -o SmolLM2-best --recipe fptq-best --calibration wiki.valid.txt
  fptq quantize SmolLM2.gguf -o SmolLM2-distilled --recipe fptq-best --distill-steps 64 --calibration wiki.valid.txt
  fptq quantize SmolLM2.gguf -o SmolLM2-sq --recipe smoothquant --weights int4 --policy static --override '*.down=dynamic'
  fptq quantize SmolLM2.gguf -o SmolLM2-zq --recipe zeroquant-fp --scale-constraint m2 --calibration wiki.valid.txt
  fptq quantize SmolLM2.gguf -o SmolLM2-w4a8 --json > report.json`;

export function quantizeCommand(context: CommandContext): Command {
  const command = new Command("quantize")
    .description("quantize a model to 4-bit weights and 8-bit activations")
    .argument("<source>", `folder with config.json and safetensors, or a GGUF: ${SOURCE_FORMS}`, nonEmpty);
  addRequiredOption(command, "-o, --output <dir>", "folder to write", nonEmpty);
  command.option("--force", "replace the output folder if there is one");
  addRecipeOptions(command);
  addCalibrationOptions(command);
  addSourceOptions(command.optionsGroup("Model:"));
  return addOutputOptions(
    command,
    "recipe, layers, bits_per_weight, kept, distillation, simulated, static_share, seconds, stages",
  )
    .addHelpText("after", EXAMPLES)
    .action((source: string, flags: QuantizeFlags) => quantizeSource(context, source, flags));
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
    ...recipeOptions(flags),
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
  output.log(`\nwrote ${flags.output}\n${reportSummary(report)}`);
  output.log(`run it: fptq run -m ${flags.output} -p "..."`);
}
