/** `fptq doctor`: what this machine and runtime have, and what the kernels reach on them. */
import { Command } from "commander";
import { CapabilityError } from "../../errors.ts";
import type { BuildState, Diagnosis } from "../../evaluation/runtime-diagnosis.ts";
import type { CommandContext } from "../command-context.ts";
import { type Machine, readMachine } from "../machine.ts";
import { addOutputOptions } from "../options/model-options.ts";
import { integer } from "../options/option-values.ts";
import { helpWidth } from "../help.ts";
import { wrapWords } from "../line-wrap.ts";
import { formatBytes, formatSignificant } from "../quantities.ts";
import { formatFields } from "../table.ts";

interface DoctorFlags {
  readonly threads?: number;
  readonly json?: boolean;
}

const EXAMPLES = `
GEMM and GEMV are the 4-bit kernels that bound prefill and decode: multiply-accumulates a second of 128 rows, and
weights a second read from memory. They take one to three seconds. Exit code 1 if no build of the kernels can run.

Examples:
  fptq doctor
  fptq doctor -t 1
  fptq doctor --json | jq .builds
  deno run -A npm:fptq doctor
  bunx --bun fptq doctor`;

export function doctorCommand(context: CommandContext, version: string): Command {
  const command = new Command("doctor")
    .description("show what this runtime has: WebAssembly, threads, memory, speed of the kernels")
    .option("-t, --threads <n>", "threads to measure with (default: one per core)", integer(1, 64));
  return addOutputOptions(command, "runtime, builds, threads, memory limits, speeds")
    .addHelpText("after", EXAMPLES)
    .action((flags: DoctorFlags) => examine(context, version, flags));
}

async function examine({ output, library, signal }: CommandContext, version: string, flags: DoctorFlags): Promise<void> {
  const { threads, json } = flags;
  const { diagnose } = await library();
  // Before the measurement takes memory.
  const machine = readMachine();
  const diagnosis = await diagnose({ threads, signal });
  const found = verdict(diagnosis, machine, threads !== undefined);
  if (json) output.json({ version, ...diagnosisDocument(diagnosis, machine), verdict: found });
  else {
    output.print(formatFields([["fptq", version], ...diagnosisFields(diagnosis, machine)], output.columns));
    const isGood = found.length === 1 && found[0] === NOTHING_TO_MEND;
    const lines = found.flatMap((line) => wrapWords(line, helpWidth(output.columns)));
    output.print(`\n${lines.map((line) => output.paint(isGood ? "green" : "yellow", line)).join("\n")}`);
  }
  if (diagnosis.build === undefined) throw new CapabilityError("kernels: got no build that can run here, need one");
}

const BUILD_STATES: Record<BuildState, string> = {
  passed: "passes the self-test",
  wrong: "fails the self-test: this engine computes it wrongly",
  missing: "cannot be compiled by this engine",
  untested: "not tested: this process can make no memory",
  unfit: "for engines whose relaxed dot takes another operand",
};

const DOTS: Record<NonNullable<Diagnosis["dotOperand"]>, string> = {
  unsigned: "whole bytes, the second unsigned: one instruction (VNNI)",
  signed: "whole bytes, both signed: one instruction (Arm's dot product)",
  saturating: "bytes of 7 and 8 bits, pairs saturate: one instruction (SSSE3)",
  other: "an instruction that fptq does not know",
};

/** A label and a value for each line. */
export function diagnosisFields(diagnosis: Diagnosis, machine: Machine): [string, string][] {
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
    ["cores", `${machine.cores} physical${threads.hardware === undefined ? "" : `, ${threads.hardware} threads at a time`}`],
    ["RAM", memoryLine(machine)],
    ["WebAssembly", names.flatMap(([name, has]) => (has ? [name] : [])).join(", ") || "none of the features asked for"],
    ...(missing.length > 0 ? [["without", missing.join(", ")] as [string, string]] : []),
    ...(Object.keys(builds) as (keyof typeof builds)[]).map((name): [string, string] => [`build ${name}`, state(name)]),
    ["relaxed dot", diagnosis.dotOperand === undefined ? "none: this engine has no relaxed SIMD" : DOTS[diagnosis.dotOperand]],
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

function memoryLine({ memory, freeMemory, memoryLimit }: Machine): string {
  const limit = memoryLimit === undefined ? "" : `; this container may take ${formatBytes(memoryLimit)}`;
  const free = freeMemory === undefined ? "" : `, ${formatBytes(freeMemory)} free`;
  return `${memory === undefined ? "not told" : formatBytes(memory)}${free}${limit}`;
}

function threadsLine({ planned, started, obstacle }: Diagnosis["threads"]): string {
  return `${started} of ${planned} started${obstacle === undefined ? "" : `: ${obstacle}`}`;
}

const NOTHING_TO_MEND = "Nothing to mend: the fastest kernels for this processor, on every core.";

/**
 * What would make a model faster here, in sentences; that nothing would if nothing is known.
 *
 * @param isAsked whether the number of threads was asked for
 */
export function verdict(diagnosis: Diagnosis, { cores, memoryLimit }: Machine, isAsked: boolean): string[] {
  const { runtime, features, build, threads, speeds } = diagnosis;
  const found: string[] = [];
  if (build === undefined) found.push("No build of the kernels can run here: no model runs.");
  if (build !== undefined && !features.relaxedSimd) found.push(`${newerRuntime(runtime)} (docs/benchmarks.md has both).`);
  if (threads.cpuLimit !== undefined && threads.cpuLimit < cores) {
    found.push(
      `This container may use ${formatSignificant(threads.cpuLimit)} of ${cores} cores: a larger quota would make everything faster.`,
    );
  }
  if (threads.obstacle !== undefined) found.push(`Fewer threads run than could: ${threads.obstacle}.`);
  else if (isAsked && threads.planned < cores)
    found.push(`${threads.planned} of ${cores} cores were asked for; without -t all are used.`);
  if (memoryLimit !== undefined && memoryLimit < diagnosis.memoryLimit.bytes) {
    found.push("This container has less memory than one WebAssembly memory can have: a large model may be ended by the system.");
  }
  if (speeds.length === 0 && build !== undefined) found.push("No speed was measured: the clock stands still here.");
  return found.length > 0 ? found : [NOTHING_TO_MEND];
}

/** Relaxed SIMD came to Node with V8 of version 21, of which 22 is the first that is maintained. */
function newerRuntime({ name, version }: Diagnosis["runtime"]): string {
  const subject = name === "node" && Number.parseInt(version) < 22 ? "Node 22 or newer" : "An engine with relaxed SIMD";
  return `${subject} would make prefill faster: it multiplies bytes by one instruction, which ${name} ${version} cannot`;
}

/** The JSON of `doctor`. */
export function diagnosisDocument(diagnosis: Diagnosis, machine: Machine) {
  const { runtime, platform, features, builds, build, sharedMemory, threads, memoryLimit, crossOriginIsolated, speeds } =
    diagnosis;
  return {
    runtime,
    platform: platform ?? null,
    cores: machine.cores,
    memory: { bytes: machine.memory ?? null, free: machine.freeMemory ?? null, limit: machine.memoryLimit ?? null },
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
