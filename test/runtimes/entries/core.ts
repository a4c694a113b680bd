/**
 * Node, Deno and Bun: the core with a runtime made of nothing but what the web platform has. Argument: the
 * working directory.
 */
import { readFile } from "node:fs/promises";
import { loadModel, locateModel, MemoryBlockStore, quantize, type Host } from "fptq/core";
import { folderIn } from "../folders.ts";
import { sourceChecks } from "../sources.ts";
import { RECIPE, runSuite } from "../suite.ts";

const directory = process.argv[2]!;
const read = async (path: string) => new Uint8Array(await readFile(`${directory}/${path}`));
const runtime: Host = {
  name: "neutral",
  version: "",
  kernelModule: async (build) => WebAssembly.compile(await read(`wasm/fptq-${build}.wasm`)),
  yieldToEvents: () => new Promise((resolve) => setTimeout(resolve, 0)),
};
const locationOf = async (name: string) => ({ kind: "folder", folder: await folderIn(name, read) }) as const;

const result = await runSuite({
  load: async (name, options) => loadModel(await locationOf(name), runtime, options),
  quantize: async (output) => quantize(await locationOf("f32"), output, runtime, RECIPE),
  threads: [1],
  smollm2: false,
});
const library = {
  open: async (...[source, options]: Parameters<Parameters<typeof sourceChecks>[0]["open"]>) =>
    loadModel(await locateModel(source, {}, options), runtime, options),
  MemoryBlockStore,
};
const checks = await sourceChecks(library, await folderIn("w4a8", read));
console.log(JSON.stringify({ ...result, checks: [...result.checks, ...checks] }));
