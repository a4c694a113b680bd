/**
 * fptq without files beside it, for any place that compiles WebAssembly: the kernels are part of the text.
 * One thread.
 */
import type * as entry from "./index.ts";
import * as library from "./library.ts";
import { inlineHost } from "./host/inline.ts";
import { webSources } from "./host/browser/web-sources.ts";
import kernels from "./wasm/fptq.wasm?inline";

export * from "./core.ts";

const place: library.EntryPoint = {
  host: inlineHost(kernels),
  sources: webSources,
};

export const loadModel: typeof entry.loadModel = (source, options) => library.loadModel(place, source, options);
export const quantize: typeof entry.quantize = (source, options) => library.quantize(place, source, options);
export const exportGguf: typeof entry.exportGguf = (source, options) => library.exportGguf(place, source, options);
export const exportFolder: typeof entry.exportFolder = (source, options) => library.exportFolder(place, source, options);
export const analyze: typeof entry.analyze = (source, options) => library.analyze(place, source, options);
export const lossByPart: typeof entry.lossByPart = (quantized, base, text, options) =>
  library.lossByPart(place, [quantized, base], text, options);
export const openCheckpoint: typeof entry.openCheckpoint = (source, options) => library.openCheckpoint(place, source, options);
export const diagnose: typeof entry.diagnose = (options) => library.diagnose(place, options);
export const folderBlockStore: typeof entry.folderBlockStore = library.noFolderBlockStore;
