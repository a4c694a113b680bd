/** The engines that are compared, by the names of their rows; the others are set against the first. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Chromium } from "./chromium.ts";
import { ChildSession, type Session } from "./session.ts";

export interface Engine {
  readonly name: string;
  /** Which file of the model it loads. */
  readonly model: "w4a8" | "q4_0";
  open(): Promise<Session>;
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
/** The npm package `node`: a current one, whatever runs this. */
export const CURRENT_NODE = path("node_modules/node/bin/node");

const child = (node: string, script: string) => Promise.resolve(new ChildSession(node, path(script)));

/** What opens pages, or why there are none: engines in pages then fail with that reason. */
export type Pages = Chromium | Error;

function page(pages: Pages, script: string, engine: string): Promise<Session> {
  if (pages instanceof Error) return Promise.reject(pages);
  return pages.open(script, engine);
}

/** This package on the current Node and on the one that runs this. */
function ours(): Engine[] {
  return [CURRENT_NODE, process.execPath].map((node) => ({
    name: `fptq, Node ${majorVersion(node)}`,
    model: "w4a8",
    open: () => child(node, "fptq-engine.mjs"),
  }));
}

/** Engines that run a whole model. */
export function modelEngines(pages: Pages): Engine[] {
  return [
    ...ours(),
    { name: "llama.cpp native", model: "q4_0", open: () => child(CURRENT_NODE, "llama-cpp-engine.mjs") },
    wllama("wllama-2", "wllama-2", pages),
    wllama("@wllama/wllama", "wllama-3", pages),
  ];
}

/** @param folder where it is installed: the last line with llama.cpp's int8 wasm kernels, or the newest */
function wllama(folder: string, engine: string, pages: Pages): Engine {
  return {
    name: `wllama ${installedVersion(folder)}`,
    model: "q4_0",
    open: () => page(pages, "wllama-page.mjs", engine),
  };
}

/** Engines that run one layer. */
export function layerEngines(pages: Pages): Engine[] {
  return [
    ...ours(),
    { name: "onnxruntime-node", model: "w4a8", open: () => child(CURRENT_NODE, "onnxruntime-engine.mjs") },
    { name: "onnxruntime-web", model: "w4a8", open: () => page(pages, "onnxruntime-page.mjs", "") },
  ];
}

function installedVersion(folder: string): string {
  return (JSON.parse(readFileSync(path(`node_modules/${folder}/package.json`), "utf8")) as { version: string }).version;
}

function majorVersion(node: string): string {
  try {
    return execFileSync(node, ["--version"], { encoding: "utf8" }).trim().slice(1).split(".")[0]!;
  } catch {
    return "current"; // the row says why it fails
  }
}
