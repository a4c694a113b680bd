/**
 * fptq for Cloudflare Workers, whose bundler leaves imports of `.wasm` to the platform: each is a compiled
 * module.
 */
import type * as entry from "./index.ts";
import * as library from "./library.ts";
import { edgeHost } from "./host/edge.ts";
import { webSources } from "./host/browser/web-sources.ts";
import keptRelaxed from "./wasm/fptq-kept-relaxed.wasm";
import keptRelaxedI16 from "./wasm/fptq-kept-relaxed-i16.wasm";
import keptSimd128 from "./wasm/fptq-kept-simd128.wasm";
import probe from "./wasm/fptq-probe.wasm";
import relaxed from "./wasm/fptq-relaxed.wasm";
import relaxedI16 from "./wasm/fptq-relaxed-i16.wasm";
import relaxedS8 from "./wasm/fptq-relaxed-s8.wasm";
import relaxedU8 from "./wasm/fptq-relaxed-u8.wasm";
import simd128 from "./wasm/fptq-simd128.wasm";

export * from "./core.ts";

const kernels = {
  simd128,
  relaxed,
  "relaxed-i16": relaxedI16,
  "relaxed-u8": relaxedU8,
  "relaxed-s8": relaxedS8,
  "kept-simd128": keptSimd128,
  "kept-relaxed": keptRelaxed,
  "kept-relaxed-i16": keptRelaxedI16,
  probe,
};
const place: library.EntryPoint = {
  host: edgeHost("workerd", kernels, ""),
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
