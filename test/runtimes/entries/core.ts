/** Node, Deno and Bun: the core with a runtime made of nothing but what the web platform has. Argument: the working directory. */
import { readFile } from "node:fs/promises";
import { loadModel, locateModel, MemoryBlockStore, quantize, type Runtime } from "fptq/core";
import { folderIn, type FoldersJson, locationIn } from "../folders.ts";
import { sourceChecks } from "../sources.ts";
import { RECIPE, runSuite } from "../suite.ts";

const directory = process.argv[2]!;
const folders = JSON.parse(await readFile(`${directory}/folders.json`, "utf8")) as FoldersJson;
const runtime: Runtime = {
  name: "neutral",
  version: "",
  kernelModule: async (build) => WebAssembly.compile(await readFile(`${directory}/fptq-${build}.wasm`)),
  yieldToEvents: () => new Promise((resolve) => setTimeout(resolve, 0)),
};
const result = await runSuite({
  load: (name, options) => loadModel(locationIn(folders, name), runtime, options),
  quantize: (output) => quantize(locationIn(folders, "f32"), output, runtime, RECIPE),
});
const library = { loadModel, locateModel, MemoryBlockStore };
const checks = await sourceChecks(library, runtime, folderIn(folders, "w4a8"));
console.log(JSON.stringify({ ...result, checks: [...result.checks, ...checks] }));
