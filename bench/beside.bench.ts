/**
 * Prefill and decode beside other programs: a model with one thread and with more, while busy processes want
 * the same cores.
 *
 *     npm run bench:beside -- FOLDER [--beside 0,1,2] [--threads 1,2] [--repetitions 5] [--poll 50]
 *     npm run bench:beside -- FOLDER --package ../fptq-before --package .
 *
 * All ways to run it are loaded at once and take turns, so each sees the same minute. Printed are tokens a
 * second over all turns, lowest and highest turn, and the ratio to one thread of the same package. Busy
 * processes compute without end and without memory. Packages are built checkouts; by default this one.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { cpus } from "node:os";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type * as fptq from "../src/index.ts";

const PROMPT_TOKENS = 512;
const DECODED_TOKENS = 128;
/** Tokens before a decode. */
const DEPTH = 16;
/** Time until the scheduler has found a place for new processes, and wasm is compiled anew by nobody. */
const SETTLE_MS = 500;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    beside: { type: "string", default: "0,1,2" },
    threads: { type: "string", default: "1,2" },
    repetitions: { type: "string", default: "5" },
    poll: { type: "string", default: "50" },
    package: { type: "string", multiple: true, default: ["."] },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("usage: npm run bench:beside -- FOLDER [--beside 0,1,2] [--threads 1,2]");
const numbers = (list: string) => list.split(",").map(Number);

/** A way to run the model, and what it reached. */
class Way {
  readonly name: string;
  readonly threads: number;
  readonly model: fptq.LanguageModel;
  readonly prefill = new Speed(PROMPT_TOKENS);
  readonly decode = new Speed(DECODED_TOKENS);
  readonly #ids: readonly number[];

  constructor(name: string, threads: number, model: fptq.LanguageModel) {
    this.name = name;
    this.threads = threads;
    this.model = model;
    this.#ids = Array.from({ length: PROMPT_TOKENS }, (_, i) => (i * 7919) % model.forwardPass.config.vocabSize);
  }

  async takeTurn(counts: boolean): Promise<void> {
    const pass = this.model.forwardPass;
    pass.truncate(0);
    const prefill = await millisecondsOf(() => pass.forward(this.#ids, { logits: "last" }));
    pass.truncate(DEPTH);
    const decode = await millisecondsOf(async () => {
      for (const id of this.#ids.slice(0, DECODED_TOKENS)) await pass.forward([id], { logits: "last", read: () => {} });
    });
    if (!counts) return;
    this.prefill.add(prefill);
    this.decode.add(decode);
  }
}

class Speed {
  readonly #tokens: number;
  readonly #turns: number[] = [];

  constructor(tokens: number) {
    this.#tokens = tokens;
  }

  add(milliseconds: number): void {
    this.#turns.push(milliseconds);
  }

  /** Tokens a second over all turns. */
  get mean(): number {
    return (1000 * this.#tokens * this.#turns.length) / this.#turns.reduce((sum, turn) => sum + turn, 0);
  }

  text(one: Speed | undefined): string {
    const of = (milliseconds: number) => ((1000 * this.#tokens) / milliseconds).toFixed(0);
    const ratio = one && one !== this ? `, ${(this.mean / one.mean).toFixed(2)} x` : "";
    return `${this.mean.toFixed(0)} (${of(Math.max(...this.#turns))} to ${of(Math.min(...this.#turns))})${ratio}`;
  }

  clear(): void {
    this.#turns.length = 0;
  }
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));
const busyProcess = () => spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" });

const ways: Way[] = [];
for (const name of values.package) {
  const library = (await import(pathToFileURL(resolve(name, "dist/index.js")).href)) as typeof fptq;
  for (const threads of numbers(values.threads)) {
    const options = { threads, contextSize: PROMPT_TOKENS + DECODED_TOKENS };
    // A package from before it had `poll` refuses it.
    const poll = values.poll === "50" ? {} : { poll: Number(values.poll) };
    const onWarning = (message: string) => console.error(`${name}, threads: ${threads}: ${message}`);
    ways.push(new Way(name, threads, await library.loadModel(folder, { ...options, ...poll, onWarning })));
  }
}
console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, ${ways[0]!.model.forwardPass.kernelBuild}`);
for (const beside of numbers(values.beside)) {
  const busy: ChildProcess[] = Array.from({ length: beside }, busyProcess);
  try {
    await sleep(SETTLE_MS);
    for (let turn = -1; turn < Number(values.repetitions); turn++) for (const way of ways) await way.takeTurn(turn >= 0);
  } finally {
    for (const neighbour of busy) neighbour.kill("SIGKILL");
  }
  for (const way of ways) {
    const one = ways.find(({ name, threads }) => name === way.name && threads === 1);
    const what = `beside ${beside}, ${way.name}, threads: ${way.threads}`;
    console.log(`${what.padEnd(44)} prefill ${way.prefill.text(one?.prefill).padEnd(32)} decode ${way.decode.text(one?.decode)}`);
  }
  for (const { prefill, decode } of ways) for (const speed of [prefill, decode]) speed.clear();
}
for (const { model } of ways) await model.dispose();
