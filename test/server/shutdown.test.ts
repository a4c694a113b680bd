/** The end of a server: what is running may end, what takes too long is told, nobody new is let in. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tinyModel } from "../tiny-model.ts";
import { clientOf, loadTiny, SEED } from "./serving.ts";

const test = suite(`the end of a server (seed ${SEED})`);
const model = await loadTiny();
test.after(() => model.dispose());

const body = (max_tokens: number) => ({ prompt: "the cat", max_tokens, ignore_eos: true, temperature: 0 });
const isFree = () => assert.is(model.forwardPass.cacheTokens.free, model.forwardPass.cacheTokens.total);

test("what is running comes to its end, and nobody new is let in", async () => {
  const ending = new AbortController();
  const server = clientOf(model, { shutdown: { signal: ending.signal, cut: new AbortController().signal } });
  assert.is((await server.get("/health")).status, 200);
  const running = server.post("/v1/completions", body(20));
  setTimeout(() => ending.abort(), 0);
  const { status, json } = await running;
  assert.is(status, 200);
  assert.is(json.usage.completion_tokens, 20);
  const late = await server.post("/v1/completions", body(1));
  assert.is(late.status, 503);
  assert.is(late.json.error.code, "shutting_down");
  assert.is(late.headers.get("retry-after"), "5");
  const health = await server.get("/health");
  assert.equal([health.status, health.json.status], [503, "shutting down"]);
});

test("what takes too long is cut off: streams hear of it, others are told to try again", async () => {
  const ending = new AbortController();
  const server = clientOf(model, { parallel: 2, shutdown: { signal: ending.signal, cut: ending.signal } });
  const streaming = server.post("/v1/completions", { ...body(200), stream: true });
  const others = [server.post("/v1/completions", body(200)), server.post("/v1/completions", body(200))];
  setTimeout(() => ending.abort(), 30);
  for (const { status, json } of await Promise.all(others)) {
    assert.is(status, 503);
    assert.is(json.error.code, "shutting_down");
  }
  const events = (await streaming).text.trim().split("\n\n");
  assert.is(events.at(-1), "data: [DONE]");
  assert.is(JSON.parse(events.at(-2)!.slice("data: ".length)).error.code, "shutting_down");
  assert.ok(events.length < 200, `${events.length} events`);
  isFree();
});

test("a client that leaves its stream leaves nothing running", async () => {
  const server = clientOf(model);
  const leaving = new AbortController();
  const streaming = server.post("/v1/completions", { ...body(200), stream: true }, { signal: leaving.signal });
  setTimeout(() => leaving.abort(), 30);
  await streaming.catch(() => {});
  isFree();
});

test("the process: SIGTERM in the middle of an answer lets it end, and the exit is clean", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fptq-serve-"));
  for (const [name, { bytes }] of tinyModel(SEED).files) writeFileSync(join(folder, name), bytes);
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const words = ["--import", "tsx", "src/cli/main.ts", "serve", "-m", folder, "--port", "0", "-t", "1"];
  const server = spawn(process.execPath, words, { cwd: root });
  try {
    let log = "";
    const origin = await new Promise<string>((resolve, reject) => {
      server.stderr.on("data", (data) => {
        log += String(data);
        const [, address] = /(http:\/\/127\.0\.0\.1:\d+)\//.exec(log) ?? [];
        if (address) resolve(address);
      });
      server.once("exit", () => reject(new Error(log)));
    });
    const headers = { "Content-Type": "application/json" };
    const ask = (tokens: number) =>
      fetch(`${origin}/v1/completions`, { method: "POST", headers, body: JSON.stringify({ ...body(tokens), stream: true }) });
    const { body: stream } = await ask(100);
    const reader = stream!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value!;
    const exit = new Promise<number | null>((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    for (let read = await reader.read(); !read.done; read = await reader.read()) text += read.value;
    assert.match(text, /"finish_reason":"length"/);
    assert.match(text, /data: \[DONE\]\n\n$/);
    assert.is(await exit, 0, log);
  } finally {
    server.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
});

test.run();
