/** Node, Deno and Bun: the package as a program imports it. Arguments: the working directory and a job. */
import { readFile } from "node:fs/promises";
import { diagnose, loadModel, MemoryBlockStore } from "fptq";
import { parseJob, runJob } from "../job.ts";

const [directory, job] = process.argv.slice(2);
const result = await runJob(parseJob(job!), {
  load: (name, options) => loadModel(`${directory}/${name}`, options),
  open: loadModel,
  diagnose,
  read: async (path) => new Uint8Array(await readFile(`${directory}/${path}`)),
  MemoryBlockStore,
});
console.log(JSON.stringify(result));
