/**
 * fptq for pages and their workers. A bundler follows each `new URL` below and puts the file beside its
 * output.
 */
import type * as entry from "./index.ts";
import * as library from "./library.ts";
import { browserHost } from "./host/browser.ts";
import { pageSources } from "./host/browser/web-sources.ts";

export * from "./core.ts";

const KERNEL_URLS = {
  simd128: new URL("./wasm/fptq-simd128.wasm", import.meta.url),
  relaxed: new URL("./wasm/fptq-relaxed.wasm", import.meta.url),
  "relaxed-i16": new URL("./wasm/fptq-relaxed-i16.wasm", import.meta.url),
  "relaxed-u8": new URL("./wasm/fptq-relaxed-u8.wasm", import.meta.url),
  "relaxed-s8": new URL("./wasm/fptq-relaxed-s8.wasm", import.meta.url),
  "kept-simd128": new URL("./wasm/fptq-kept-simd128.wasm", import.meta.url),
  "kept-relaxed": new URL("./wasm/fptq-kept-relaxed.wasm", import.meta.url),
  "kept-relaxed-i16": new URL("./wasm/fptq-kept-relaxed-i16.wasm", import.meta.url),
  probe: new URL("./wasm/fptq-probe.wasm", import.meta.url),
  quantizer: new URL("./wasm/fptq-quantizer.wasm", import.meta.url),
};
const host = browserHost({
  kernelUrl: (file) => KERNEL_URLS[file],
  createWorker: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
});
const place: library.EntryPoint = { host, sources: pageSources, baseUrl: () => globalThis.document?.baseURI ?? location.href };

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
