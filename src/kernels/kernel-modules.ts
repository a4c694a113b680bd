/** The compiled modules of the kernel builds, each made once. */
import { simd } from "wasm-feature-detect";
import { CapabilityError } from "../errors.ts";
import { type KernelBuild, type KernelFile, splitBuild } from "./kernel-build.ts";
import { forSharedMemory } from "./shared-memory.ts";

/** Where the 128-bit SIMD of WebAssembly came (webassembly.org/features). */
const NO_SIMD =
  "kernels: got an engine whose WebAssembly has no SIMD, need one that has it: Chrome 91, Firefox 89, Safari 16.4 or newer";

/**
 * A build for memory of one thread: its bytes, from which the one for shared memory is made too, or the
 * compiled module.
 */
export type KernelSource = Uint8Array<ArrayBuffer> | WebAssembly.Module;

/**
 * @param open reads a build; asked again if that failed
 * @returns what a `Host` has as `kernelModule`
 */
export function kernelModules(
  open: (file: KernelFile) => Promise<KernelSource>,
): (build: KernelBuild) => Promise<WebAssembly.Module> {
  const modules = new Map<KernelBuild, Promise<WebAssembly.Module>>();
  return (build) => {
    let module = modules.get(build);
    if (!module) {
      module = compile(build, open);
      modules.set(build, module);
      module.catch(() => modules.delete(build));
    }
    return module;
  };
}

async function compile(build: KernelBuild, open: (file: KernelFile) => Promise<KernelSource>): Promise<WebAssembly.Module> {
  const { file, shared } = splitBuild(build);
  if (typeof WebAssembly !== "object")
    throw new CapabilityError("kernels: got no WebAssembly here, need it: Lockdown Mode and some policies turn it off");
  const source = await open(file);
  if (source instanceof Uint8Array) {
    const bytes = shared ? forSharedMemory(source) : source;
    return WebAssembly.compile(bytes).catch(async (cause: unknown) => {
      if (!(await simd())) throw new CapabilityError(NO_SIMD, { cause });
      throw new CapabilityError(`kernels: cannot compile "${build}": ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      });
    });
  }
  if (shared) throw new CapabilityError(`kernels: "${file}" is a compiled module, which has one thread; give its URL`);
  return source;
}
