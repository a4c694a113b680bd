/**
 * fptq for Vercel's edge and what is like it: `?module` makes an import of `.wasm` a compiled module.
 *
 * The relaxed build is not imported: a server that runs edge routes in an engine without relaxed SIMD
 * (Next.js under Node 20) compiles every import and fails at the first it cannot. Who knows better gives
 * both: `{ kernels: { simd128, relaxed } }`.
 */
import type * as entry from "./index.ts";
import * as library from "./library.ts";
import { edgeHost } from "./host/edge.ts";
import { webSources } from "./host/browser/web-sources.ts";
import keptSimd128 from "./wasm/fptq-kept-simd128.wasm?module";
import simd128 from "./wasm/fptq-simd128.wasm?module";

export * from "./core.ts";

const place: library.EntryPoint = {
  host: edgeHost("edge-light", { simd128, "kept-simd128": keptSimd128 }, "?module"),
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
