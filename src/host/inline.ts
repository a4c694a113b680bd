/** Kernels that are part of the program's text, wherever it runs: no file, no request, one thread. */
import { CapabilityError } from "../errors.ts";
import { kernelModules } from "../kernels/kernel-modules.ts";
import type { KernelFile } from "../kernels/kernel-build.ts";
import { deinterleave } from "./interleave.ts";
import type { Host } from "./host.ts";
import { type HostOptions, withGivenKernels } from "./host-options.ts";
import { yieldByMessage, yieldByTimer } from "./yield.ts";

/** Builds, interleaved in the order of their lengths, compressed (RFC 1951), in base64. */
export interface InlineKernels {
  readonly text: string;
  readonly lengths: Readonly<Partial<Record<KernelFile, number>>>;
}

export function inlineHost({ text, lengths }: InlineKernels): (options: HostOptions) => Host {
  const modules = kernelModules(async (file) => {
    const place = Object.keys(lengths).indexOf(file);
    if (place < 0)
      throw new CapabilityError(
        `kernels: got "${file}" asked for, need ${Object.keys(lengths).join(", ")}: no others are in the text`,
      );
    return deinterleave(await inflate(text), Object.values(lengths))[place]!;
  });
  return (options) =>
    withGivenKernels(
      {
        name: "inline",
        version: globalThis.navigator?.userAgent ?? "",
        kernelModule: (build) => modules(build).catch(explain),
        yieldToEvents: typeof MessageChannel === "function" ? yieldByMessage : yieldByTimer,
      },
      options,
    );
}

async function inflate(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const compressed = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function explain(cause: unknown): never {
  const problem = cause instanceof Error ? cause.message : String(cause);
  throw new CapabilityError(
    `${problem}. Where only modules run that were compiled before (Cloudflare Workers, Vercel's edge), import "fptq" instead of "fptq/inline", or pass { kernels: { simd128 } }; a page's Content-Security-Policy needs script-src 'wasm-unsafe-eval'`,
    { cause },
  );
}
