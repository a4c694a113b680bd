/** fptq without files beside it, for any place that compiles WebAssembly: the kernels are part of the text. One thread. */
import type * as entry from "./index.ts";
import * as library from "./library.ts";
import { inlineRuntime } from "./runtime/inline.ts";
import { webSources } from "./runtime/web-sources.ts";
import kernels from "./wasm/fptq.wasm?inline";

export * from "./core.ts";

const host: library.Host = {
  runtime: inlineRuntime(kernels),
  sources: webSources,
};

export const loadModel: typeof entry.loadModel = (source, options) => library.loadModel(host, source, options);
export const quantize: typeof entry.quantize = (source, options) => library.quantize(host, source, options);
export const analyze: typeof entry.analyze = (source, options) => library.analyze(host, source, options);
export const openCheckpoint: typeof entry.openCheckpoint = (source, options) => library.openCheckpoint(host, source, options);
export const diagnose: typeof entry.diagnose = (options) => library.diagnose(host, options);
export const folderBlockStore: typeof entry.folderBlockStore = library.noFolderBlockStore;
