/**
 * A page or a worker of one. With shared memory (the page is cross-origin isolated), kernels are shared among
 * web workers; without, one thread does all. So it is on a page's main thread, which may not sleep in
 * `Atomics.wait` (HTML standard, "[[CanBlock]]"); polling for workers instead would block input for as long.
 */
import type { KernelFile } from "../kernels/kernel-build.ts";
import { kernelModules } from "../kernels/kernel-modules.ts";
import { browserThreads } from "./browser/browser-threads.ts";
import { yieldByMessage } from "./yield.ts";
import type { Host } from "./host.ts";
import { fetchKernels, type HostOptions, withGivenKernels } from "./host-options.ts";

/**
 * The files a page needs beside its own code, as the entry point knows them: a bundler follows `new URL`
 * only where it is spelled out.
 */
export interface PageFiles {
  kernelUrl(file: KernelFile): URL;
  createWorker(): Worker;
}

export function browserHost(files: PageFiles): (options: HostOptions) => Host {
  const kernelModule = kernelModules((file) => fetchKernels(files.kernelUrl(file)));
  return (options) => {
    const chosen = workerFactory(options.worker);
    const spawnWorker = browserThreads(chosen ?? (() => files.createWorker()), chosen !== undefined);
    const host = { name: "browser", version: navigator.userAgent, kernelModule, yieldToEvents: yieldByMessage };
    return withGivenKernels({ ...host, crossOriginIsolated: isolated(), ...threads(spawnWorker) }, options);
  };
}

const HEADERS = "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp";

function workerFactory(worker: HostOptions["worker"]): (() => Worker) | undefined {
  return worker === undefined || typeof worker === "function" ? worker : () => new Worker(worker, { type: "module" });
}

/** Tells whether the page is isolated; browsers older than the headers do not say. */
const isolated = () => globalThis.crossOriginIsolated === true;

function threads(spawnWorker: NonNullable<Host["spawnWorker"]>): Partial<Host> {
  const obstacles = [
    ...(isolated() ? [] : [`this page is not cross-origin isolated; serve it with the headers ${HEADERS}`]),
    ...(typeof document === "undefined"
      ? []
      : ["this is the page's main thread, which may not wait for others; load the model in a worker"]),
  ];
  if (obstacles.length > 0) return { threadsObstacle: obstacles.join(". And ") };
  // Service workers start none; neither do shared workers in Chromium.
  if (typeof Worker !== "function") return { threadsObstacle: "workers cannot be started from here" };
  const logical = navigator.hardwareConcurrency || 1;
  return {
    // A page is told of hardware threads only; two usually share a core, or half of the cores are slow ones.
    extraThreads: Math.ceil(logical / 2) - 1,
    hardwareThreads: logical,
    spawnWorker,
  };
}
