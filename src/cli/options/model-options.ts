/** Options of every command that loads a model, with llama.cpp's names. */
import type { Command } from "commander";
import { addRequiredOption } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { BUILD_CHOICES, type LoadOptions } from "../../model/load-options.ts";
import type { CachePrecision, Precision, WeightPrecision } from "../../model/precision.ts";
import type { LoadedModel } from "../library-contract.ts";
import { byteCount, integer, nonEmpty, oneOf } from "./option-values.ts";
import { displayProgress } from "../progress-display.ts";
import { formatBytes, formatDuration } from "../quantities.ts";
import { addSourceOptions, SOURCE_FORMS, type SourceFlags, sourceOptions } from "./source-options.ts";

/** A build of the kernels, in the words of `LoadOptions.build`. */
export type BuildChoice = NonNullable<LoadOptions["build"]>;
export const buildChoice = oneOf<BuildChoice>(...BUILD_CHOICES);
export const BUILD_FORM = BUILD_CHOICES.join("|");

const PRECISION = oneOf<Precision>("f32", "q8");
export const cachePrecision = oneOf<CachePrecision>("f32", "q8", "q8t");
/** What -ctk and -ctv say, for every command that has them. */
export const CACHE_TYPES = {
  k: [
    "--ctk, --cache-type-k <f32|q8|q8t>",
    "precision of cached keys; q8t has a scale per token and head (default: as the model says)",
  ],
  v: ["--ctv, --cache-type-v <f32|q8|q8t>", "precision of cached values (default: the same)"],
} as const;

export const POLL_HELP = "how long threads poll before they sleep: 0 leaves cores to others (default: 50)";

/** What --memory-limit says, for every command that has it. */
export const MEMORY_LIMIT = [
  "--memory-limit <bytes>",
  "most of one WebAssembly memory, such as 2GiB: a larger model has its layers in several (default: 4GiB)",
] as const;

export interface ModelFlags extends SourceFlags {
  readonly model: string;
  readonly ctxSize?: number;
  /** Tokens of all sequences together, and how many sequences: for commands that run several at a time. */
  readonly cacheTokens?: number;
  readonly maxSequences?: number;
  readonly threads?: number | undefined;
  readonly cacheTypeK?: CachePrecision | undefined;
  readonly cacheTypeV?: CachePrecision | undefined;
  readonly weights?: WeightPrecision | undefined;
  readonly head?: Precision;
  readonly build?: BuildChoice | undefined;
  readonly poll?: number | undefined;
  readonly memoryLimit?: number;
  readonly verbose?: boolean | undefined;
}

export function addModelOptions(command: Command, contextHelp: string): Command {
  command.optionsGroup("Model:");
  addRequiredOption(
    command,
    "-m, --model <source>",
    `quantized folder or GGUF, or an unquantized one (then it runs in f32): ${SOURCE_FORMS}`,
    nonEmpty,
  );
  return addSourceOptions(command)
    .option("-c, --ctx-size <n>", contextHelp, integer(1))
    .option("-t, --threads <n>", "threads (default: one per core)", integer(1, 64))
    .option("--poll <0..100>", POLL_HELP, integer(0, 100))
    .option(...MEMORY_LIMIT, byteCount)
    .option(...CACHE_TYPES.k, cachePrecision)
    .option(...CACHE_TYPES.v, cachePrecision)
    .option(
      "--weights <kept|f32>",
      "quantized weights as they are, with int8 activations, or as floats (default: kept for a GGUF)",
      oneOf<WeightPrecision>("kept", "f32"),
    )
    .option("--head <f32|q8>", "precision of the output head (default: as stored)", PRECISION)
    .option(`--build <${BUILD_FORM}>`, "kernels to run; all give the same bits (default: auto, the fastest)", buildChoice);
}

/** @param json what `--json` prints instead; without it the command has no such option */
export function addOutputOptions(command: Command, json?: string): Command {
  command.optionsGroup("Output:");
  if (json !== undefined) command.option("--json", `print one JSON document instead: ${json}`);
  return command
    .option("--no-color", "no colours on a terminal (nor with NO_COLOR in the environment)")
    .option("-v, --verbose", "more on stderr; errors with their stack")
    .helpOption("-h, --help", "show this help");
}

/** Loads the model the flags name, with progress on stderr. */
export async function loadModelFromFlags(context: CommandContext, flags: ModelFlags): Promise<LoadedModel> {
  const { loadModel } = await context.library();
  const began = performance.now();
  using progress = displayProgress(context.output.logStream);
  const model = await loadModel(flags.model, {
    ...loadOptions(flags),
    ...sourceOptions(flags),
    signal: context.signal,
    onProgress: progress.onProgress,
    onWarning: (message) => context.output.warn(message),
  });
  if (flags.verbose) {
    const { weights, kvCache, scratch, js, total } = model.memory();
    const { k, v } = model.forwardPass.kvCache;
    const types = k === v ? k : `${k} and ${v}`;
    const parts = `weights ${formatBytes(weights)}, cache (${types}) ${formatBytes(kvCache)}, scratch ${formatBytes(scratch)}, JavaScript ${formatBytes(js)}`;
    context.output.log(
      `loaded ${flags.model} in ${formatDuration((performance.now() - began) / 1000)}; ${formatBytes(total)}: ${parts}`,
    );
  }
  return model;
}

/**
 * Loads the model to compare with. Options of precision are the other model's: this one runs in f32, or as
 * W4A8 if it is that.
 */
export async function loadBaseFromFlags(context: CommandContext, base: string, flags: ModelFlags): Promise<LoadedModel> {
  const { head: _, ...others } = { ...flags, cacheTypeK: undefined, cacheTypeV: undefined, weights: "f32" as const };
  return loadModelFromFlags(context, { ...others, model: base });
}

export function loadOptions(flags: ModelFlags): LoadOptions {
  const { ctxSize, cacheTokens, maxSequences, threads, cacheTypeK, cacheTypeV, weights, head, build, poll, memoryLimit } = flags;
  const kvCache = { ...(cacheTypeK && { k: cacheTypeK }), ...(cacheTypeV && { v: cacheTypeV }) };
  return { contextSize: ctxSize, cacheTokens, maxSequences, threads, weights, head, build, poll, memoryLimit, kvCache };
}
