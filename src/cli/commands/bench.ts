/** `fptq bench`: tokens per second, asked for and printed as llama-bench does. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { Command } from "commander";
import { openCheckpoint } from "../../checkpoint/open-checkpoint.ts";
import { MAX_CHUNK_ROWS } from "../../model/load-options.ts";
import { kernelFiles, nodeHost } from "../../host/node.ts";
import { nodeSources } from "../../host/node/node-sources.ts";
import { addRequiredOption } from "../arguments.ts";
import {
  type BenchFlags as Tests,
  type BenchSetup,
  crossProduct,
  integerRanges,
  promptAndGeneration,
  wordList,
} from "../bench/bench-options.ts";
import { type BenchFormat, benchPrinter, type BenchSubject, benchRecord, FORMATS } from "../bench/bench-report.ts";
import { batchedBenchPrinter } from "../bench/batched-bench-report.ts";
import type { CommandContext } from "../command-context.ts";
import type { LoadedModel } from "../library-contract.ts";
import { locateModel } from "../../sources/locate-model.ts";
import { describeModel, type ModelDescription } from "../model-description.ts";
import {
  addOutputOptions,
  BUILD_FORM,
  buildChoice,
  CACHE_TYPES,
  cachePrecision,
  loadModelFromFlags,
  POLL_HELP,
} from "../options/model-options.ts";
import { integer, nonEmpty, oneOf } from "../options/option-values.ts";
import { SOURCE_FORMS } from "../options/source-options.ts";
import { formatCount } from "../quantities.ts";

interface BenchFlags extends Partial<Tests> {
  readonly model: readonly string[];
  readonly repetitions: number;
  readonly warmup: boolean;
  readonly poll?: number;
  readonly output: BenchFormat;
  readonly nParallel?: readonly number[];
  readonly verbose?: boolean;
}

const EXAMPLES = `
Values are lists with commas (128,512) or ranges (1-8, 128-1024+128, 1-16*2), options may be given several times, and every
combination is measured. Nothing but the model is timed: no tokenization, no sampling.

Examples:
  fptq bench -m SmolLM2-w4a8
  fptq bench -m SmolLM2-w4a8 -p 512 -n 64 -d 0,4096 -t 1,2
  fptq bench -m SmolLM2-w4a8 -p 0 -n 128 -o jsonl | jq .avg_ts
  fptq bench -m SmolLM2-w4a8 -np 1,2,4,8,16 -p 128 -n 64     # llama-batched-bench's table: so many sequences at a time`;

export function benchCommand(context: CommandContext, version: string): Command {
  const command = new Command("bench").description("measure tokens per second").optionsGroup("Tests:");
  const forms = `quantized or unquantized folder, or a GGUF: ${SOURCE_FORMS}`;
  addRequiredOption(command, "-m, --model <source>", forms, wordList(nonEmpty));
  const precision = wordList(cachePrecision);
  command
    .option("-p, --n-prompt <n>", "prompt tokens; 0 for no such test (default: 512)", integerRanges(0))
    .option("-n, --n-gen <n>", "tokens to generate; 0 for no such test (default: 128)", integerRanges(0))
    .option("--pg, --prompt-gen <pp,tg>", "prompt and generation in one test", promptAndGeneration)
    .option("-d, --n-depth <n>", "tokens in the cache before a test begins (default: 0)", integerRanges(0))
    .option("-t, --threads <n>", "threads (default: one per core)", integerRanges(1, 64))
    .option(...CACHE_TYPES.k, precision)
    .option(...CACHE_TYPES.v, precision)
    .option(`--build <${BUILD_FORM}>`, "kernels to run (default: auto, the fastest)", wordList(buildChoice))
    .option("--poll <0..100>", POLL_HELP, integer(0, 100))
    .option("--np, --n-parallel <n>", "sequences at a time, each of -p and -n tokens: another table", integerRanges(1, 1024))
    .option("-r, --repetitions <n>", "runs of each test", integer(1), 5)
    .option("--no-warmup", "time the first run too, which pays for compiling");
  addOutputOptions(command).option<BenchFormat>("-o, --output <format>", FORMATS.join(", "), oneOf(...FORMATS), "md");
  return command.addHelpText("after", EXAMPLES).action((flags: BenchFlags) => bench(context, version, flags));
}

async function bench(context: CommandContext, version: string, flags: BenchFlags): Promise<void> {
  if (flags.nParallel) return batchedBench(context, flags, flags.nParallel);
  const { output, signal } = context;
  const { nPrompt = [512], nGen = [128], promptGen = [], nDepth = [0], threads = [undefined] } = flags;
  const { cacheTypeK = [undefined], cacheTypeV = [undefined], build = [undefined], repetitions, warmup, poll, verbose } = flags;
  const setups = crossProduct({ model: flags.model, nPrompt, nGen, promptGen, nDepth, threads, cacheTypeK, cacheTypeV, build });
  const shown = [...(flags.cacheTypeK ? (["type_k"] as const) : []), ...(flags.cacheTypeV ? (["type_v"] as const) : [])];
  const printer = benchPrinter(flags.output, (text) => output.write(text), shown, output.columns);
  const { measureSpeed } = await context.library();
  for (const setup of setups) {
    if (setup.tests.length === 0) continue;
    const description = await describe(context, setup.model);
    await using model = await loadModelFromFlags(context, { ...setup, poll, ctxSize: contextOf(setup), verbose });
    const subject = await describeSubject(version, setup, description, model);
    for (const test of setup.tests) {
      const began = new Date();
      printer.row(benchRecord(subject, test, await measureSpeed(model, test, { repetitions, warmup, signal }), began));
    }
  }
  printer.end();
}

/** Sequences side by side: one load for each model, threads and build, with room for the most of them. */
async function batchedBench(context: CommandContext, flags: BenchFlags, parallel: readonly number[]): Promise<void> {
  const { output, signal } = context;
  const { nPrompt = [128], nGen = [64], threads = [undefined], build = [undefined] } = flags;
  const { measureBatchedSpeed } = await context.library();
  const printer = batchedBenchPrinter(flags.output, (text) => output.write(text), output.columns);
  const ctxSize = Math.max(...nPrompt) + Math.max(...nGen);
  const most = Math.max(...parallel);
  const room = { ctxSize, cacheTokens: most * 64 * Math.ceil(ctxSize / 64), maxSequences: most };
  for (const [path, count, chosen] of flags.model.flatMap((m) => threads.flatMap((t) => build.map((b) => [m, t, b] as const)))) {
    const setup = { model: path, threads: count, build: chosen, poll: flags.poll, verbose: flags.verbose, ...room };
    await using model = await loadModelFromFlags(context, setup);
    printer.model({
      model: path,
      threads: model.forwardPass.threads,
      build: model.forwardPass.kernelBuild,
      cpu: cpus()[0]?.model ?? "unknown",
    });
    for (const promptTokens of nPrompt) {
      for (const generatedTokens of nGen) {
        for (const sequences of parallel) {
          const test = { promptTokens, generatedTokens, sequences };
          printer.row(test, await measureBatchedSpeed(model, test, { signal }));
        }
      }
    }
  }
  printer.end();
}

/** One cache for all tests of a loaded model: its size changes no speed, loading again takes long. */
function contextOf({ tests }: BenchSetup): number {
  return Math.max(...tests.map(({ promptTokens, generatedTokens, depth }) => depth + promptTokens + generatedTokens));
}

async function describe({ output, signal }: CommandContext, source: string): Promise<ModelDescription> {
  const onWarning = (message: string) => output.warn(message);
  const location = await locateModel(source, nodeSources(), { signal, onWarning });
  const checkpoint = await openCheckpoint(location, signal);
  try {
    return await describeModel(checkpoint, new Set());
  } finally {
    await checkpoint.close();
  }
}

async function describeSubject(
  version: string,
  setup: BenchSetup,
  description: ModelDescription,
  { forwardPass: { threads, build, kvCache } }: LoadedModel,
): Promise<BenchSubject> {
  const { architecture, parameters, bytes, quantized } = description;
  return {
    build_commit: version,
    build_number: 0,
    cpu_info: cpus()[0]?.model ?? "unknown",
    gpu_info: "",
    backends: "WASM",
    model_filename: setup.model,
    model_type: `${architecture} ${formatCount(parameters)} ${quantized ? `W${quantized.weight_bits}A8` : typeRun(mainType(description))}`,
    model_size: bytes,
    model_n_params: parameters,
    n_batch: MAX_CHUNK_ROWS,
    n_ubatch: MAX_CHUNK_ROWS,
    n_threads: threads,
    type_k: kvCache.k,
    type_v: kvCache.v,
    runtime: nodeHost.name,
    runtime_version: nodeHost.version,
    simd: build,
    wasm_sha256: await digestOf(build),
  };
}

/** SHA-256 of the modules of a build, one after the other. */
async function digestOf(build: Parameters<typeof kernelFiles>[0]): Promise<string> {
  const digest = createHash("sha256");
  for (const file of kernelFiles(build)) digest.update(await readFile(file));
  return digest.digest("hex");
}

/** The type most of a model's bytes have. */
function mainType({ tensors }: ModelDescription): string {
  const bytes = new Map<string, number>();
  for (const tensor of tensors) bytes.set(tensor.dtype, (bytes.get(tensor.dtype) ?? 0) + tensor.bytes);
  return [...bytes].reduce((most, entry) => (entry[1] > most[1] ? entry : most))[0];
}

/** Weights that a file has quantized run as they are, others as floats. */
const typeRun = (stored: string) => (/^B?F\d+$/.test(stored) ? `${stored} as F32` : stored);
