/** The number of cores this process has to itself. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/**
 * The hardware threads, as Linux lists them, of the core that thread `cpu` belongs to, for instance "0,4" or
 * "0-1".
 */
const SIBLINGS = (cpu: number) => `/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`;

/**
 * Physical cores, at most what the scheduler grants the process. Two hardware threads of one core share its
 * vector units, which these kernels keep busy alone. Where the pairing cannot be read (not Linux, or no
 * sysfs), every hardware thread counts as a core.
 *
 * @param readSiblings the list of a thread's siblings; throws for a thread that does not exist
 */
export function physicalCores(
  available = availableParallelism(),
  readSiblings = (cpu: number) => readFileSync(SIBLINGS(cpu), "utf8"),
): number {
  const cores = new Set<string>();
  try {
    for (let cpu = 0; ; cpu++) cores.add(readSiblings(cpu).trim());
  } catch {
    // The first number that does not exist ends the list.
  }
  return cores.size > 0 ? Math.min(cores.size, available) : available;
}
