/**
 * The things a caller may bring where a runtime's own way to kernels and threads does not fit: a bundler, a
 * strict policy, an edge platform.
 */
import type { KernelFile } from "../kernels/kernel-build.ts";
import { type KernelSource, kernelModules } from "../kernels/kernel-modules.ts";
import { CapabilityError } from "../errors.ts";
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import type { Host } from "./host.ts";

/** Kernels and workers other than the package's own. */
export interface HostOptions {
  /**
   * The kernels, instead of those the package brings: modules the platform compiled (`import simd128 from
   * "fptq/wasm/fptq-simd128.wasm"` in Cloudflare Workers; one thread), or where to fetch
   * `fptq/wasm/fptq-simd128.wasm` and the others. "simd128" is enough; the rest makes it faster: "relaxed"
   * where a processor has dot products of bytes, "relaxed-i16" where it has not, "probe" to tell these apart.
   * What quantizes or calibrates needs "quantizer" too: `fptq/wasm/fptq-quantizer.wasm`; a GGUF whose weights
   * are kept as they are needs "kept-simd128", and is faster with "kept-relaxed" beside "relaxed" and with
   * "kept-relaxed-i16" beside "relaxed-i16".
   */
  readonly kernels?: Readonly<Partial<Record<KernelFile, WebAssembly.Module | URL | string>>> | undefined;
  /**
   * The way a page starts a thread for kernels, instead of `new Worker` with the package's own file. The
   * URL of `fptq/worker`, or a function for a policy or bundler that wants the `new Worker` in the page's own
   * code. If that script cannot be loaded, or the function throws, loading fails with a CapabilityError; the
   * package's own file would be a warning and fewer threads.
   */
  readonly worker?: URL | string | (() => Worker) | undefined;
}

export const HOST_OPTIONS: OptionKeys = optionKeys<HostOptions>({ kernels: 0, worker: 0 });

/** Modules compiled by the caller are for memory of one thread; what has threads otherwise, has one then. */
export function withGivenKernels(host: Host, { kernels }: HostOptions): Host {
  if (!kernels) return host;
  const kernelModule = kernelModules(async (file): Promise<KernelSource> => {
    const source = kernels[file];
    if (source instanceof WebAssembly.Module) return source;
    if (source instanceof URL || typeof source === "string") return fetchKernels(source);
    const given = Object.keys(kernels).join(", ") || "none";
    throw new CapabilityError(
      `kernels: got ${given}, need "${file}", fptq/wasm/fptq-${file}.wasm, as a WebAssembly.Module or its URL`,
    );
  });
  if (!Object.values(kernels).some((source) => source instanceof WebAssembly.Module)) return { ...host, kernelModule };
  const { spawnWorker: _, ...single } = host;
  return { ...single, kernelModule, threadsObstacle: "kernels were given as compiled modules; give their URLs" };
}

/** @throws CapabilityError if nothing is there */
export async function fetchKernels(url: URL | string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`got HTTP status ${response.status}, need 200`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new CapabilityError(
      `kernels: ${url}: cannot be fetched: ${problem}. Serve fptq/wasm/* there, or import "fptq/inline"`,
      {
        cause,
      },
    );
  }
}
