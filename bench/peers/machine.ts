/** The machine of a run: its processor, and the instruction sets that decide how fast engines are. */
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import type { Measurements } from "./measurements.ts";

/** Flags of Linux's `/proc/cpuinfo`, and what people call them. The last is Arm's. */
const INSTRUCTION_SETS: Readonly<Record<string, string>> = {
  avx2: "AVX2",
  avx512f: "AVX512",
  avx512_vnni: "AVX512-VNNI",
  avx_vnni: "AVX-VNNI",
  avx_vnni_int8: "AVX-VNNI-INT8",
  amx_int8: "AMX-INT8",
  asimddp: "dotprod",
  i8mm: "i8mm",
};

export function describeMachine(): Measurements["machine"] {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    threads: cpus().length,
    memory: totalmem(),
    instructionSets: instructionSets(),
  };
}

/** Empty where the system does not say. */
function instructionSets(): string[] {
  let text;
  try {
    text = readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return [];
  }
  const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1]?.split(" "));
  return Object.entries(INSTRUCTION_SETS).flatMap(([flag, name]) => (flags.has(flag) ? [name] : []));
}
