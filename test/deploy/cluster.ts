/**
 * `examples/cluster` over redis-server: a worker is killed while it quantizes, another one takes its job, and
 * the losses are those of one run. Needs redis-server, and `npm run build` before.
 *
 *     npm run test:cluster
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { loadModel, perplexity, quantize } from "../../src/index.ts";
import { tinyModel } from "../tiny-model.ts";
import { freePort } from "./free-port.ts";

const example = fileURLToPath(new URL("../../examples/cluster", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fptq-cluster-"));
const children: ChildProcess[] = [];
const RECIPES = ["rtn", "fptq"];
const [CHUNKS, CONTEXT] = [6, 64];

/** Resolves with the first line that begins so. */
function line(child: ChildProcess, begin: string): Promise<string> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).on("line", (text) => text.includes(begin) && resolve(text));
    child.once("exit", (code) => reject(new Error(`ended with ${code} before "${begin}"`)));
  });
}

function start(command: string, words: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(command, words, { cwd: example, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  children.push(child);
  return child;
}

/** All that a process writes until it ends. */
async function outputOf(
  child: ChildProcess,
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  let [out, err] = ["", ""];
  child.stdout!.on("data", (data) => (out += String(data)));
  child.stderr!.on("data", (data) => (err += String(data)));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out, err };
}

try {
  const [model, text] = [join(folder, "model"), join(folder, "text")];
  mkdirSync(model);
  for (const [name, { bytes }] of tinyModel(17).files) writeFileSync(join(model, name), bytes);
  writeFileSync(text, "the cat sat on the mat and the dog ran to the house; ".repeat(80));

  const port = await freePort();
  const redis = start("redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""]);
  await line(redis, "Ready to accept connections");
  const env = { REDIS_URL: `redis://127.0.0.1:${port}`, LOCK_MS: "3000" };

  const victim = start(process.execPath, ["worker.mjs"], env);
  const begun = line(victim, "begins quantize");
  const words = ["submit.mjs", model, text, join(folder, "out"), RECIPES.join(), `${CHUNKS}`, `${CONTEXT}`];
  const submitted = outputOf(start(process.execPath, words, env));
  const lost = (await begun).replace("begins ", "");
  victim.kill("SIGKILL");
  console.log(`ok   a worker is killed in the middle of ${lost}`);
  const others = [1, 2].map(() => start(process.execPath, ["worker.mjs"], env));
  const again = Promise.any(others.map((other) => line(other, `done ${lost}`)));
  const { code, out, err } = await submitted;
  assert.equal(code, 0, err);
  await again;
  assert.match(err, new RegExp(`${lost}: its worker is gone`));
  assert.match(err, /: 100 %/);
  console.log("ok   another one takes its job, and says how far it is");

  for (const [i, recipe] of RECIPES.entries()) {
    const alone = join(folder, `alone-${recipe}`);
    await quantize(model, { recipe, output: alone, threads: 1 });
    const loaded = await loadModel(alone, { contextSize: CONTEXT, threads: 1 });
    const all = "the cat sat on the mat and the dog ran to the house; ".repeat(80);
    const { meanNllSecondHalf } = await perplexity(loaded, all, { contextSize: CONTEXT, chunks: CHUNKS });
    await loaded.dispose();
    const [name, chunks, , losses] = out.trim().split("\n")[i]!.split("\t");
    assert.deepEqual([name, chunks], [recipe, `${CHUNKS} chunks`]);
    assert.deepEqual(JSON.parse(losses!), [...meanNllSecondHalf]);
  }
  console.log("ok   losses are those of one run, to the last digit");
  console.log("3 passed, 0 failed");
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
