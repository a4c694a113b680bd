/** Node, and Deno and Bun through their `node:` modules. */
import { readFile } from "node:fs/promises";
import { arch, availableParallelism, cpus, platform } from "node:os";
import { type BuildName, filesOf, type KernelFile } from "../kernels/kernel-build.ts";
import { kernelModules } from "../kernels/kernel-modules.ts";
import { physicalCores } from "./node/node-cores.ts";
import { allowedCpus, cgroupCpus } from "./node/node-cpu-limits.ts";
import { kernelThreads } from "./node/node-threads.ts";
import type { Host } from "./host.ts";

// What is built lies in `dist/`, which `src/host/` and the chunks of `dist/` see at the same place. Spelled
// out: bundlers follow no other form.
const SIMD128 = new URL("../../dist/wasm/fptq-simd128.wasm", import.meta.url);
const RELAXED = new URL("../../dist/wasm/fptq-relaxed.wasm", import.meta.url);
const RELAXED_I16 = new URL("../../dist/wasm/fptq-relaxed-i16.wasm", import.meta.url);
const RELAXED_U8 = new URL("../../dist/wasm/fptq-relaxed-u8.wasm", import.meta.url);
const RELAXED_S8 = new URL("../../dist/wasm/fptq-relaxed-s8.wasm", import.meta.url);
const KEPT_SIMD128 = new URL("../../dist/wasm/fptq-kept-simd128.wasm", import.meta.url);
const KEPT_RELAXED = new URL("../../dist/wasm/fptq-kept-relaxed.wasm", import.meta.url);
const KEPT_RELAXED_I16 = new URL("../../dist/wasm/fptq-kept-relaxed-i16.wasm", import.meta.url);
const PROBE = new URL("../../dist/wasm/fptq-probe.wasm", import.meta.url);
const QUANTIZER = new URL("../../dist/wasm/fptq-quantizer.wasm", import.meta.url);
const WATCHER = new URL("../../dist/host/node/node-thread-watcher.js", import.meta.url);
const WORKER = new URL("../../dist/host/node/node-worker.js", import.meta.url);

const FILES: Readonly<Record<KernelFile, URL>> = {
  simd128: SIMD128,
  relaxed: RELAXED,
  "relaxed-i16": RELAXED_I16,
  "relaxed-u8": RELAXED_U8,
  "relaxed-s8": RELAXED_S8,
  "kept-simd128": KEPT_SIMD128,
  "kept-relaxed": KEPT_RELAXED,
  "kept-relaxed-i16": KEPT_RELAXED_I16,
  quantizer: QUANTIZER,
  probe: PROBE,
};

/** The published modules of a build of the kernels; those for shared memory are made of them. */
export function kernelFiles(build: BuildName): URL[] {
  return filesOf(build).map((file) => FILES[file]);
}

const versions = process.versions as Record<string, string | undefined>;
const name = versions["deno"] ? "deno" : versions["bun"] ? "bun" : "node";

export const nodeHost: Host = {
  name,
  version: versions[name] ?? process.version,
  platform: () => ({ os: platform(), arch: arch(), cpu: cpus()[0]?.model.trim() ?? "unknown" }),
  kernelModule: kernelModules(async (file) => new Uint8Array(await readFile(FILES[file]))),
  yieldToEvents: () => new Promise((resolve) => setImmediate(resolve)),
  ...threads(),
};

/**
 * A process may run without shared memory: an embedder or a preloaded script can take `SharedArrayBuffer`
 * away.
 */
function threads(): Pick<Host, "extraThreads" | "hardwareThreads" | "cpuLimit" | "spawnWorker" | "threadsObstacle"> {
  if (typeof SharedArrayBuffer !== "function") {
    return { threadsObstacle: "this process has no SharedArrayBuffer, which threads need to share memory" };
  }
  const cpuLimit = cgroupCpus();
  // A quota of 1.5 is one thread: two would be stopped for a quarter of the time, in the middle of a job.
  const granted = cpuLimit === undefined ? Infinity : Math.max(1, Math.floor(cpuLimit));
  const hardwareThreads = Math.min(availableParallelism(), allowedCpus() ?? Infinity, granted);
  return {
    extraThreads: physicalCores(hardwareThreads) - 1,
    hardwareThreads,
    ...(cpuLimit !== undefined && { cpuLimit }),
    spawnWorker: kernelThreads(WATCHER, WORKER),
  };
}
