/**
 * Every export of the kernel builds, once (`table/`), and what follows from it: the type of the exports,
 * which kernels threads can share, and by what number they call them.
 *
 * All pointers are byte offsets into linear memory. A kernel that can be split takes `(begin, end)` after
 * what it works on: the half-open range of its units of work; and after that, if it needs any, the calling
 * thread's own scratch. The others are whole.
 */
import { INFERENCE_KERNELS } from "./table/inference-kernels.ts";
import { KEPT_KERNELS } from "./table/kept-kernels.ts";
import { QUANTIZER_KERNELS } from "./table/quantizer-kernels.ts";
import type { ExportsOf, KernelRow, WorkOf } from "./table/kernel-arguments.ts";

export const KERNELS = { ...INFERENCE_KERNELS, ...QUANTIZER_KERNELS, ...KEPT_KERNELS };

type Table = typeof INFERENCE_KERNELS & typeof QUANTIZER_KERNELS & typeof KEPT_KERNELS;
export type KernelName = keyof Table;

/** The exports of all modules over one memory. */
export interface KernelExports
  extends ExportsOf<typeof INFERENCE_KERNELS>, ExportsOf<typeof QUANTIZER_KERNELS>, ExportsOf<typeof KEPT_KERNELS> {}

/** The kernels whose work can be shared among threads. */
export type SplitKernel = { [Name in KernelName]: Table[Name] extends { units: string } ? Name : never }[KernelName];

/** A kernel's arguments before `begin, end` and, where it has one, `scratch`. */
export type KernelWork<Name extends SplitKernel> = WorkOf<Table[Name]>;

/** The order is the numbering workers are called by. */
export const SPLIT_KERNELS = (Object.keys(KERNELS) as KernelName[]).filter((name) => "units" in KERNELS[name]) as SplitKernel[];

/** How many units of a kernel are given out at a time; 0: all are shared out equally beforehand. */
export function takenUnits(name: SplitKernel): number {
  const { taken = 0 }: KernelRow = KERNELS[name];
  return taken;
}

/**
 * What part of their units is given out beforehand, of kernels whose last ones are taken (measured in
 * docs/kernels.md).
 */
export const SHARED_PART = 7 / 8;

/** The file with a kernel, for messages. */
export function moduleOf(name: KernelName): "inference" | "quantizer" | "kept" {
  return name in QUANTIZER_KERNELS ? "quantizer" : name in KEPT_KERNELS ? "kept" : "inference";
}
