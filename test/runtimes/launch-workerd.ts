/** workerd: a worker behind a local port, asked once. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { KERNEL_FILES } from "../../src/kernels/kernel-build.ts";
import { formatJob, type Job } from "./job.ts";
import { installed, type Launched, LIMIT_MS, outputOf } from "./launch.ts";
import { serve } from "./serve.ts";

/** Modules of a configuration: the kernels that `fptq` imports in a Worker, from a folder beside it. */
export function kernelModules(folder: string): string {
  const imported = KERNEL_FILES.filter((file) => file !== "quantizer");
  return imported.map((file) => `(name = "wasm/fptq-${file}.wasm", wasm = embed "${folder}/fptq-${file}.wasm"),`).join("\n    ");
}

/** The date of the oldest behaviour asked for; no flag is needed, in particular not `nodejs_compat`. */
const config = (files: string) => `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "files", external = (address = "${files}", http = ())),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  modules = [
    (name = "workerd.js", esModule = embed "workerd.js"),
    ${kernelModules("wasm")}
    (name = "fptq/wasm/fptq-simd128.wasm", wasm = embed "wasm/fptq-simd128.wasm"),
    (name = "fptq/wasm/fptq-quantizer.wasm", wasm = embed "wasm/fptq-quantizer.wasm"),
  ],
  bindings = [(name = "FILES", service = "files")],
  compatibilityDate = "2026-08-01",
);
`;

export async function workerd(directory: string, job: Job): Promise<Launched> {
  const command = installed("workerd");
  const version = await outputOf(command, ["--version"]);
  const server = await serve(directory, { isolated: false, countWorkers: () => 0 });
  writeFileSync(`${directory}/workerd.capnp`, config(new URL(server.origin).host));
  const args = ["serve", `${directory}/workerd.capnp`, "--control-fd=3"];
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding("utf8").on("data", (text: string) => (log += text));
  const ended = once(child, "close");
  try {
    const port = await Promise.race([portOf(child), ended.then(() => undefined)]);
    if (port === undefined) throw new Error("ended before it listened");
    const response = await fetch(`http://127.0.0.1:${port}/${formatJob(job)}`, { signal: AbortSignal.timeout(LIMIT_MS) });
    const body = await response.text();
    if (!response.ok) throw new Error(`HTTP status ${response.status}: ${body}`);
    return { version: /\d{4}-\d\d-\d\d/.exec(version)?.[0] ?? version.trim(), result: JSON.parse(body) as Launched["result"] };
  } catch (cause) {
    throw new Error(`workerd: ${cause instanceof Error ? cause.message : String(cause)}\n${log}`, { cause });
  } finally {
    child.kill("SIGKILL");
    await ended;
    server.close();
  }
}

/** The port it chose, which it reports as a line of JSON on its control descriptor. */
async function portOf(child: ChildProcess): Promise<number | undefined> {
  let text = "";
  for await (const chunk of child.stdio[3] as Readable) {
    text += String(chunk);
    const port = /"event"\s*:\s*"listen".*"port"\s*:\s*(\d+)/.exec(text)?.[1];
    if (port !== undefined) return Number(port);
  }
  return undefined;
}
