/** A worker that answers every request with the suite's result. */
import { loadModel, quantize } from "fptq/core";
import simd128 from "fptq/wasm/fptq-simd128.wasm";
import { workerdRuntime } from "../../../src/runtime/workerd.ts";
import { type FoldersJson, locationIn } from "../folders.ts";
import { RECIPE, runSuite } from "../suite.ts";

const runtime = workerdRuntime({ simd128 });

export default {
  async fetch(_request: Request, { FOLDERS }: { FOLDERS: FoldersJson }): Promise<Response> {
    const result = await runSuite({
      load: (name, options) => loadModel(locationIn(FOLDERS, name), runtime, options),
      quantize: (output) => quantize(locationIn(FOLDERS, "f32"), output, runtime, RECIPE),
    });
    return Response.json(result);
  },
};
