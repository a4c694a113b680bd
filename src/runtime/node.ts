/** Node, and Deno and Bun through their `node:` modules. */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { KernelBuild } from "../kernels/kernel-build.ts";
import type { WorkerStart } from "../kernels/thread-pool.ts";
import type { Runtime, WorkerHandle } from "./runtime.ts";

const modules = new Map<KernelBuild, Promise<WebAssembly.Module>>();

/** What is built lies in `dist/`, which `src/` and `dist/` itself see at the same place. */
const built = (path: string) => new URL(`../../dist/${path}`, import.meta.url);
const WORKER_FILE = built("runtime/node-worker.js");

function kernelModule(build: KernelBuild): Promise<WebAssembly.Module> {
  let module = modules.get(build);
  if (!module) {
    module = readFile(built(`wasm/fptq-${build}.wasm`)).then((bytes) => WebAssembly.compile(bytes));
    modules.set(build, module);
  }
  return module;
}

function spawnWorker(start: WorkerStart): WorkerHandle {
  const worker = new Worker(WORKER_FILE, { workerData: start });
  worker.unref(); // a pool that was not disposed must not keep the process alive
  let ended = false;
  const died = new Promise<Error>((resolve) => {
    worker.once("error", resolve);
    worker.once("exit", (code) => resolve(new Error(`worker ${start.thread} exited with code ${code}`)));
  });
  return {
    ready: new Promise((resolve, reject) => {
      worker.once("message", () => resolve());
      void died.then(reject);
    }),
    onDeath: (handler) => void died.then((error) => ended || handler(error)),
    async end() {
      ended = true;
      await worker.terminate();
    },
  };
}

const versions = process.versions as Record<string, string | undefined>;
const name = versions["deno"] ? "deno" : versions["bun"] ? "bun" : "node";

export const nodeRuntime: Runtime = {
  name,
  version: versions[name] ?? process.version,
  kernelModule,
  yieldToEvents: () => new Promise((resolve) => setImmediate(resolve)),
  extraThreads: availableParallelism() - 1,
  mayBlock: true,
  spawnWorker,
};
