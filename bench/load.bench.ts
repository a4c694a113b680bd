/**
 * Loading a model from disk and over HTTP, each in a process of its own: seconds, and the peak of resident
 * memory beside that of an empty process.
 *
 *     npm run bench:load -- FOLDER|MODEL.gguf [--context 512] [--repetitions 3]
 *
 * Runs the built package, because what compiles TypeScript takes memory too. Over HTTP from a server in this
 * process: without a cache, with an empty one, with what the last run has left. "Over final" is the peak less
 * the empty process, as a multiple of what the model holds at the end.
 */
import { execFileSync, spawn } from "node:child_process";
import { createReadStream, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { cpus, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { context: { type: "string", default: "512" }, repetitions: { type: "string", default: "3" } },
});
const [source] = positionals;
if (source === undefined) throw new Error("usage: npm run bench:load -- FOLDER|MODEL.gguf [--context N] [--repetitions N]");

const MIB = 2 ** 20;
const library = new URL("../dist/index.js", import.meta.url).href;
/** Prints seconds, peak and final size of one load. */
const LOAD = `
import { loadModel, folderBlockStore } from ${JSON.stringify(library)};
const [source, contextSize, cache] = process.argv.slice(1);
const began = performance.now();
const model = await loadModel(source, { contextSize: Number(contextSize), threads: 1, cache: cache ? folderBlockStore(cache) : false });
const seconds = (performance.now() - began) / 1000;
console.log(JSON.stringify({ seconds, peak: process.resourceUsage().maxRSS * 1024, total: model.memory().total }));
await model.dispose();`;
const EMPTY = "console.log(process.resourceUsage().maxRSS * 1024)";

const run = (script: string, ...args: string[]) =>
  new Promise<string>((resolve, reject) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.on("error", reject);
    child.on("exit", (code) => (code === 0 ? resolve(output) : reject(new Error(`node ended with code ${code}`))));
  });

const root = statSync(source).isDirectory() ? source : join(source, "..");
const server = createServer((request, response) => {
  const path = join(root, basename(new URL(request.url!, "http://any").pathname));
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined || path === root) return void response.writeHead(404).end();
  const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? "0");
  const range = `bytes ${begin}-${size - 1}/${size}`;
  response.writeHead(206, { etag: `"${size}"`, "content-length": size - begin, "content-range": range });
  createReadStream(path, { start: begin }).pipe(response);
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${root === source ? "" : basename(source)}`;
const temporary = mkdtempSync(join(tmpdir(), "fptq-load-"));

try {
  const empty = Number(execFileSync(process.execPath, ["-e", EMPTY], { encoding: "utf8" }));
  console.log(
    `${cpus()[0]?.model}, Node ${process.version}, context ${values.context}; an empty process: ${(empty / MIB).toFixed(0)} MiB`,
  );
  console.log(`${"from".padEnd(20)} seconds   peak above empty   final   over final`);
  const cases: readonly (readonly [string, string, (repetition: number) => string])[] = [
    ["disk", source, () => ""],
    ["HTTP, no cache", url, () => ""],
    ["HTTP, empty cache", url, (repetition) => join(temporary, String(repetition))],
    ["HTTP, warm cache", url, () => join(temporary, "0")],
  ];
  for (const [name, from, cache] of cases) {
    const loads: { seconds: number; peak: number; total: number }[] = [];
    for (let repetition = 0; repetition < Number(values.repetitions); repetition++) {
      loads.push(JSON.parse(await run(LOAD, from, values.context, cache(repetition))) as (typeof loads)[number]);
    }
    const seconds = loads.map((load) => load.seconds).toSorted((a, b) => a - b)[Math.floor(loads.length / 2)]!;
    const { peak, total } = loads.toSorted((a, b) => b.peak - a.peak)[0]!;
    const above = peak - empty;
    console.log(
      `${name.padEnd(20)} ${seconds.toFixed(2).padStart(7)} ${(above / MIB).toFixed(0).padStart(14)} MiB ${(total / MIB).toFixed(0).padStart(4)} MiB ${(above / total).toFixed(2).padStart(11)}`,
    );
  }
} finally {
  server.close();
  rmSync(temporary, { recursive: true, force: true });
}
