/** Node, and Deno and Bun through their `node:` modules. */
import { readFile } from "node:fs/promises";
import { arch, availableParallelism, cpus, platform } from "node:os";
import { type KernelBuild, splitBuild } from "../kernels/kernel-build.ts";
import { kernelModules } from "../kernels/kernel-modules.ts";
import { physicalCores } from "./node/node-cores.ts";
import { kernelThreads } from "./node/node-threads.ts";
import type { Host } from "./host.ts";

// What is built lies in `dist/`, which `src/host/` and the chunks of `dist/` see at the same place. Spelled
// out: bundlers follow no other form.
const SIMD128 = new URL("../../dist/wasm/fptq-simd128.wasm", import.meta.url);
const RELAXED = new URL("../../dist/wasm/fptq-relaxed.wasm", import.meta.url);
const QUANTIZER = new URL("../../dist/wasm/fptq-quantizer.wasm", import.meta.url);
const WATCHER = new URL("../../dist/host/node/node-thread-watcher.js", import.meta.url);
const WORKER = new URL("../../dist/host/node/node-worker.js", import.meta.url);

/** The file of a build of the kernels; the builds for shared memory are made of the others. */
export function kernelFile(build: KernelBuild): URL {
  return { simd128: SIMD128, relaxed: RELAXED, quantizer: QUANTIZER }[splitBuild(build).file];
}

const versions = process.versions as Record<string, string | undefined>;
const name = versions["deno"] ? "deno" : versions["bun"] ? "bun" : "node";

export const nodeHost: Host = {
  name,
  version: versions[name] ?? process.version,
  platform: () => ({ os: platform(), arch: arch(), cpu: cpus()[0]?.model.trim() ?? "unknown" }),
  kernelModule: kernelModules(async (file) => new Uint8Array(await readFile(kernelFile(file)))),
  yieldToEvents: () => new Promise((resolve) => setImmediate(resolve)),
  ...threads(),
};

/**
 * A process may run without shared memory: an embedder or a preloaded script can take `SharedArrayBuffer`
 * away.
 */
function threads(): Pick<Host, "extraThreads" | "hardwareThreads" | "spawnWorker" | "threadsObstacle"> {
  if (typeof SharedArrayBuffer !== "function") {
    return { threadsObstacle: "this process has no SharedArrayBuffer, which threads need to share memory" };
  }
  return {
    extraThreads: physicalCores() - 1,
    hardwareThreads: availableParallelism(),
    spawnWorker: kernelThreads(WATCHER, WORKER),
  };
}
