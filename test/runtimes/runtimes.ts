/** The runtimes under test, and what each has to be able to do. */
import type { InstructionSet } from "../../src/kernels/kernel-build.ts";
import type { Launcher } from "./launch.ts";
import { chromium, chromiumNotIsolated, firefox } from "./launch-browser.ts";
import { bun, currentNode, deno, node } from "./launch-command.ts";
import { edgeLight } from "./launch-edge.ts";
import { chromiumTabs } from "./launch-tabs.ts";
import { workerd } from "./launch-workerd.ts";

export interface TestedRuntime {
  readonly name: string;
  readonly launch: Launcher;
  /** What a load has to choose; undefined where it depends on the version of Node that runs this. */
  readonly build: InstructionSet | undefined;
  /** Most threads to compute with. */
  readonly threads: 1 | 2;
  /** The package as a user meets it, or something narrower that is tested with the tiny model only. */
  readonly whole: boolean;
}

const thisNode = Number(process.versions.node.split(".")[0]) < 22 ? "simd128" : undefined;

/** The first is what the others are compared with. */
export const RUNTIMES: readonly TestedRuntime[] = [
  { name: "node", launch: node("package"), build: thisNode, threads: 2, whole: true },
  { name: "node, current", launch: currentNode("package"), build: "relaxed", threads: 2, whole: true },
  { name: "deno", launch: deno("package"), build: "relaxed", threads: 2, whole: true },
  { name: "bun", launch: bun("package"), build: "relaxed", threads: 2, whole: true },
  { name: "workerd", launch: workerd, build: "relaxed", threads: 1, whole: true },
  { name: "edge-light", launch: edgeLight, build: "simd128", threads: 1, whole: false },
  { name: "chromium", launch: chromium, build: "relaxed", threads: 2, whole: true },
  { name: "firefox", launch: firefox, build: "relaxed", threads: 2, whole: true },
  { name: "chromium, not isolated", launch: chromiumNotIsolated, build: undefined, threads: 1, whole: false },
  { name: "chromium, several tabs", launch: chromiumTabs, build: undefined, threads: 1, whole: false },
  { name: "node, core", launch: node("core"), build: "simd128", threads: 1, whole: false },
  { name: "deno, core", launch: deno("core"), build: "relaxed", threads: 1, whole: false },
  { name: "bun, core", launch: bun("core"), build: "relaxed", threads: 1, whole: false },
];
