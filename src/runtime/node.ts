/** Node, and Deno and Bun through their `node:` modules. */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { KernelBuild } from "../kernels/kernel-build.ts";
import { physicalCores } from "./node-cores.ts";
import { kernelThreads } from "./node-threads.ts";
import type { Runtime } from "./runtime.ts";

const modules = new Map<KernelBuild, Promise<WebAssembly.Module>>();

/** What is built lies in `dist/`, which `src/` and `dist/` itself see at the same place. */
const built = (path: string) => new URL(`../../dist/${path}`, import.meta.url);

/** Where a build of the kernels lies. */
export const kernelFile = (build: KernelBuild) => built(`wasm/fptq-${build}.wasm`);

function kernelModule(build: KernelBuild): Promise<WebAssembly.Module> {
  let module = modules.get(build);
  if (!module) {
    module = readFile(kernelFile(build)).then((bytes) => WebAssembly.compile(bytes));
    modules.set(build, module);
  }
  return module;
}

const versions = process.versions as Record<string, string | undefined>;
const name = versions["deno"] ? "deno" : versions["bun"] ? "bun" : "node";

export const nodeRuntime: Runtime = {
  name,
  version: versions[name] ?? process.version,
  kernelModule,
  yieldToEvents: () => new Promise((resolve) => setImmediate(resolve)),
  extraThreads: physicalCores() - 1,
  hardwareThreads: availableParallelism(),
  mayBlock: true,
  spawnWorker: kernelThreads(built("runtime/node-thread-watcher.js"), built("runtime/node-worker.js")),
};
