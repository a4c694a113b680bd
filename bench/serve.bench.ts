/**
 * A server under load, by a client of its own. Needs `npm run build` before.
 *
 *     npm run bench:serve -- [--model FOLDER|GGUF] [--clients 1,8,32,64] [--requests 4] [--tokens 32]
 *                            [--threads 1] [--churn SECONDS] [--prefix 1000] [--overhead ROUNDS]
 *                            [--schemas ANSWERS] [--shares] [--peer GGUF] [-o json] [--write-docs]
 *
 * Each number of clients has a server that answers as many at a time; eight also have one that answers one
 * at a time. `--requests` is for each client. `--churn` lets 64 clients come for so many seconds, of which
 * some are slow and some leave, and ends with 1 if an answer is lost, stuck or not the model's own.
 * `--prefix` is the number of tokens that prompts share where their first token is timed; 0 for none.
 * `--overhead` has the library and the server say the same text in turn, in one process. `--schemas` asks for
 * so many answers over 20 schemas, and ends with 1 if one is not as it should be. `--shares` times what eight
 * clients have in common, and says how many tokens they can have at most. `--peer` puts the same load
 * before llama.cpp's engine, which `npx tsx bench/peers/install.ts` installs; a GGUF of the same model.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadModel } from "../src/index.ts";
import { measureChurn } from "./serve/churn.ts";
import { type LoadFigures, measureLoad } from "./serve/load.ts";
import { measurePrefix } from "./serve/prefix.ts";
import { measureOverhead } from "./serve/overhead.ts";
import { type Figures, loadTable, type PeerFigures, section, sentences, withSection } from "./serve/report.ts";
import { requestsOf } from "./serve/requests.ts";
import { measureSchemas } from "./serve/schemas.ts";
import { measureShares } from "./serve/shares.ts";
import { type ServerProcess, startPeer, startServer } from "./serve/server-process.ts";
import { needing } from "../src/need.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const need = needing(RangeError);
const CHURN_CLIENTS = 64;
const CHURN_PROMPTS = 24;
/** Answered at a time where clients come and go; the others wait. */
const CHURN_PARALLEL = 16;
/** Tokens of an answer that is said by the library and the server. */
const OVERHEAD_TOKENS = 64;
const SCHEMA_CONTEXT = 1024;
const PROMPTS = { shortest: 50, longest: 500, seed: 5 };

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: `${root}models/smollm2-135m-instruct-w4a8` },
    clients: { type: "string", default: "1,8,32,64" },
    requests: { type: "string", default: "4" },
    tokens: { type: "string", default: "32" },
    threads: { type: "string", default: "1" },
    churn: { type: "string", default: "0" },
    prefix: { type: "string", default: "1000" },
    overhead: { type: "string", default: "0" },
    schemas: { type: "string", default: "0" },
    shares: { type: "boolean", default: false },
    peer: { type: "string" },
    output: { type: "string", short: "o", default: "table" },
    "write-docs": { type: "boolean", default: false },
  },
});
const whole = (name: string, text: string, least: number) => need.whole(`--${name}`, Number(text), least);
const output = need.oneOf("--output", flags.output, ["table", "json"]);
const [requests, tokens, threads] = (["requests", "tokens", "threads"] as const).map((name) => whole(name, flags[name], 1)) as [number, number, number]; // prettier-ignore
const [churnSeconds, prefixTokens, rounds, answers] = (["churn", "prefix", "overhead", "schemas"] as const).map((name) => whole(name, flags[name], 0)) as [number, number, number, number]; // prettier-ignore
const levels = flags.clients.split(",").filter((text) => text !== "").map((text) => whole("clients", text, 1)); // prettier-ignore
const say = (text: string) => console.error(text);

const pages = readdirSync(`${root}docs`).filter((name) => name.endsWith(".md"));
const text = pages.map((name) => readFileSync(`${root}docs/${name}`, "utf8")).join("\n").slice(0, 200_000); // prettier-ignore
const context = PROMPTS.longest + tokens + 1;
await using model = await loadModel(flags.model, { threads, contextSize: context, cacheTokens: 8 * context });
const ids = model.tokenizer.encode(text, { addSpecialTokens: false });
const serve = (parallel: number, size = context) => startServer(flags.model, ["-t", `${threads}`, "--np", `${parallel}`, "-c", `${size}`]); // prettier-ignore

/** Each number of clients with as many answers at a time; eight also one at a time. */
const pairs = levels.flatMap((n): [number, number][] => (n === 8 ? [[n, 1], [n, n]] : [[n, n]])); // prettier-ignore

const load = await loadOf((parallel) => serve(parallel));

const figures: { -readonly [Key in keyof Figures]: Figures[Key] } = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus()[0]!.model}, ${cpus().length} hardware threads, Node ${process.versions.node}`,
  model: basename(flags.model),
  command: `npm run bench:serve -- --clients ${flags.clients} --requests ${requests} --tokens ${tokens} --threads ${threads} --churn ${churnSeconds} --prefix ${prefixTokens} --overhead ${rounds} --schemas ${answers}${flags.shares ? " --shares" : ""}${flags.peer === undefined ? "" : ` --peer ${basename(flags.peer)}`}`,
  threads,
  load,
};
if (flags.shares) figures.shares = await measureShares(model, (PROMPTS.shortest + PROMPTS.longest) / 2, tokens);
if (flags.peer !== undefined) figures.peer = await peerFigures(flags.peer);
if (prefixTokens > 0)
  figures.prefix = await withServer(serve(1, prefixTokens + 64), ({ origin }) => measurePrefix(origin, ids, prefixTokens));
if (rounds > 0)
  figures.overhead = await measureOverhead(
    model,
    requestsOf(ids, { count: 1, tokens: OVERHEAD_TOKENS, shortest: 16, longest: 16, seed: 1 })[0]!,
    rounds,
  );
if (answers > 0) figures.schemas = await withServer(serve(4, SCHEMA_CONTEXT), ({ origin }) => measureSchemas(origin, answers));
if (churnSeconds > 0) figures.churn = await churnFigures();

if (output === "json") console.log(JSON.stringify(figures, null, 2));
else {
  if (load.length > 0) console.log(loadTable(load));
  for (const sentence of sentences(figures)) console.log(sentence);
}
for (const reason of figures.churn?.lost ?? []) say(`lost: ${reason}`);
for (const reason of figures.schemas?.wrong ?? []) say(`wrong: ${reason}`);
if (figures.schemas && figures.schemas.wrong.length > 0) process.exitCode = 1;
if (figures.churn && (figures.churn.different > 0 || figures.churn.lost.length > 0 || figures.churn.stuck > 0))
  process.exitCode = 1;
if (flags["write-docs"]) {
  const page = `${root}docs/serving.md`;
  writeFileSync(page, withSection(readFileSync(page, "utf8"), section(figures)));
  say("wrote docs/serving.md");
}

async function withServer<T>(starting: Promise<ServerProcess>, measure: (server: ServerProcess) => Promise<T>): Promise<T> {
  const server = await starting;
  try {
    return await measure(server);
  } finally {
    await server.stop();
  }
}

async function loadOf(startWith: (parallel: number) => Promise<ServerProcess>): Promise<LoadFigures[]> {
  const found: LoadFigures[] = [];
  for (const [clients, parallel] of pairs) {
    const row = await withServer(startWith(parallel), async ({ origin }) => {
      // What is compiled on first use is compiled before the clock runs.
      await measureLoad(origin, requestsOf(ids, { count: 1, tokens: 2, ...PROMPTS, seed: 1 }), { clients: 1, parallel });
      const asked = requestsOf(ids, { count: clients * requests, tokens, ...PROMPTS, seed: PROMPTS.seed + clients });
      return measureLoad(origin, asked, { clients, parallel });
    });
    found.push(row);
    say(loadTable([row]).split("\n").at(-1)!);
  }
  return found;
}

async function peerFigures(gguf: string): Promise<PeerFigures> {
  let engine = "";
  const found = await loadOf(async (parallel) => {
    const server = await startPeer(gguf, threads, parallel, context);
    engine = /llama\.cpp \S+/.exec(server.said)![0];
    return server;
  });
  return { engine, model: basename(gguf), load: found };
}

async function churnFigures() {
  const asked = requestsOf(ids, { count: CHURN_PROMPTS, tokens, ...PROMPTS });
  const expected: string[] = [];
  for (const { prompt, max_tokens: maxTokens, seed, temperature } of asked) {
    expected.push((await model.generate(prompt, { maxTokens, seed, temperature, ignoreEos: true }).result).text);
  }
  return withServer(serve(CHURN_PARALLEL), ({ origin, rss }) =>
    measureChurn(origin, { requests: asked, expected, clients: CHURN_CLIENTS, seconds: churnSeconds, rss }),
  );
}
