/** `fptq doctor`: what this machine and runtime have, and what the kernels reach on them. */
import { Command } from "commander";
import { CapabilityError } from "../../errors.ts";
import type { BuildState, Diagnosis } from "../../evaluation/runtime-diagnosis.ts";
import type { CommandContext } from "../command-context.ts";
import { addOutputOptions } from "../options/model-options.ts";
import { integer } from "../options/option-values.ts";
import { formatBytes, formatSignificant } from "../quantities.ts";
import { formatFields } from "../table.ts";

interface DoctorFlags {
  readonly threads?: number;
  readonly json?: boolean;
}

const EXAMPLES = `
GEMM and GEMV are the 4-bit kernels that bound prefill and decode: multiply-accumulates a second of 128 rows, and weights a second read
from memory. They take one to three seconds. Exit code 1 if no build of the kernels can run.

Examples:
  fptq doctor
  fptq doctor -t 1
  fptq doctor --json | jq .builds
  deno run -A npm:fptq doctor
  bunx --bun fptq doctor`;

export function doctorCommand(context: CommandContext): Command {
  const command = new Command("doctor")
    .description("show what this runtime has: WebAssembly, threads, memory, speed of the kernels")
    .option("-t, --threads <n>", "threads to measure with (default: one per core)", integer(1, 64));
  return addOutputOptions(command, "runtime, builds, threads, memory limits, speeds")
    .addHelpText("after", EXAMPLES)
    .action((flags: DoctorFlags) => examine(context, flags));
}

async function examine({ output, library, signal }: CommandContext, { threads, json }: DoctorFlags): Promise<void> {
  const { diagnose } = await library();
  const diagnosis = await diagnose({ threads, signal });
  if (json) output.json(diagnosisDocument(diagnosis));
  else output.print(formatFields(diagnosisFields(diagnosis)));
  if (diagnosis.build === undefined) throw new CapabilityError("kernels: got no build that can run here, need one");
}

const BUILD_STATES: Record<BuildState, string> = {
  passed: "passes the self-test",
  wrong: "fails the self-test: this engine computes it wrongly",
  missing: "cannot be compiled by this engine",
  untested: "not tested: this process can make no memory",
  unfit: "for engines whose relaxed dot takes another operand",
};

/** A label and a value for each line. */
export function diagnosisFields(diagnosis: Diagnosis): [string, string][] {
  const { runtime, platform, features, builds, build, buildReason, threads, memoryLimit, crossOriginIsolated, speeds } =
    diagnosis;
  const { cpuLimit } = threads;
  const names = Object.entries(features);
  const missing = names.flatMap(([name, has]) => (has ? [] : [name]));
  const state = (name: keyof typeof builds) => `${BUILD_STATES[builds[name]]}${name === build ? "; chosen" : ""}`;
  const speed = speeds.flatMap(({ threads: count, gemmMacsPerSecond, gemvBytesPerSecond, streamBytes }): [string, string][] => [
    [`GEMM, threads: ${count}`, `${formatSignificant(gemmMacsPerSecond / 1e9)} GMAC/s`],
    [`GEMV, threads: ${count}`, `${formatSignificant(gemvBytesPerSecond / 1e9)} GB/s of ${formatBytes(streamBytes)}`],
  ]);
  return [
    ["runtime", `${runtime.name} ${runtime.version}`],
    ["machine", platform ? `${platform.os} ${platform.arch}, ${platform.cpu}` : "not told"],
    ["WebAssembly", names.flatMap(([name, has]) => (has ? [name] : [])).join(", ") || "none of the features asked for"],
    ...(missing.length > 0 ? [["without", missing.join(", ")] as [string, string]] : []),
    ...(Object.keys(builds) as (keyof typeof builds)[]).map((name): [string, string] => [`build ${name}`, state(name)]),
    ...(buildReason === undefined ? [] : [["chosen by", buildReason] as [string, string]]),
    ["shared memory", diagnosis.sharedMemory ? "yes" : "no"],
    ["threads", threadsLine(threads)],
    ...(cpuLimit === undefined
      ? []
      : [["CPU limit", `${formatSignificant(cpuLimit)} processors, by this container's quota`] as [string, string]]),
    ["memory limit", `${formatBytes(memoryLimit.bytes)}, shared ${formatBytes(memoryLimit.sharedBytes)}`],
    ["cross-origin isolated", crossOriginIsolated === undefined ? "not a page" : crossOriginIsolated ? "yes" : "no"],
    ...(speeds.length > 0 ? speed : [["speed", "not measured"] as [string, string]]),
  ];
}

function threadsLine({ planned, hardware, started, obstacle }: Diagnosis["threads"]): string {
  const most = hardware === undefined ? "" : `, ${hardware} at a time`;
  return `${started} of ${planned} started${most}${obstacle === undefined ? "" : `: ${obstacle}`}`;
}

/** The JSON of `doctor`. */
export function diagnosisDocument(diagnosis: Diagnosis) {
  const { runtime, platform, features, builds, build, sharedMemory, threads, memoryLimit, crossOriginIsolated, speeds } =
    diagnosis;
  return {
    runtime,
    platform: platform ?? null,
    wasm_features: features,
    builds,
    build: build ?? null,
    build_reason: diagnosis.buildReason ?? null,
    dot_operand: diagnosis.dotOperand ?? null,
    shared_memory: sharedMemory,
    threads: {
      planned: threads.planned,
      hardware: threads.hardware ?? null,
      cpu_limit: threads.cpuLimit ?? null,
      started: threads.started,
      obstacle: threads.obstacle ?? null,
    },
    memory_limit: { bytes: memoryLimit.bytes, shared_bytes: memoryLimit.sharedBytes },
    cross_origin_isolated: crossOriginIsolated ?? null,
    speeds: speeds.map(({ threads: count, gemmMacsPerSecond, gemvBytesPerSecond, streamBytes }) => ({
      threads: count,
      gemm_macs_per_second: gemmMacsPerSecond,
      gemv_bytes_per_second: gemvBytesPerSecond,
      stream_bytes: streamBytes,
    })),
  };
}
