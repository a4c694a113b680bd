/** Evaluations by items that ask a second model the same. */
import type { Command } from "commander";
import type { EvaluationOptions } from "../../evaluation/continuation.ts";
import type { CommandContext } from "../command-context.ts";
import type { LoadedModel } from "../library-contract.ts";
import { loadBaseFromFlags, loadModelFromFlags, type ModelFlags } from "../options/model-options.ts";
import { nonEmpty } from "../options/option-values.ts";
import { displayProgress } from "../progress-display.ts";

export interface ItemFlags extends ModelFlags {
  readonly file: string;
  readonly base?: string;
  readonly limit?: number;
  readonly json?: boolean;
  readonly logSamples?: boolean;
}

export function addBaseOption(command: Command): Command {
  return command.option("--base <source>", "a model to compare with, usually the unquantized one; runs in f32", nonEmpty);
}

/** Asks the base, where there is one, and then the model; each is let go of before the next is loaded. */
export async function askBesideBase<Result>(
  context: CommandContext,
  flags: ItemFlags,
  ask: (model: LoadedModel, options: EvaluationOptions) => Promise<Result>,
): Promise<{ readonly result: Result; readonly base: Result | undefined }> {
  const { output, signal } = context;
  const askLoaded = async (loading: Promise<LoadedModel>) => {
    await using model = await loading;
    using progress = displayProgress(output.logStream);
    return await ask(model, { limit: flags.limit, signal, onProgress: progress.onProgress });
  };
  const { base: source } = flags;
  const base = source === undefined ? undefined : await askLoaded(loadBaseFromFlags(context, source, flags));
  return { result: await askLoaded(loadModelFromFlags(context, flags)), base };
}
