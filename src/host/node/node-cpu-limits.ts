/**
 * What a process may use of a Linux machine's processors: the quota of its control group, which containers
 * have (`docker run --cpus 1.5`), and the processors it may run on. A process with more threads than its
 * quota is stopped for the rest of each period, all threads at once.
 */
import { readFileSync } from "node:fs";

type Read = (path: string) => string;

const readText: Read = (path) => readFileSync(path, "utf8");

/**
 * Processors' time a second by the control groups the process is in, not always whole: the least quota of its
 * own group and those above. undefined without a quota, or where it cannot be read (no Linux, no permission).
 *
 * Both versions (kernel.org, "Control Group v2", cpu.max; "CFS Bandwidth Control", cpu.cfs_quota_us). In a
 * container the path of the group may be the host's, which is not there; the mounted root is its group then.
 *
 * @param read the text of a file; throws if there is none
 */
export function cgroupCpus(read: Read = readText): number | undefined {
  const quotas = groups(attempt(() => read("/proc/self/cgroup")) ?? "").flatMap(({ root, path, version }) =>
    withParents(path).map((group) => attempt(() => QUOTA[version](read, `${root}${group}`))),
  );
  const least = Math.min(...quotas.map((quota) => (quota !== undefined && quota > 0 ? quota : Infinity)));
  return Number.isFinite(least) ? least : undefined;
}

/**
 * Processors the process may run on; undefined where it cannot be read. Node knows, not every runtime does.
 */
export function allowedCpus(read: Read = readText): number | undefined {
  const list = /^Cpus_allowed_list:\s*([\d,-]+)$/m.exec(attempt(() => read("/proc/self/status")) ?? "")?.[1];
  const count = list?.split(",").reduce((sum, range) => {
    const [first, last] = range.split("-").map(Number);
    return sum + (last ?? first!) - first! + 1;
  }, 0);
  return count !== undefined && count > 0 ? count : undefined;
}

interface Group {
  /** Where its hierarchy is mounted. */
  readonly root: string;
  /** "/", or "/a/b" */
  readonly path: string;
  readonly version: 1 | 2;
}

/** The groups that may have a quota. Each line: number of the hierarchy, its controllers, path. */
function groups(text: string): Group[] {
  return text.split("\n").flatMap((line): Group[] => {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (!match) return [];
    const [, controllers, path] = match as unknown as [string, string, string];
    if (controllers === "") return [{ root: "/sys/fs/cgroup", path, version: 2 }];
    if (!controllers.split(",").includes("cpu")) return [];
    return [controllers, "cpu"].map((name) => ({ root: `/sys/fs/cgroup/${name}`, path, version: 1 }));
  });
}

/** "/a/b": itself, "/a", and "", the root. */
function withParents(path: string): string[] {
  const parts = path.split("/").filter(Boolean);
  return Array.from({ length: parts.length + 1 }, (_, dropped) =>
    parts
      .slice(0, parts.length - dropped)
      .map((part) => `/${part}`)
      .join(""),
  );
}

/** A group's quota in processors; NaN or negative for none. */
const QUOTA: Record<Group["version"], (read: Read, group: string) => number> = {
  1: (read, group) => Number(read(`${group}/cpu.cfs_quota_us`)) / Number(read(`${group}/cpu.cfs_period_us`)),
  2: (read, group) => {
    const [quota, period] = read(`${group}/cpu.max`).trim().split(/\s+/).map(Number); // "max 100000" without one
    return quota! / period!;
  },
};

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
