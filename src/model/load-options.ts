/**
 * What a caller may choose when loading a model, checked against what the checkpoint and the runtime offer.
 */
import { blockModules, describeModel } from "../architecture/description.ts";
import { longestContext } from "../architecture/rope-scaling.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { simulatedActivations, simulationNote } from "../checkpoint/quantization/simulated-activations.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import { OptionError } from "../errors.ts";
import { isWhole, need, shown } from "../need.ts";
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import { MOST_THREADS } from "../kernels/threads/job-board.ts";
import { BUILD_NAMES, type BuildName } from "../kernels/kernel-build.ts";
import { ADDRESSABLE_BYTES } from "../kernels/memory-plan.ts";
import { DEFAULT_POLL, MOST_POLL } from "../kernels/threads/polling.ts";
import type { Host } from "../host/host.ts";
import type { WorkOptions } from "../host/work.ts";
import {
  type CachePrecision,
  checkCachePrecision,
  checkPrecision,
  checkWeightPrecision,
  type KvPrecision,
  type Precision,
  type StoredCachePrecision,
  type WeightPrecision,
} from "./precision.ts";

/**
 * Tokens in a chunk of a forward pass, at most. Larger chunks reuse weights more, smaller ones stay in cache.
 */
export const MAX_CHUNK_ROWS = 256;

/** How a model is loaded and run. */
export interface LoadOptions extends WorkOptions {
  /**
   * Precision of the KV cache; by default what the checkpoint asks for. Where it says nothing: "q8t" beside
   * kept weights, but float32 for keys that have a bias or a norm, and float32 beside others. "q8" is
   * int8 with the checkpoint's scales, and where it has none, as "q8t", with a scale for each token and K/V
   * head.
   */
  readonly kvCache?: CachePrecision | Partial<KvPrecision> | undefined;
  /**
   * How weights run that a file has quantized without quantizing activations. "kept", the default for a GGUF
   * and for integers as GPTQ, AWQ and others store them, multiplies them as they are with int8 activations, a
   * scale per token; "f32", that for a folder of this package's own whose configuration leaves activations as
   * floats, makes floats of them.
   */
  readonly weights?: WeightPrecision | undefined;
  /**
   * Precision of `lm_head`; by default as stored, and int8 where it is stored quantized and weights are kept.
   */
  readonly head?: Precision | undefined;
  /**
   * Tokens of a sequence, at most; by default the model's context, at most 4096. RoPE of types dynamic and
   * longrope is that of this length, also for sequences that are shorter.
   */
  readonly contextSize?: number | undefined;
  /**
   * Tokens of all sequences together that the KV cache holds; by default those of one, `contextSize`. Where
   * all layers have windows, a sequence takes no more than a window, `chunkSize` and 256 tokens.
   */
  readonly cacheTokens?: number | undefined;
  /**
   * Sequences that have room in the cache at a time, 1 to 1024; others wait, or give theirs up when they
   * pause. Default 32.
   */
  readonly maxSequences?: number | undefined;
  /**
   * Tokens of a prompt that go through a layer together, at most 256, the default. Fewer need less scratch
   * memory and reuse weights less; the logits are the same. A text whose tokens see those after them goes
   * through as a whole, whatever this says.
   */
  readonly chunkSize?: number | undefined;
  /**
   * The build of the kernels; by default the one whose dot product is the fastest here, of those that the
   * engine computes right. All give the same bits.
   */
  readonly build?: BuildName | "auto" | undefined;
  /**
   * How long a thread polls for the others before it sleeps, 0 (not at all) to 100. Polling takes a core that
   * another program may need; sleeping takes longer to answer. Default 50, about 0.1 ms; where threads hold
   * each other up, nobody polls whatever this says.
   */
  readonly poll?: number | undefined;
  /**
   * Bytes of a WebAssembly memory, at most 2^32, the default. A model that needs more has its layers in
   * several memories, each with scratch of its own; the logits are the same. For engines that grant no memory
   * of 4 GiB.
   */
  readonly memoryLimit?: number | undefined;
}

export const LOAD_OPTIONS: OptionKeys = optionKeys<LoadOptions>({
  kvCache: 0, weights: 0, head: 0, contextSize: 0, cacheTokens: 0, maxSequences: 0, chunkSize: 0, build: 0, poll: 0, memoryLimit: 0, threads: 0, signal: 0, onProgress: 0,
  onWarning: 0,
}); // prettier-ignore

export interface ResolvedLoadOptions {
  readonly kv: KvPrecision;
  readonly weights: WeightPrecision;
  readonly head: Precision | undefined;
  readonly contextSize: number;
  readonly chunkSize: number;
  readonly cacheTokens: number;
  readonly maxSequences: number;
  readonly build: BuildName | "auto";
  readonly poll: number;
  readonly memoryLimit: number;
}

const DEFAULT_CONTEXT_SIZE = 4096;
export const DEFAULT_SEQUENCES = 32;
const MAX_SEQUENCES = 1024;
/** Beyond what any 32-bit memory holds. */
const MAX_CACHE_TOKENS = 2 ** 28;

/**
 * Checks what can be checked before a file is opened, so that nobody waits for a download to be told.
 *
 * @throws OptionError naming the option, what was got and what is possible
 */
export function checkLoadOptions(options: LoadOptions): void {
  resolveBuild(options.build);
  checkPrecision("head", options.head);
  checkWeightPrecision("weights", options.weights);
  kvPrecisions(options, "q4"); // whether the checkpoint has its scales is not known yet
  resolvePoll(options.poll);
  for (const [option, most] of LIMITS) if (options[option] !== undefined) whole(option, options[option], most);
}

const LIMITS = [
  ["threads", MOST_THREADS],
  ["contextSize", Number.MAX_SAFE_INTEGER],
  ["chunkSize", MAX_CHUNK_ROWS],
  ["cacheTokens", MAX_CACHE_TOKENS],
  ["maxSequences", MAX_SEQUENCES],
  ["memoryLimit", ADDRESSABLE_BYTES],
] as const;

/**
 * Tokens of a sequence, at most.
 * @throws OptionError for more than the model has positions for
 */
export function resolveContextSize({ contextSize }: LoadOptions, config: ModelConfig): number {
  const most = longestContext(config);
  const size = contextSize ?? Math.min(config.contextLength, DEFAULT_CONTEXT_SIZE);
  if (isWhole(size, 1, most)) return size;
  throw new OptionError(`contextSize: got ${size}, need an integer from 1 to the model's ${most}`);
}

function kvPrecisions(
  { kvCache }: LoadOptions,
  stored: StoredCachePrecision,
): { k: StoredCachePrecision | undefined; v: StoredCachePrecision | undefined } {
  const asked = typeof kvCache === "object" ? kvCache : { k: kvCache, v: kvCache };
  return { k: checkCachePrecision("kvCache.k", asked.k, stored), v: checkCachePrecision("kvCache.v", asked.v, stored) };
}

/** @throws OptionError naming the option, what was got and what is possible */
export function resolveLoadOptions(options: LoadOptions, checkpoint: Checkpoint): ResolvedLoadOptions {
  const weights = checkWeightPrecision("weights", options.weights) ?? (isOwn(checkpoint) ? "f32" : "kept");
  const stored = checkpoint.quantization?.kvCache ?? (weights === "kept" && hasKeptWeights(checkpoint) ? "q8t" : "f32");
  const asked = kvPrecisions(options, stored);
  const int8 = stored === "q8" ? "q8" : "q8t";
  const precision = (half: StoredCachePrecision): StoredCachePrecision => (half === "q8" ? int8 : half);
  const keys = checkpoint.quantization?.kvCache === undefined && hasUnevenKeys(checkpoint.config) ? "f32" : stored;
  const kv = { k: precision(asked.k ?? keys), v: precision(asked.v ?? stored) };
  for (const name of simulatedActivations(checkpoint)) options.onWarning?.(simulationNote(name));
  const contextSize = resolveContextSize(options, checkpoint.config);
  const { chunkSize = MAX_CHUNK_ROWS } = options;
  return {
    kv,
    weights,
    head: checkPrecision("head", options.head),
    contextSize,
    chunkSize: whole("chunkSize", chunkSize, MAX_CHUNK_ROWS),
    cacheTokens: whole("cacheTokens", options.cacheTokens ?? contextSize, MAX_CACHE_TOKENS),
    maxSequences: whole("maxSequences", options.maxSequences ?? DEFAULT_SEQUENCES, MAX_SEQUENCES),
    build: resolveBuild(options.build),
    poll: resolvePoll(options.poll),
    memoryLimit: whole("memoryLimit", options.memoryLimit ?? ADDRESSABLE_BYTES, ADDRESSABLE_BYTES),
  };
}

/** Whether weights are quantized as this package does it: where it leaves activations, they run as floats. */
function isOwn({ quantization, config }: Checkpoint): boolean {
  return quantization !== undefined && !blockModules(describeModel(config)).some(({ name }) => quantization.integers?.(name));
}

/** Whether a block has weights that are stored quantized. */
export function hasKeptWeights(checkpoint: Checkpoint): boolean {
  return blockModules(describeModel(checkpoint.config)).some(({ name }) => checkpoint.keptForm(name) !== undefined);
}

/**
 * Whether keys most likely have channels far beyond the others, which a scale for a whole head leaves few
 * codes for the rest: those of a bias (Qwen2), or of the weights of a norm (Gemma 3). Nobody has equalized
 * weights that are kept (docs/decisions/kept-weights.md).
 */
function hasUnevenKeys({ attentionBias, qkNorm }: ModelConfig): boolean {
  return attentionBias !== "none" || qkNorm !== "none";
}

function resolvePoll(poll: number = DEFAULT_POLL): number {
  return need.whole("poll", poll, 0, MOST_POLL);
}

function whole(option: string, value: number, most: number): number {
  if (isWhole(value, 1, most)) return value;
  throw new OptionError(
    `${option}: got ${shown(value)}, need an integer ${most === Number.MAX_SAFE_INTEGER ? "of at least 1" : `from 1 to ${most}`}`,
  );
}

/**
 * Threads to use on a runtime: those asked for, or one per physical core; one where memory cannot be shared.
 *
 * @throws OptionError for a number that is not an integer from 1 to 64
 */
export function resolveThreads({ threads, onWarning }: Pick<LoadOptions, "threads" | "onWarning">, host: Host): number {
  if (threads !== undefined) whole("threads", threads, MOST_THREADS);
  if (!host.spawnWorker) {
    const why = host.threadsObstacle ?? `${host.name} offers no shared memory`;
    if ((threads ?? 1) > 1) onWarning?.(`threads: ${threads} asked for, one is used: ${why}`);
    else if (threads === undefined && host.threadsObstacle) onWarning?.(`threads: one is used: ${why}`);
    return 1;
  }
  const cores = 1 + (host.extraThreads ?? 0);
  const hardware = host.hardwareThreads ?? cores;
  if (threads !== undefined && threads > hardware) {
    onWarning?.(`threads: ${threads} asked for, this machine runs ${hardware} at a time; more than that slows all of them down`);
  }
  return threads ?? Math.min(cores, MOST_THREADS);
}

/** What `LoadOptions.build` may be. */
export const BUILD_CHOICES = ["auto", ...BUILD_NAMES] as const;

/** @throws OptionError for a name that is no build */
export function resolveBuild(asked: string | undefined): BuildName | "auto" {
  const build = BUILD_CHOICES.find((name) => name === (asked ?? "auto"));
  if (build !== undefined) return build;
  throw new OptionError(`build: got "${asked}", need ${BUILD_CHOICES.map((name) => `"${name}"`).join(", ")}`);
}
