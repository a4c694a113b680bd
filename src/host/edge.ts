/**
 * Platforms that run only modules which were compiled when the program was deployed: Cloudflare Workers,
 * Vercel's edge. One thread.
 */
import { CapabilityError } from "../errors.ts";
import { type KernelBuild, type KernelFile, splitBuild } from "../kernels/kernel-build.ts";
import type { Host } from "./host.ts";
import type { HostOptions } from "./host-options.ts";
import { yieldByTimer } from "./yield.ts";

/**
 * Deployed Workers freeze `performance.now()` between I/O (Cloudflare Workers, "Performance and timers"):
 * measured times mean nothing there, and events run after an amount of work instead
 * (`src/model/event-loop-pacer.ts`).
 *
 * @param name "workerd" or "edge-light"
 * @param imported what the entry point's own imports gave; a bundler that does not know the platform puts
 *   something else there
 * @param suffix of such an import, for the message
 */
export function edgeHost(
  name: string,
  imported: NonNullable<HostOptions["kernels"]>,
  suffix: string,
): (options: HostOptions) => Host {
  return ({ kernels = imported }) => ({
    name,
    // A program is not told which version runs it.
    version: globalThis.navigator?.userAgent ?? "",
    kernelModule: async (build: KernelBuild) => {
      const { file } = splitBuild(build);
      const module: unknown = kernels[file];
      if (module instanceof WebAssembly.Module) return module;
      const found = module === undefined ? "nothing" : typeof module === "object" ? "an object" : `a ${typeof module}`;
      throw new CapabilityError(
        `kernels: got ${found} for "${build}", need a WebAssembly.Module. Here modules are compiled when a program is deployed. ` +
          `Let the bundler leave imports of .wasm files to the platform (wrangler does; esbuild: external: ["*.wasm"]), ` +
          `or add: import ${identifier(file)} from "fptq/wasm/fptq-${file}.wasm${suffix}" and pass { kernels: { ${needed(file)} } }`,
      );
    },
    yieldToEvents: yieldByTimer,
  });
}

/** Given kernels take the place of all imported ones, so those that run the model are given with others. */
function needed(file: KernelFile): string {
  if (file === "simd128") return file;
  const name = identifier(file);
  return `simd128, ${name === file ? name : `"${file}": ${name}`}`;
}

function identifier(file: KernelFile): string {
  return file.replace(/-./g, (part) => part[1]!.toUpperCase());
}
