/** The runtimes under test, and what each has to be able to do. */
import type { Launcher } from "./launch.ts";
import { chromium, chromiumNotIsolated, firefox } from "./launch-browser.ts";
import { bun, currentNode, deno, node } from "./launch-command.ts";
import { edgeLight } from "./launch-edge.ts";
import { chromiumTabs } from "./launch-tabs.ts";
import { workerd } from "./launch-workerd.ts";

export interface TestedRuntime {
  readonly name: string;
  readonly launch: Launcher;
  /** Whether it has relaxed SIMD and computes it right; undefined where that depends on its version. */
  readonly relaxed: boolean | undefined;
  /** Most threads to compute with. */
  readonly threads: 1 | 2;
  /** The package as a user meets it, or something narrower that is tested with the tiny model only. */
  readonly whole: boolean;
}

const thisNode = Number(process.versions.node.split(".")[0]) < 22 ? false : undefined;

/** The first is what the others are compared with. */
export const RUNTIMES: readonly TestedRuntime[] = [
  { name: "node", launch: node("package"), relaxed: thisNode, threads: 2, whole: true },
  { name: "node, current", launch: currentNode("package"), relaxed: true, threads: 2, whole: true },
  { name: "deno", launch: deno("package"), relaxed: true, threads: 2, whole: true },
  { name: "bun", launch: bun("package"), relaxed: true, threads: 2, whole: true },
  { name: "workerd", launch: workerd, relaxed: true, threads: 1, whole: true },
  { name: "edge-light", launch: edgeLight, relaxed: false, threads: 1, whole: false },
  { name: "chromium", launch: chromium, relaxed: true, threads: 2, whole: true },
  { name: "firefox", launch: firefox, relaxed: true, threads: 2, whole: true },
  { name: "chromium, not isolated", launch: chromiumNotIsolated, relaxed: undefined, threads: 1, whole: false },
  { name: "chromium, several tabs", launch: chromiumTabs, relaxed: undefined, threads: 1, whole: false },
  { name: "node, core", launch: node("core"), relaxed: false, threads: 1, whole: false },
  { name: "deno, core", launch: deno("core"), relaxed: true, threads: 1, whole: false },
  { name: "bun, core", launch: bun("core"), relaxed: true, threads: 1, whole: false },
];
