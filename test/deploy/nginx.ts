/**
 * Three servers behind nginx as `deploy/nginx/fptq.conf` has it, one of them killed under load: nothing is
 * lost but its own streams. Needs nginx, and `npm run build` before.
 *
 *     npm run test:nginx
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { tinyModel } from "../tiny-model.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const SERVERS = 3;
const CLIENTS = 12;
const folder = mkdtempSync(join(tmpdir(), "fptq-nginx-"));
const children: ChildProcess[] = [];

const freePort = () =>
  new Promise<number>((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });

/** Runs until it is killed; resolves when it listens. */
async function start(command: string, words: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn(command, words, { stdio: ["ignore", "ignore", "pipe"] });
  children.push(child);
  let log = "";
  child.stderr!.on("data", (data) => (log += String(data)));
  for (let i = 0; child.exitCode === null && i < 600; i++) {
    if (await fetch(`http://127.0.0.1:${port}/health`).then(({ ok }) => ok, () => false)) return child; // prettier-ignore
    await sleep(100);
  }
  throw new Error(`${command} does not listen: ${log}`);
}

interface Outcome {
  readonly by: string;
  readonly text: string;
  /** Whether its stream came to its end. */
  readonly whole: boolean;
}

async function ask(origin: string, prompt: string, headers: Record<string, string> = {}): Promise<Outcome> {
  const response = await fetch(`${origin}/v1/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify({ prompt, max_tokens: 60, temperature: 0, ignore_eos: true, stream: true }),
  });
  const by = response.headers.get("x-served-by") ?? "";
  let stream = "";
  try {
    for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) stream += new TextDecoder().decode(bytes);
  } catch {
    return { by, text: "", whole: false };
  }
  const events = stream.split("\n\n").filter((event) => event.startsWith("data: {"));
  const chunks = events.map((event) => JSON.parse(event.slice(6)) as { choices?: { text: string }[] });
  const text = chunks.map(({ choices }) => choices?.[0]?.text ?? "").join("");
  return { by, text, whole: response.ok && stream.endsWith("data: [DONE]\n\n") };
}

try {
  const model = join(folder, "model");
  mkdirSync(model);
  for (const [name, { bytes }] of tinyModel(91).files) writeFileSync(join(model, name), bytes);
  const ports = await Promise.all(Array.from({ length: SERVERS }, freePort));
  const words = (port: number) => [`${root}dist/cli/main.js`, "serve", "-m", model, "-t", "1", "--np", "8", "--port", `${port}`];
  const servers = await Promise.all(ports.map((port) => start(process.execPath, words(port), port)));

  const port = await freePort();
  let next = 0;
  const site = readFileSync(`${root}deploy/nginx/fptq.conf`, "utf8")
    .replaceAll(/server fptq-\d\.fptq:8080/g, () => `server 127.0.0.1:${ports[next++]}`)
    .replace("listen 8000;", `listen 127.0.0.1:${port};`);
  assert.equal(next, SERVERS);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  const own = `daemon off; pid ${folder}/pid; error_log ${folder}/log; events {} http { access_log off; ${temporary.join(" ")}\n${site}}`;
  writeFileSync(`${folder}/nginx.conf`, own);
  const origin = `http://127.0.0.1:${port}`;
  await start("nginx", ["-c", `${folder}/nginx.conf`, "-e", `${folder}/log`], port);

  const prompts = Array.from({ length: CLIENTS }, (_, i) => `${i} the cat sat on the mat`);
  const alone = new Map<string, string>();
  for (const prompt of prompts) alone.set(prompt, (await ask(`http://127.0.0.1:${ports[0]}`, prompt)).text);

  const first = await Promise.all(prompts.map((prompt) => ask(origin, prompt)));
  const again = await Promise.all(prompts.map((prompt) => ask(origin, prompt)));
  assert.deepEqual(again.map(({ by }) => by), first.map(({ by }) => by), "the same beginning, the same server"); // prettier-ignore
  assert.ok(new Set(first.map(({ by }) => by)).size > 1, "beginnings go to several servers");
  const named = await Promise.all(prompts.map((prompt) => ask(origin, prompt, { "X-Prompt-Cache-Key": "one" })));
  assert.equal(new Set(named.map(({ by }) => by)).size, 1, "a key goes to one server");
  console.log("ok   requests that begin alike, or have one key, go to one server");

  const victim = `127.0.0.1:${ports[1]}`;
  const outcomes: Outcome[] = [];
  const load = prompts.map(async (prompt) => {
    for (let i = 0; i < 3; i++) {
      const outcome = await ask(origin, prompt);
      // In the middle of the others' answers.
      if (outcomes.push(outcome) === CLIENTS) servers[1]!.kill("SIGKILL");
      if (outcome.whole) assert.equal(outcome.text, alone.get(prompt));
    }
  });
  await Promise.all(load);
  const broken = outcomes.filter(({ whole }) => !whole);
  // Behind one that failed nginx names both: "a, b".
  assert.deepEqual(broken.filter(({ by }) => by !== victim), [], "only streams of the server that was killed break"); // prettier-ignore
  assert.ok(broken.length <= CLIENTS, `${broken.length} streams broke`);
  console.log(`ok   ${outcomes.length} answers, ${broken.length} streams broken, all of them of the server that was killed`);

  const after = await Promise.all(prompts.map((prompt) => ask(origin, prompt)));
  assert.ok(
    after.every(({ whole, by }, i) => whole && by.split(", ").at(-1) !== victim && after[i]!.text === alone.get(prompts[i]!)),
  );
  console.log("ok   the others answer for it");
  console.log("3 passed, 0 failed");
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
