/**
 * An edge function that imports the package as Vercel's do: called with a job and where the models are
 * served.
 * @returns JSON
 */
import { diagnose, loadModel, MemoryBlockStore } from "fptq";
import { readBy } from "../folders.ts";
import { parseJob, runJob } from "../job.ts";
import { collector, rejects } from "../suite.ts";

export default async (job: string, origin: string): Promise<string> => {
  const load = (name: string, options: object) => loadModel(`${origin}/${name}/`, options);
  const read = readBy((url) => fetch(url), `${origin}/`);
  const result = await runJob(parseJob(job), { load, read, open: loadModel, diagnose, MemoryBlockStore });
  if (!("checks" in result)) return JSON.stringify(result);
  const [check, checks] = collector();
  await check("kernels that were not imported are a CapabilityError that says what to add", () => {
    return rejects(
      load("w4a8", { kernels: {} }),
      "CapabilityError",
      /import simd128 from "fptq\/wasm\/fptq-simd128\.wasm\?module"/,
    );
  });
  return JSON.stringify({ ...result, checks: [...result.checks, ...checks] });
};
