/** What a runtime is told to do, as a short text that fits into a command line and a URL. */
import type { LanguageModel } from "../../src/decoding/language-model.ts";
import { forwardSpeed } from "../../src/evaluation/speed.ts";
import type { BuildName } from "../../src/kernels/kernel-build.ts";
import type { BlockStore } from "../../src/core.ts";
import { folderIn, type ReadFile } from "./folders.ts";
import { diagnosisChecks, type DiagnosisLibrary } from "./diagnosis.ts";
import { sourceChecks, type SourcesLibrary } from "./sources.ts";
import { type Library, runSuite, type SuiteResult } from "./suite.ts";

export interface Job {
  readonly kind: "suite" | "speed";
  /** In "suite": numbers of threads up to this one. In "speed": this number. */
  readonly threads: number;
  /** Whether there is the real model. */
  readonly smollm2: boolean;
}

/** Tokens per second of SmolLM2. */
export interface SpeedFigures {
  readonly build: BuildName;
  readonly threads: number;
  readonly prefill: number;
  readonly decode: number;
}

export const formatJob = ({ kind, threads, smollm2 }: Job) => `${kind}-${threads}-${smollm2 ? "smollm2" : "tiny"}`;

export function parseJob(text: string): Job {
  const [, kind, threads, model] = /^(suite|speed)-(\d+)-(smollm2|tiny)$/.exec(text) ?? [];
  if (kind === undefined) throw new Error(`job: got "${text}"`);
  return { kind: kind as Job["kind"], threads: Number(threads), smollm2: model === "smollm2" };
}

/** A runtime's library and what it keeps downloads in. */
export interface JobLibrary extends Pick<Library, "load" | "quantize" | "countWorkers">, SourcesLibrary, DiagnosisLibrary {
  readonly read: ReadFile;
  readonly stores?: Readonly<Record<string, BlockStore | undefined>>;
}

export async function runJob(job: Job, library: JobLibrary): Promise<SuiteResult | SpeedFigures> {
  if (job.kind === "speed") return measure(library.load, job.threads);
  const threads = Array.from({ length: job.threads }, (_, i) => i + 1);
  const result = await runSuite({ ...library, threads, smollm2: job.smollm2 });
  const checks = await sourceChecks(library, await folderIn("w4a8", library.read), library.stores);
  return { ...result, checks: [...result.checks, ...checks, ...(await diagnosisChecks(library, result.build, job.threads))] };
}

const PROMPT_TOKENS = 512;
const GENERATED_TOKENS = 64;

async function measure(load: Library["load"], threads: number): Promise<SpeedFigures> {
  const model: LanguageModel = await load("smollm2", { threads, contextSize: PROMPT_TOKENS });
  try {
    const rate = async (promptTokens: number, generatedTokens: number) => {
      const { samplesTs } = await forwardSpeed(
        model.forwardPass,
        { promptTokens, generatedTokens, depth: 0 },
        { repetitions: 3 },
      );
      return samplesTs.toSorted((a, b) => a - b)[1]!;
    };
    const [prefill, decode] = [await rate(PROMPT_TOKENS, 0), await rate(0, GENERATED_TOKENS)];
    return { build: model.forwardPass.build, threads: model.forwardPass.threads, prefill, decode };
  } finally {
    await model.dispose();
  }
}
