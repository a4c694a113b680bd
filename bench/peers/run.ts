/**
 * This package beside other engines: one model, one prompt, the same token counts and threads, repetitions in
 * turn.
 *
 *     npm run bench:peers -- [--quick] [--model FILE.gguf] [--repetitions 5] [--threads 1,2] [--depth 4096]
 *                            [--only NAME] [--calibration FILE] [--samples 32] [--quantized FOLDER]
 *                            [--output docs]
 *
 * Every engine stays loaded while all are measured, one call after another, so that a busy moment of the
 * machine meets all alike. An engine that fails stays in the tables with its reason. Writes benchmarks.md,
 * benchmarks.svg and benchmarks.json.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadModel, quantize } from "../../src/index.ts";
import { LAYERS } from "../shapes.ts";
import { Chromium } from "./chromium.ts";
import { matMulNBits } from "./matmul-nbits.ts";
import { promptOf } from "./prompt.ts";
import { writeQ4_0 } from "./q4-0.ts";
import type { Measurements } from "./measurements.ts";
import { writeReport } from "./report.ts";
import { ChildSession, type Prompt, type Session } from "./session.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    model: { type: "string", default: path("../../../shared/models/SmolLM2-135M-Instruct.Q4_1.gguf") },
    text: { type: "string", default: path("../../../shared/data/wiki.test.txt") },
    calibration: { type: "string", default: path("../../../shared/data/wiki.valid.txt") },
    samples: { type: "string", default: "32" },
    quantized: { type: "string" },
    repetitions: { type: "string" },
    threads: { type: "string", default: "1,2" },
    depth: { type: "string" },
    only: { type: "string", multiple: true },
    output: { type: "string", default: path("../../docs") },
  },
});
const repetitions = Number(flags.repetitions ?? (flags.quick ? 2 : 5));
const depth = Number(flags.depth ?? (flags.quick ? 512 : 4096));
const PROMPT_TOKENS = 512;
const DECODED_TOKENS = flags.quick ? 16 : 64;
const LAYER = LAYERS.find(({ name }) => name === "llama-3.2-1b/down")!;

/** The npm package `node`: a current one, whatever runs this. */
const CURRENT_NODE = path("node_modules/node/bin/node");
function nodeVersion(node: string): string {
  try {
    return execFileSync(node, ["--version"], { encoding: "utf8" }).trim().slice(1).split(".")[0]!;
  } catch {
    return "current"; // the row says why it fails
  }
}

interface Engine {
  readonly name: string;
  readonly model: "w4a8" | "q4_0";
  open(): Promise<Session>;
}

interface Test {
  readonly name: string;
  readonly tokens: number;
  run(session: Session): Promise<{ ms: number }>;
}

const say = (text: string) => console.error(text);
const temporary = mkdtempSync(join(tmpdir(), "fptq-peers-"));
let browser: Chromium | undefined;
try {
  const began = performance.now();
  const gguf = join(temporary, "model.Q4_0.gguf");
  await writeQ4_0(flags.model, gguf);
  const quantized = flags.quantized ?? join(temporary, "w4a8");
  if (!existsSync(quantized)) {
    say("quantizing");
    const calibration = { kind: "text", name: "calibration", text: readFileSync(flags.calibration, "utf8") } as const;
    await quantize(flags.model, { output: quantized, calibration, samples: Number(flags.samples) });
  }
  const layerFile = join(temporary, "layer.onnx");
  writeFileSync(layerFile, matMulNBits(LAYER));

  const browserReady = await Chromium.launch({ "/model.gguf": gguf, "/layer.onnx": layerFile }).catch((error: Error) => error);
  if (browserReady instanceof Chromium) browser = browserReady;
  const openPage = (script: string, engine: string) => {
    if (browserReady instanceof Error) throw browserReady;
    return browserReady.open(script, engine);
  };
  const child = (node: string, script: string) => Promise.resolve(new ChildSession(node, path(script)));
  const nodes = [CURRENT_NODE, process.execPath];
  // Row names; the first is what the others are set against.
  const wanted = ({ name }: { name: string }) => !flags.only || flags.only.some((word) => name.includes(word));

  const engines: Engine[] = [
    ...nodes.map((node) => ({
      name: `fptq, Node ${nodeVersion(node)}`,
      model: "w4a8" as const,
      open: () => child(node, "fptq-engine.mjs"),
    })),
    { name: "llama.cpp native", model: "q4_0" as const, open: () => child(CURRENT_NODE, "llama-cpp-engine.mjs") },
    { name: "wllama 2.3.1", model: "q4_0" as const, open: async () => openPage("wllama-page.mjs", "wllama-2") },
    { name: "wllama 3.8.1", model: "q4_0" as const, open: async () => openPage("wllama-page.mjs", "wllama-3") },
  ].filter(wanted);
  const layerEngines = [
    ...nodes.map((node) => ({ name: `fptq, Node ${nodeVersion(node)}`, open: () => child(node, "fptq-engine.mjs") })),
    { name: "onnxruntime-node", open: () => child(CURRENT_NODE, "onnxruntime-engine.mjs") },
    { name: "onnxruntime-web", open: async () => openPage("onnxruntime-page.mjs", "") },
  ].filter(wanted);

  await using tokenizerModel = await loadModel(quantized, { threads: 1, contextSize: 16 });
  const text = readFileSync(flags.text, "utf8");
  const prompt = (tokens: number): Prompt => promptOf(tokenizerModel.tokenizer, text, tokens);
  const [short, long, deep] = [prompt(1), prompt(PROMPT_TOKENS), prompt(depth)];
  const decode = (at: Prompt) => (session: Session) =>
    session.call<{ ms: number }>("decode", { prompt: at, tokens: DECODED_TOKENS });
  // The deep tests come last: they keep the cache that the others empty.
  const rounds: Test[][] = [
    [
      { name: `prefill ${PROMPT_TOKENS}`, tokens: PROMPT_TOKENS, run: (session) => session.call("prefill", { prompt: long }) },
      { name: `decode ${DECODED_TOKENS}`, tokens: DECODED_TOKENS, run: decode(short) },
    ],
    [{ name: `decode ${DECODED_TOKENS} at ${depth}`, tokens: DECODED_TOKENS, run: decode(deep) }],
  ];

  const layerTests: Test[] = [LAYER.M, 1].map((rows) => ({
    name: rows === 1 ? "1 row" : `${rows} rows`,
    tokens: rows,
    run: (session) => session.call("runLayer", { rows, runs: rows === 1 ? 20 : 3 }),
  }));

  const measurements: Measurements = {
    date: new Date().toISOString().slice(0, 10),
    machine: { cpu: cpus()[0]?.model ?? "unknown", threads: cpus().length, memory: totalmem() },
    quick: flags.quick,
    repetitions,
    browser: browser?.version ?? "",
    tests: rounds.flat().map(({ name, tokens }) => ({ name, tokens })),
    layer: LAYER,
    layerTests: layerTests.map(({ name, tokens }) => ({ name, tokens })),
    models: [],
    layers: [],
    minutes: 0,
  };

  for (const threads of flags.threads.split(",").map(Number)) {
    const contextSize = Math.max(depth, PROMPT_TOKENS) + DECODED_TOKENS + 16;
    const load = (engine: Engine, session: Session) =>
      session.call<Loaded>("load", { model: engine.model === "w4a8" ? quantized : gguf, threads, contextSize });
    for (const result of await measureInTurn(engines, load, rounds)) measurements.models.push({ threads, ...result });

    const loadLayer = (_: object, session: Session) =>
      session.call<Loaded>("loadLayer", { ...LAYER, model: layerFile, rows: LAYER.M, threads });
    for (const result of await measureInTurn(layerEngines, loadLayer, [layerTests]))
      measurements.layers.push({ threads, ...result });
  }
  measurements.minutes = (performance.now() - began) / 60_000;
  writeReport(flags.output, measurements);
  say(`${measurements.minutes.toFixed(1)} minutes; wrote ${flags.output}/benchmarks.md, .svg and .json`);
} finally {
  await browser?.close();
  rmSync(temporary, { recursive: true, force: true });
}

interface Loaded {
  readonly version?: string;
  readonly details?: string;
}

/**
 * All engines loaded at once; each repetition of a test calls one after another. What fails is not called
 * again.
 */
async function measureInTurn<E extends { name: string; open(): Promise<Session> }>(
  candidates: readonly E[],
  load: (engine: E, session: Session) => Promise<Loaded>,
  testRounds: readonly (readonly Test[])[],
) {
  const running = [];
  for (const engine of candidates) {
    const result = { name: engine.name, version: "", details: "", samplesMs: {} as Record<string, number[]>, failure: "" };
    let session: Session | undefined;
    try {
      session = await engine.open();
      const { version = "", details = "" } = await load(engine, session);
      Object.assign(result, { version, details });
    } catch (error) {
      result.failure = (error as Error).message;
    }
    say(`${engine.name}: ${result.failure ? `failed: ${result.failure}` : `${result.version} ${result.details}`}`);
    running.push({ session, result });
  }
  for (const tests of testRounds) {
    for (let repetition = -1; repetition < repetitions; repetition++) {
      for (const test of tests) {
        for (const { session, result } of running) {
          if (!session || result.failure) continue;
          try {
            const { ms } = await test.run(session);
            // The first call is a warm-up.
            if (repetition >= 0) (result.samplesMs[test.name] ??= []).push(ms);
            say(
              `  ${test.name}, ${result.name}: ${((1000 * test.tokens) / ms).toFixed(1)} tokens/s${repetition < 0 ? " (warm-up)" : ""}`,
            );
          } catch (error) {
            result.failure = `${test.name}: ${(error as Error).message}`;
            say(`  ${result.name} failed: ${result.failure}`);
          }
        }
      }
    }
  }
  for (const { session } of running) await session?.close().catch(() => {});
  return running.map(({ result }) => result);
}
