/** workerd, which runs Cloudflare Workers: one thread, and only modules that were compiled when the worker was deployed. */
import { CapabilityError } from "../errors.ts";
import type { KernelBuild } from "../kernels/kernel-build.ts";
import type { Runtime } from "./runtime.ts";

/**
 *     import simd128 from "fptq/wasm/fptq-simd128.wasm";
 *
 *     const runtime = workerdRuntime({ simd128 });
 *
 * Deployed workers freeze `performance.now()` between I/O (Cloudflare Workers, "Performance and timers"): measured times are 0 there,
 * and long work lets no events run, so limit it by a number of tokens rather than by a timer.
 *
 * @param kernels imported modules; the build without threads is the one that is asked for
 */
export function workerdRuntime(kernels: Readonly<Partial<Record<KernelBuild, WebAssembly.Module>>>): Runtime {
  return {
    name: "workerd",
    // Workers are not told which workerd runs them.
    version: navigator.userAgent,
    kernelModule(build) {
      const module = kernels[build];
      if (module) return Promise.resolve(module);
      const given = Object.keys(kernels).join(", ") || "none";
      return Promise.reject(new CapabilityError(`kernel build "${build}" is needed, given: ${given}`));
    },
    yieldToEvents: () => new Promise((resolve) => setTimeout(resolve, 0)),
  };
}
