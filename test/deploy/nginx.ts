/**
 * Three servers behind nginx as `deploy/nginx/fptq.conf` has it, one of them killed under load: nothing is
 * lost but its own streams. Needs nginx, and `npm run build` before.
 *
 *     npm run test:nginx
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startServer } from "../../bench/serve/server-process.ts";
import { tinyModel } from "../tiny-model.ts";
import { freePort } from "./free-port.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const SERVERS = 3;
const CLIENTS = 12;
/** An answer takes long enough to be killed in the middle. */
const LAYERS = 24;
const TOKENS = 120;
const folder = mkdtempSync(join(tmpdir(), "fptq-nginx-"));
const endings: (() => unknown)[] = [];

/** Runs nginx until it is killed; resolves when it hands requests on. */
async function startNginx(words: readonly string[], origin: string): Promise<ChildProcess> {
  const child = spawn("nginx", words, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.on("error", (error) => (log += String(error)));
  child.stderr.on("data", (data) => (log += String(data)));
  for (let i = 0; child.exitCode === null && i < 600; i++) {
    if (await fetch(`${origin}/health`).then(({ ok }) => ok, () => false)) return child; // prettier-ignore
    await sleep(100);
  }
  child.kill("SIGKILL");
  throw new Error(`nginx does not listen: ${log}`);
}

interface Outcome {
  readonly by: string;
  readonly text: string;
  /** Whether its stream came to its end. */
  readonly whole: boolean;
}

interface Asking {
  readonly headers?: Record<string, string>;
  /** Called behind each piece of the answer with who answers, and all that came. */
  readonly onPiece?: (by: string, stream: string) => void;
}

async function ask(origin: string, prompt: string, { headers = {}, onPiece }: Asking = {}): Promise<Outcome> {
  const response = await fetch(`${origin}/v1/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify({ prompt, max_tokens: TOKENS, temperature: 0, ignore_eos: true, stream: true }),
  });
  const by = response.headers.get("x-served-by") ?? "";
  let stream = "";
  try {
    for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
      stream += new TextDecoder().decode(bytes);
      onPiece?.(by, stream);
    }
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
  for (const [name, { bytes }] of tinyModel(91, { config: { layers: LAYERS } }).files) writeFileSync(join(model, name), bytes);
  const servers = await Promise.all(
    Array.from({ length: SERVERS }, async () => {
      const server = await startServer(model, ["-t", "1", "--np", "8"]);
      endings.push(server.kill);
      return server;
    }),
  );
  const addresses = servers.map(({ origin }) => new URL(origin).host);

  const port = await freePort();
  let next = 0;
  const site = readFileSync(`${root}deploy/nginx/fptq.conf`, "utf8")
    .replaceAll(/server fptq-\d\.fptq:8080/g, () => `server ${addresses[next++]}`)
    .replace("listen 8000;", `listen 127.0.0.1:${port};`);
  assert.equal(next, SERVERS);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  const own = `daemon off; pid ${folder}/pid; error_log ${folder}/log; events {} http { access_log off; ${temporary.join(" ")}\n${site}}`;
  writeFileSync(`${folder}/nginx.conf`, own);
  const origin = `http://127.0.0.1:${port}`;
  const nginx = await startNginx(["-c", `${folder}/nginx.conf`, "-e", `${folder}/log`], origin);
  endings.push(() => nginx.kill("SIGTERM"));

  const prompts = Array.from({ length: CLIENTS }, (_, i) => `${i} the cat sat on the mat`);
  const alone = new Map<string, string>();
  for (const prompt of prompts) alone.set(prompt, (await ask(servers[0]!.origin, prompt)).text);

  const first = await Promise.all(prompts.map((prompt) => ask(origin, prompt)));
  const again = await Promise.all(prompts.map((prompt) => ask(origin, prompt)));
  assert.deepEqual(again.map(({ by }) => by), first.map(({ by }) => by), "the same beginning, the same server"); // prettier-ignore
  assert.ok(new Set(first.map(({ by }) => by)).size > 1, "beginnings go to several servers");
  const named = await Promise.all(prompts.map((prompt) => ask(origin, prompt, { headers: { "X-Prompt-Cache-Key": "one" } })));
  assert.equal(new Set(named.map(({ by }) => by)).size, 1, "a key goes to one server");
  console.log("ok   requests that begin alike, or have one key, go to one server");

  // Where servers listen decides whose share is whose: the one with the largest is killed.
  const share = (address: string) => first.filter(({ by }) => by === address).length;
  const victim = addresses.toSorted((a, b) => share(b) - share(a))[0]!;
  const outcomes: Outcome[] = [];
  const killed: string[] = [];
  const kill = (by: string, stream: string) => {
    // When others have been given, and far from the end: where this process lags, all of it may be sent.
    if (killed.length > 0 || by !== victim || outcomes.length < CLIENTS || stream.split("\n\n").length > TOKENS / 4) return;
    killed.push(victim);
    servers[addresses.indexOf(victim)]!.kill();
  };
  const load = prompts.map(async (prompt) => {
    for (let i = 0; i < 3 || (killed.length === 0 && i < 10); i++) {
      const outcome = await ask(origin, prompt, { onPiece: kill });
      outcomes.push(outcome);
      if (outcome.whole) assert.equal(outcome.text, alone.get(prompt));
    }
  });
  await Promise.all(load);
  const broken = outcomes.filter(({ whole }) => !whole);
  assert.ok(killed.length > 0 && broken.length > 0, `${killed.length} killed, need one in the middle of an answer`);
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
  for (const end of endings) end();
  rmSync(folder, { recursive: true, force: true });
}
