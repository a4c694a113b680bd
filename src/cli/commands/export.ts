/** `fptq export`: a model in the form of other programs. */
import { Command, Option } from "commander";
import { EXPORT_TYPES, type ExportType } from "../../export/gguf/gguf-weights.ts";
import { FOLDER_FORMATS } from "../../export/export-model.ts";
import { UsageError } from "../exit.ts";
import { addRequiredOption } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { addOutputOptions } from "../options/model-options.ts";
import { nonEmpty, oneOf } from "../options/option-values.ts";
import { addSourceOptions, SOURCE_FORMS, type SourceFlags, sourceOptions } from "../options/source-options.ts";
import { displayProgress } from "../progress-display.ts";
import { formatBytes } from "../quantities.ts";

interface ExportFlags extends SourceFlags {
  readonly output: string;
  readonly type?: ExportType;
  readonly format: (typeof FORMATS)[number];
  readonly force?: boolean;
  readonly json?: boolean;
}

const FORMATS = ["gguf", ...FOLDER_FORMATS] as const;

const EXAMPLES = `
Examples:
  fptq export SmolLM2-w4a8 -o SmolLM2.Q4_0.gguf --type Q4_0
  fptq export ./Llama-3.2-1B -o Llama-3.2-1B.F16.gguf --type F16
  fptq export SmolLM2-w4a8 -o SmolLM2-w4a16 --format w4a16          # for vLLM`;

export function exportCommand(context: CommandContext): Command {
  const command = new Command("export")
    .description("write a model for other programs: a GGUF for llama.cpp, or a folder for vLLM")
    .argument("<model>", `quantized or unquantized folder, or a GGUF: ${SOURCE_FORMS}`, nonEmpty);
  addRequiredOption(command, "-o, --output <path>", "GGUF or folder to write", nonEmpty);
  command
    .addOption(
      new Option("--type <type>", `what matrices of a GGUF become: ${EXPORT_TYPES.join(", ")} (default: F16)`).argParser(
        oneOf(...EXPORT_TYPES),
      ),
    )
    .addOption(
      new Option("--format <format>", `what to write: ${FORMATS.join(", ")}`).argParser(oneOf(...FORMATS)).default("gguf"),
    )
    .option("--force", "replace the output if there is one");
  addSourceOptions(command.optionsGroup("Model:"));
  return addOutputOptions(command, "tensors, bytes, rounded_blocks, notes")
    .addHelpText("after", EXAMPLES)
    .action((source: string, flags: ExportFlags) => exportModel(context, source, flags));
}

async function exportModel(context: CommandContext, source: string, flags: ExportFlags): Promise<void> {
  const { output, signal } = context;
  const { format, type } = flags;
  if (format !== "gguf" && type !== undefined)
    throw new UsageError(`--type: got ${type} beside --format ${format}, need it for a GGUF only: codes stay as they are`);
  const library = await context.library();
  using progress = displayProgress(output.logStream);
  const options = {
    ...sourceOptions(flags),
    output: flags.output,
    force: flags.force ?? false,
    signal,
    onProgress: progress.onProgress,
    onWarning: (message: string) => output.warn(message),
  };
  const done =
    format === "gguf"
      ? await library.exportGguf(source, { ...options, type: type ?? "F16" })
      : { ...(await library.exportFolder(source, { ...options, format })), roundedBlocks: 0 };
  const { tensors, bytes, roundedBlocks, notes } = done;
  for (const note of notes) output.warn(note);
  if (flags.json) output.json({ tensors, bytes, rounded_blocks: roundedBlocks, notes });
  output.log(`wrote ${flags.output}: ${tensors} tensors, ${formatBytes(bytes)}`);
  if (roundedBlocks > 0) output.log(`scales of ${roundedBlocks} blocks are the nearest float16; their codes are the model's`);
}
