/**
 * Tells the dot products of an engine apart, by what they compute and, where that does not tell, by what they
 * cost (`assembly/probe.ts`). All builds give the same bits; this says which is the fastest here. Takes two
 * milliseconds at most, once for a process.
 */
import { instantiateModules } from "./instantiate.ts";
import type { BuildName } from "./kernel-build.ts";
import { MemoryPlan } from "./memory-plan.ts";

/**
 * What the relaxed 32-bit dot makes of bytes above 127 in its second operand, which the standard leaves to
 * the engine: takes them as they are, unsigned (VNNI) or signed (Arm's dot product), or adds pairs of
 * products in 16 bits that saturate (SSSE3).
 */
export type DotOperand = "unsigned" | "signed" | "saturating" | "other";

type Loop = "dot_i16x8" | "relaxed_dot_i32" | "relaxed_dot_i16";
const LOOPS: readonly Loop[] = ["dot_i16x8", "relaxed_dot_i32", "relaxed_dot_i16"];

interface ProbeExports extends Record<`${Loop}_loop`, (seed: number, steps: number) => number> {
  readonly MACS_PER_STEP: WebAssembly.Global;
  relaxed_dot_lane(a: number, b: number): number;
}

/** Steps that take 0.1 to 0.4 ms: longer than the coarsest clock of a page ticks. */
const STEPS = 40_000;
/** The better of two counts: whatever interrupts one rarely interrupts both. */
const ROUNDS = 2;

/**
 * How much faster the 32-bit dot is than the 16-bit one where it is one instruction: at least 2, against 1
 * where it is five, in code that is not optimized (measured: Node 26 on Zen 4, 1.03).
 */
const SINGLE_INSTRUCTION = 1.5;
/** How much faster a dot is than simd128's where that shows in whole kernels (the same: 1.45). */
const WORTHWHILE = 1.15;

/** Builds that multiply whole bytes, and the operand each is for. */
const WHOLE_BYTES: Partial<Record<DotOperand, BuildName>> = { unsigned: "relaxed-u8", signed: "relaxed-s8" };

/** Whether a build is for engines whose relaxed dot takes another operand. */
export function isUnfit(build: BuildName, operand: DotOperand): boolean {
  return Object.values(WHOLE_BYTES).includes(build) && WHOLE_BYTES[operand] !== build;
}

/** Builds to try, the fastest first; the last one runs everywhere. */
export interface Ranking {
  readonly builds: readonly BuildName[];
  readonly operand: DotOperand;
  /** Why the first is the fastest. */
  readonly reason: string;
}

const ranked = new WeakMap<WebAssembly.Module, Ranking>();

/** @param module of `fptq-probe.wasm` */
export function rankBuilds(module: WebAssembly.Module): Ranking {
  const known = ranked.get(module);
  if (known) return known;
  const probe = instantiateModules([module], new MemoryPlan().createMemory(false)) as unknown as ProbeExports;
  const operand = operandOf(probe.relaxed_dot_lane(127, 255));
  const ranking = { operand, ...rankingOf(operand, () => speedsOf(probe)) };
  ranked.set(module, ranking);
  return ranking;
}

/**
 * What four products of 127 with 255 give: 129,540, or -508 where 255 is -1, or two sums that end at 32,767.
 */
export function operandOf(lane: number): DotOperand {
  return lane === 129_540 ? "unsigned" : lane === -508 ? "signed" : lane === 65_534 ? "saturating" : "other";
}

/** @param measure asked only where the operand does not tell; undefined where the clock stands still */
export function rankingOf(operand: DotOperand, measure: () => DotSpeeds | undefined): Omit<Ranking, "operand"> {
  // Only SSSE3's instruction saturates, which is a whole 16-bit dot and a fifth of the 32-bit one.
  if (operand === "saturating") {
    return { builds: ["relaxed-i16", "simd128"], reason: "the relaxed dot saturates: its 16-bit form is one instruction here" };
  }
  const whole = WHOLE_BYTES[operand];
  const relaxed: BuildName[] = [...(whole ? [whole] : []), "relaxed", "simd128"];
  // Only VNNI's takes all 8 bits unsigned.
  if (operand === "unsigned") return { builds: relaxed, reason: "the relaxed dot is one instruction that takes whole bytes" };
  const speeds = measure();
  if (!speeds) return { builds: relaxed, reason: `the relaxed dot's operand is ${operand}; no clock` };
  const { dot_i16x8: simd128, relaxed_dot_i32: i32, relaxed_dot_i16: i16 } = speeds;
  const against = (speed: number) => (speed / simd128).toFixed(2);
  const reason = `the relaxed dot's operand is ${operand}; against simd128's 32 bits run at ${against(i32)}, 16 at ${against(i16)}`;
  if (i32 > SINGLE_INSTRUCTION * i16) return { builds: relaxed, reason };
  if (i16 > WORTHWHILE * simd128) return { builds: ["relaxed-i16", "simd128"], reason };
  if (i32 > WORTHWHILE * simd128) return { builds: relaxed, reason };
  return { builds: ["simd128"], reason };
}

/** Multiply-accumulates a second of code that is not optimized yet: good for ratios only. */
export type DotSpeeds = Readonly<Record<Loop, number>>;

function speedsOf(probe: ProbeExports): DotSpeeds | undefined {
  const macs = STEPS * (probe.MACS_PER_STEP.value as number);
  const best: Record<Loop, number> = { dot_i16x8: 0, relaxed_dot_i32: 0, relaxed_dot_i16: 0 };
  for (const loop of LOOPS) probe[`${loop}_loop`](3, 1); // compiles it
  for (let round = 0; round < ROUNDS; round++) {
    for (const loop of LOOPS) {
      const began = performance.now();
      probe[`${loop}_loop`](3, STEPS);
      const milliseconds = performance.now() - began;
      if (!(milliseconds > 0)) return undefined;
      best[loop] = Math.max(best[loop], macs / (milliseconds / 1000));
    }
  }
  return best;
}
