/** What a caller may choose when loading a model, checked against what the checkpoint and the runtime offer. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { OptionError } from "../errors.ts";
import type { InstructionSet } from "../kernels/kernel-build.ts";
import type { OnProgress } from "../progress.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { checkPrecision, type KvPrecision, type Precision } from "./precision.ts";

export interface LoadOptions {
  /** Precision of the KV cache; by default int8 if the checkpoint has scales for it, else float32. */
  readonly kvCache?: Precision | Partial<KvPrecision> | undefined;
  /** Precision of `lm_head`; by default as stored. */
  readonly head?: Precision | undefined;
  /** Tokens the KV cache holds; by default the model's context, at most 4096. */
  readonly contextSize?: number | undefined;
  /** Threads for the kernels; by default all cores where memory can be shared, else 1. */
  readonly threads?: number | undefined;
  /** Instruction set of the kernels; by default the fastest that the engine has and computes right. All give the same bits. */
  readonly build?: InstructionSet | "auto" | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface ResolvedLoadOptions {
  readonly kv: KvPrecision;
  readonly head: Precision | undefined;
  readonly contextSize: number;
  readonly threads: number;
  readonly build: InstructionSet | "auto";
}

const DEFAULT_CONTEXT_SIZE = 4096;

/** @throws OptionError naming the option, what was got and what is possible */
export function resolveLoadOptions(options: LoadOptions, checkpoint: Checkpoint, runtime: Runtime): ResolvedLoadOptions {
  const hasScales = checkpoint.quantization?.kvCache ?? false;
  const asked = typeof options.kvCache === "object" ? options.kvCache : { k: options.kvCache, v: options.kvCache };
  const fallback: Precision = hasScales ? "q8" : "f32";
  const kv = { k: checkPrecision("kvCache.k", asked.k) ?? fallback, v: checkPrecision("kvCache.v", asked.v) ?? fallback };
  if ((kv.k === "q8" || kv.v === "q8") && !hasScales) {
    throw new OptionError(
      `kvCache: got "q8", but ${checkpoint.name} has no k_scale and v_scale; quantize the model or use "f32"`,
    );
  }
  const { contextLength } = checkpoint.config;
  const contextSize = options.contextSize ?? Math.min(contextLength, DEFAULT_CONTEXT_SIZE);
  if (!Number.isInteger(contextSize) || contextSize < 1 || contextSize > contextLength) {
    throw new OptionError(`contextSize: got ${contextSize}, need an integer from 1 to the model's ${contextLength}`);
  }
  return {
    kv,
    head: checkPrecision("head", options.head),
    contextSize,
    threads: resolveThreads(options.threads, runtime),
    build: resolveBuild(options.build),
  };
}

/** Threads to use on a runtime. @throws OptionError for a number that is not a positive integer */
export function resolveThreads(asked: number | undefined, runtime: Runtime): number {
  const possible = runtime.spawnWorker ? 1 + (runtime.extraThreads ?? 0) : 1;
  if (asked === undefined) return possible;
  if (!Number.isInteger(asked) || asked < 1 || asked > 64)
    throw new OptionError(`threads: got ${asked}, need an integer from 1 to 64`);
  return runtime.spawnWorker ? asked : 1;
}

/** @throws OptionError for a name that is no instruction set */
export function resolveBuild(asked: string | undefined): InstructionSet | "auto" {
  if (asked === undefined || asked === "auto" || asked === "simd128" || asked === "relaxed") return asked ?? "auto";
  throw new OptionError(`build: got "${asked}", need "auto", "simd128" or "relaxed"`);
}
