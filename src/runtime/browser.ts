/** A page or a web worker. One thread: `spawnWorker` is absent, so kernels run on the caller's. */
import { CapabilityError } from "../errors.ts";
import type { KernelBuild } from "../kernels/kernel-build.ts";
import type { Runtime } from "./runtime.ts";

/**
 * @param kernelUrl where the page finds `fptq/wasm/fptq-<build>.wasm`; a bundler or a server decides, so the page has to say
 */
export function browserRuntime(kernelUrl: (build: KernelBuild) => string | URL): Runtime {
  const modules = new Map<KernelBuild, Promise<WebAssembly.Module>>();
  return {
    name: "browser",
    version: navigator.userAgent,
    kernelModule(build) {
      let module = modules.get(build);
      if (!module) {
        module = fetchModule(kernelUrl(build));
        modules.set(build, module);
        // A fetch that failed may succeed the next time.
        module.catch(() => modules.delete(build));
      }
      return module;
    },
    yieldToEvents,
  };
}

/** @throws CapabilityError if nothing is there, or it is no module this browser can compile */
async function fetchModule(url: string | URL): Promise<WebAssembly.Module> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    // Streaming insists on the media type, which servers of plain files often do not know.
    const streams = response.headers.get("content-type")?.split(";")[0]!.trim() === "application/wasm";
    return await (streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer()));
  } catch (cause) {
    throw new CapabilityError(`${url}: cannot load kernels: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

/**
 * Messages are ordinary tasks: first come, first served, so timers get their turn. `setTimeout` would wait 4 ms (HTML standard, timers
 * nested five deep) or a second in a hidden page; `scheduler.yield` resumes ahead of timers, which never fire then (measured: Chromium 156).
 */
function yieldToEvents(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener("message", () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(undefined);
  });
}
