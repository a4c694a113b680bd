/** A worker that answers every request with the suite's result. */
import { loadModel, locateModel, MemoryBlockStore, quantize } from "fptq/core";
import simd128 from "fptq/wasm/fptq-simd128.wasm";
import { workerdRuntime } from "../../../src/runtime/workerd.ts";
import { folderIn, type FoldersJson, locationIn } from "../folders.ts";
import { sourceChecks } from "../sources.ts";
import { RECIPE, runSuite } from "../suite.ts";

const runtime = workerdRuntime({ simd128 });

export default {
  async fetch(_request: Request, { FOLDERS }: { FOLDERS: FoldersJson }): Promise<Response> {
    const result = await runSuite({
      load: (name, options) => loadModel(locationIn(FOLDERS, name), runtime, options),
      quantize: (output) => quantize(locationIn(FOLDERS, "f32"), output, runtime, RECIPE),
    });
    const library = { loadModel, locateModel, MemoryBlockStore };
    const checks = await sourceChecks(library, runtime, folderIn(FOLDERS, "w4a8"));
    return Response.json({ ...result, checks: [...result.checks, ...checks] });
  },
};
