/**
 * The abilities of a runtime that matter here, found out by trying: for `fptq doctor`, for pages that show
 * it, and for bug reports.
 */
import { modulesOf, rankingOn } from "../kernels/choose-kernels.ts";
import { type DotOperand, isUnfit } from "../kernels/dot-probe.ts";
import { BUILD_NAMES, type BuildName } from "../kernels/kernel-build.ts";
import { ADDRESSABLE_BYTES, largestMemory } from "../kernels/memory-plan.ts";
import { passesSelfTest } from "../kernels/self-test.ts";
import { type WasmFeature, wasmFeatures } from "../kernels/wasm-features.ts";
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import { resolveThreads } from "../model/load-options.ts";
import type { Platform, Host } from "../host/host.ts";
import { type KernelSpeed, measureKernels } from "./kernel-speed.ts";

/** What a diagnosis starts. */
export interface DiagnoseOptions {
  /** The number of threads, as in `LoadOptions`. */
  readonly threads?: number | undefined;
  /** Ends the work with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
}

export const DIAGNOSE_OPTIONS: OptionKeys = optionKeys<DiagnoseOptions>({ threads: 0, signal: 0 });

/**
 * "passed": it computes what the scalar twins compute. "wrong": it does not, or traps. "missing": the engine
 * cannot compile it. "untested": it can, but the process can make no memory to run it in. "unfit":
 * it is for engines whose relaxed dot takes another operand.
 */
export type BuildState = "passed" | "wrong" | "missing" | "untested" | "unfit";

/** What a runtime has, and what the kernels reach in it. */
export interface Diagnosis {
  /** Name and version of the runtime. */
  readonly runtime: { readonly name: string; readonly version: string };
  /** The machine; undefined where a program is not told. */
  readonly platform: Platform | undefined;
  /** Features of WebAssembly it has. */
  readonly features: Readonly<Record<WasmFeature, boolean>>;
  /** The self-test of each build. */
  readonly builds: Readonly<Record<BuildName, BuildState>>;
  /** The build a load takes; undefined if none is right. */
  readonly build: BuildName | undefined;
  /** Why that one. */
  readonly buildReason: string | undefined;
  /** What the relaxed dot product takes as its second operand; undefined without relaxed SIMD. */
  readonly dotOperand: DotOperand | undefined;
  /** Whether memory can be shared between threads. */
  readonly sharedMemory: boolean;
  /** Threads: how many, and why not more. */
  readonly threads: {
    /** The number a load takes, or the one asked for. */
    readonly planned: number;
    /** The number the machine runs at a time; undefined where a program is not told or there is one. */
    readonly hardware: number | undefined;
    /** Processors' time a second that a container grants; undefined without a limit, or if none is known. */
    readonly cpuLimit: number | undefined;
    /** The number of those planned that took part in the measurement, the calling one included. */
    readonly started: number;
    /** The reason for only one, or for fewer that started. */
    readonly obstacle: string | undefined;
  };
  /**
   * Bytes of the largest memory the engine grants now, to 256 MiB; at most the 4 GiB that 32 bits address.
   * Shared: 0 without shared memory.
   */
  readonly memoryLimit: { readonly bytes: number; readonly sharedBytes: number };
  /** Whether a page is isolated; undefined where there are no pages. */
  readonly crossOriginIsolated: boolean | undefined;
  /**
   * The speeds GEMM and GEMV reach with one thread and with all. Empty without a build, or where the clock
   * stands still.
   */
  readonly speeds: readonly KernelSpeed[];
}

/**
 * Tells what a runtime has: WebAssembly, builds, threads, memory, and what the kernels reach.
 *
 * Takes one to three seconds and up to 140 MB while it measures.
 *
 * @example
 * ```ts
 * import { diagnose } from "fptq/core";
 *
 * const { builds } = await diagnose(host);
 * ```
 * @throws OptionError for a number of threads that cannot be; CapabilityError if there is no memory to
 *   measure in; AbortError
 */
export async function diagnose(host: Host, { threads, signal }: DiagnoseOptions = {}): Promise<Diagnosis> {
  const planned = resolveThreads({ threads }, host);
  const features = await wasmFeatures();
  const memoryLimit = {
    bytes: largestMemory(ADDRESSABLE_BYTES, false),
    sharedBytes: features.threads ? largestMemory(ADDRESSABLE_BYTES, true) : 0,
  };
  const shared = planned > 1;
  const room = shared ? memoryLimit.sharedBytes : memoryLimit.bytes;
  const dotOperand = room > 0 ? (await rankingOn(host))?.operand : undefined;
  const states = BUILD_NAMES.map(async (build) => {
    const unfit = dotOperand !== undefined && isUnfit(build, dotOperand);
    return [build, unfit ? "unfit" : await buildState(host, build, shared, room > 0)] as const;
  });
  const builds = Object.fromEntries(await Promise.all(states)) as Record<BuildName, BuildState>;
  const runs = Object.values(builds).includes("passed");
  const measured = runs ? await measureKernels(host, planned, signal) : undefined;
  return {
    runtime: { name: host.name, version: host.version },
    platform: host.platform?.(),
    features,
    builds,
    build: measured?.build,
    buildReason: measured?.reason,
    dotOperand,
    sharedMemory: features.threads,
    threads: {
      planned,
      hardware: host.hardwareThreads,
      cpuLimit: host.cpuLimit,
      started: measured?.started ?? 0,
      obstacle: measured?.failure ?? (planned === 1 ? host.threadsObstacle : undefined),
    },
    memoryLimit,
    crossOriginIsolated: host.crossOriginIsolated,
    speeds: measured?.speeds ?? [],
  };
}

async function buildState(host: Host, build: BuildName, shared: boolean, room: boolean): Promise<BuildState> {
  try {
    const modules = await modulesOf(host, shared, build);
    return room ? (passesSelfTest(modules, shared) ? "passed" : "wrong") : "untested";
  } catch {
    return "missing";
  }
}
