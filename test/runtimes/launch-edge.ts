/**
 * Vercel's edge, as its own VM has it: a context of this Node with the platform's globals and nothing else.
 */
import { existsSync, readFileSync } from "node:fs";
import { formatJob, type Job } from "./job.ts";
import { HERE, type Launched, NotInstalledError } from "./launch.ts";
import { serve } from "./serve.ts";

/** As much of @edge-runtime/vm as is used: the type check runs where it is not installed. */
interface EdgeVM {
  readonly context: Record<string, unknown>;
  evaluate<T>(code: string): T;
}

export async function edgeLight(directory: string, job: Job): Promise<Launched> {
  const home = `${HERE}node_modules/@edge-runtime/vm`;
  if (!existsSync(home)) throw new NotInstalledError(`${home}: no such folder`);
  const { EdgeVM: Machine } = (await import(`${home}/dist/index.js`)) as { EdgeVM: new () => EdgeVM };
  const { version } = JSON.parse(readFileSync(`${home}/package.json`, "utf8")) as { version: string };
  const server = await serve(directory, { isolated: false, countWorkers: () => 0 });
  try {
    const machine = new Machine();
    deployKernels(machine, directory);
    machine.evaluate(readFileSync(`${directory}/edge-light.js`, "utf8"));
    const run = machine.evaluate<(job: string, origin: string) => Promise<string>>("edge.default");
    return { version, result: JSON.parse(await run(formatJob(job), server.origin)) as Launched["result"] };
  } finally {
    server.close();
  }
}

/**
 * Compiles what is imported with `?module`, as the platform does when a program is deployed; from then on
 * nothing is compiled.
 */
function deployKernels(machine: EdgeVM, directory: string): void {
  const compile = machine.evaluate<(bytes: Uint8Array) => WebAssembly.Module | undefined>(
    `(bytes) => WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : undefined`,
  );
  machine.context["wasmModules"] = Object.fromEntries(
    ["fptq-simd128.wasm", "fptq-kept-simd128.wasm", "fptq-relaxed.wasm"].map((name) => [
      name,
      compile(readFileSync(`${directory}/wasm/${name}`)),
    ]),
  );
  const compilers = ["compile", "compileStreaming", "instantiate", "instantiateStreaming"];
  machine.evaluate(`for (const name of ${JSON.stringify(compilers)}) WebAssembly[name] = undefined;`);
}
