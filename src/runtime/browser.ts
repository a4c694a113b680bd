/**
 * A page or a worker of one. With shared memory (the page is cross-origin isolated), kernels are shared among web workers; without, one
 * thread does all. A model can be loaded on a page's main thread, which then polls for its workers instead of sleeping, but belongs into a
 * worker: there it blocks no input.
 */
import type { InstructionSet } from "../kernels/kernel-build.ts";
import { kernelModules } from "../kernels/kernel-modules.ts";
import { browserThreads } from "./browser-threads.ts";
import { yieldByMessage } from "./yield.ts";
import type { Runtime } from "./runtime.ts";
import { fetchKernels, type RuntimeOptions, withGivenKernels } from "./runtime-options.ts";

/** The files a page needs besides its own code, as the entry point knows them: a bundler follows `new URL` only where it is spelled out. */
export interface PageFiles {
  kernelUrl(instructionSet: InstructionSet): URL;
  createWorker(): Worker;
}

export function browserRuntime(files: PageFiles): (options: RuntimeOptions) => Runtime {
  const kernelModule = kernelModules((instructionSet) => fetchKernels(files.kernelUrl(instructionSet)));
  return (options) => {
    const createWorker = workerFactory(options.worker) ?? (() => files.createWorker());
    const runtime = { name: "browser", version: navigator.userAgent, kernelModule, yieldToEvents: yieldByMessage };
    return withGivenKernels({ ...runtime, ...threads(createWorker) }, options);
  };
}

function workerFactory(worker: RuntimeOptions["worker"]): (() => Worker) | undefined {
  return worker === undefined || typeof worker === "function" ? worker : () => new Worker(worker, { type: "module" });
}

function threads(createWorker: () => Worker): Partial<Runtime> {
  if (!globalThis.crossOriginIsolated) {
    return {
      threadsObstacle:
        "this page is not cross-origin isolated; serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp",
    };
  }
  // Service workers start none; neither do shared workers in Chromium.
  if (typeof Worker !== "function") return { threadsObstacle: "workers cannot be started from here" };
  const logical = navigator.hardwareConcurrency || 1;
  return {
    // A page is told of hardware threads only; two usually share a core, or half of the cores are slow ones.
    extraThreads: Math.ceil(logical / 2) - 1,
    hardwareThreads: logical,
    mayBlock: typeof document === "undefined",
    spawnWorker: browserThreads(createWorker),
  };
}
