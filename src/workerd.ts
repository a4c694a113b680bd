/** fptq for Cloudflare Workers, whose bundler leaves imports of `.wasm` to the platform: each is a compiled module. */
import type * as entry from "./index.ts";
import * as library from "./library.ts";
import { edgeRuntime } from "./runtime/edge.ts";
import { webSources } from "./runtime/web-sources.ts";
import relaxed from "./wasm/fptq-relaxed.wasm";
import simd128 from "./wasm/fptq-simd128.wasm";

export * from "./core.ts";

const host: library.Host = {
  runtime: edgeRuntime("workerd", { simd128, relaxed }, ""),
  sources: webSources,
};

export const loadModel: typeof entry.loadModel = (source, options) => library.loadModel(host, source, options);
export const quantize: typeof entry.quantize = (source, options) => library.quantize(host, source, options);
export const analyze: typeof entry.analyze = (source, options) => library.analyze(host, source, options);
export const openCheckpoint: typeof entry.openCheckpoint = (source, options) => library.openCheckpoint(host, source, options);
export const diagnose: typeof entry.diagnose = (options) => library.diagnose(host, options);
export const folderBlockStore: typeof entry.folderBlockStore = library.noFolderBlockStore;
