/** Node, Deno and Bun: the package as a program imports it, with paths and two threads. Argument: the working directory. */
import { loadModel } from "fptq";
import { runSuite } from "../suite.ts";

const directory = process.argv[2]!;
const result = await runSuite({ load: (name, options) => loadModel(`${directory}/${name}`, { ...options, threads: 2 }) });
console.log(JSON.stringify(result));
