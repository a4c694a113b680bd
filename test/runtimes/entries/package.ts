/** Node, Deno and Bun: the package as a program imports it. Arguments: the working directory and a job. */
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { diagnose, loadModel, MemoryBlockStore } from "fptq";
import { parseJob, runJob } from "../job.ts";

const [directory, job] = process.argv.slice(2);
const base = pathToFileURL(`${directory}/`);
const result = await runJob(parseJob(job!), {
  // One by its path, the other by its URL, as a program has a model beside it.
  load: (name, options) => loadModel(name === "f32" ? `${directory}/${name}` : new URL(name, base), options),
  open: loadModel,
  diagnose,
  read: async (path) => new Uint8Array(await readFile(`${directory}/${path}`)),
  MemoryBlockStore,
});
console.log(JSON.stringify(result));
