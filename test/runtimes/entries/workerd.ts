/** A worker that imports the package as any Worker does; its path is the job. `FILES` serves the models. */
import { diagnose, type HostOptions, loadModel, MemoryBlockStore, type OutputFolder, quantize } from "fptq";
import { loadModel as loadInline } from "fptq/inline";
// What the package does not import: few Workers quantize.
import simd128 from "fptq/wasm/fptq-simd128.wasm";
import quantizer from "fptq/wasm/fptq-quantizer.wasm";
import { readBy } from "../folders.ts";
import { parseJob, runJob } from "../job.ts";
import { collector, RECIPE, rejects } from "../suite.ts";
import { MemoryOutputFolder } from "../../memory-folder.ts";

interface Environment {
  readonly FILES: { fetch: typeof fetch };
}

export default {
  async fetch(request: Request, { FILES }: Environment): Promise<Response> {
    const sources = { fetch: (url: string, init?: RequestInit) => FILES.fetch(url, init) };
    const load = (name: string, options: object) => loadModel(`http://files/${name}/`, { ...options, ...sources });
    const read = readBy((url) => FILES.fetch(url), "http://files/");
    const job = parseJob(new URL(request.url).pathname.slice(1));
    const quantizeBy = (output: OutputFolder, kernels?: HostOptions["kernels"]) =>
      quantize("http://files/f32/", { ...RECIPE, ...sources, output, ...(kernels && { kernels }) });
    const result = await runJob(job, {
      load,
      read,
      open: loadModel,
      diagnose,
      MemoryBlockStore,
      quantize: (output) => quantizeBy(output, { simd128, quantizer }),
    });
    if (!("checks" in result)) return Response.json(result);
    const [check, checks] = collector();
    await check("kernels that were not imported are a CapabilityError that says what to add", () => {
      return rejects(load("w4a8", { kernels: {} }), "CapabilityError", /import simd128 from "fptq\/wasm\/fptq-simd128\.wasm"/);
    });
    await check("so is quantizing without the module that quantizes", () => {
      const needed = /import quantizer from "fptq\/wasm\/fptq-quantizer\.wasm" and pass \{ kernels: \{ simd128, quantizer \} \}/;
      return rejects(quantizeBy(new MemoryOutputFolder("quantized")), "CapabilityError", needed);
    });
    await check("so is the entry point that compiles at run time", () => {
      return rejects(loadInline("http://files/w4a8/", sources), "CapabilityError", /import "fptq" instead of "fptq\/inline"/);
    });
    return Response.json({ ...result, checks: [...result.checks, ...checks] });
  },
};
