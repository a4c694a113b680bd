/**
 * This package beside other engines: one model, one prompt, the same token counts and threads, repetitions in
 * turn.
 *
 *     npm run bench:peers -- [--quick] [--model FILE.gguf|URL|hf:ORG/MODEL/FILE.gguf] [--repetitions 5]
 *                            [--threads 1,2] [--depth 4096] [--only NAME] [--text FILE] [--samples 32]
 *                            [--quantized FOLDER] [--data build/data] [--output build/peers | --write-docs]
 *
 * Every engine stays loaded while all are measured, one call after another, so that a busy moment of the
 * machine meets all alike. An engine that fails stays in the tables with its reason. Writes benchmarks.md,
 * benchmarks.svg and benchmarks.json; over the project's own with --write-docs.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadModel, quantize } from "../../src/index.ts";
import { LAYERS } from "../shapes.ts";
import { Chromium } from "./chromium.ts";
import { layerEngines, modelEngines } from "./engines.ts";
import { describeMachine } from "./machine.ts";
import { matMulNBits } from "./matmul-nbits.ts";
import { type Loaded, measureInTurn, type Test } from "./measure.ts";
import { readSettings, type Settings } from "./options.ts";
import { promptOf } from "./prompt.ts";
import { writeQ4_0 } from "./q4-0.ts";
import type { Measurements } from "./measurements.ts";
import { writeReport } from "./report.ts";
import type { Prompt, Session } from "./session.ts";

const PROMPT_TOKENS = 512;
const LAYER = LAYERS.find(({ name }) => name === "llama-3.2-1b/down")!;
const say = (text: string) => console.error(text);

let settings: Settings;
try {
  settings = readSettings(process.argv.slice(2));
} catch (error) {
  say((error as Error).message);
  process.exit(2);
}
const { quick, repetitions, depth, text } = settings;
const decodedTokens = quick ? 16 : 64;
const temporary = mkdtempSync(join(tmpdir(), "fptq-peers-"));
let pages: Chromium | Error | undefined;
try {
  const began = performance.now();
  const gguf = join(temporary, "model.Q4_0.gguf");
  const name = await writeQ4_0(settings.model, gguf);
  const quantized = settings.quantized ?? join(temporary, "w4a8");
  if (settings.quantized === undefined) {
    say("quantizing");
    const calibration = { kind: "text", name: "calibration", text } as const;
    await quantize(settings.model, { output: quantized, calibration, samples: settings.samples });
  }
  const layerFile = join(temporary, "layer.onnx");
  writeFileSync(layerFile, matMulNBits(LAYER));
  pages = await Chromium.launch({ "/model.gguf": gguf, "/layer.onnx": layerFile }).catch((error: Error) => error);
  const wanted = ({ name: row }: { name: string }) =>
    settings.only.length === 0 || settings.only.some((word) => row.includes(word));

  await using tokenizerModel = await loadModel(quantized, { threads: 1, contextSize: 16 });
  const prompt = (tokens: number): Prompt => promptOf(tokenizerModel.tokenizer, text, tokens);
  const [short, long, deep] = [prompt(1), prompt(PROMPT_TOKENS), prompt(depth)];
  const decode = (at: Prompt) => (session: Session) =>
    session.call<{ ms: number }>("decode", { prompt: at, tokens: decodedTokens });
  // The deep tests come last: they keep the cache that the others empty.
  const rounds: Test[][] = [
    [
      { name: `prefill ${PROMPT_TOKENS}`, tokens: PROMPT_TOKENS, run: (session) => session.call("prefill", { prompt: long }) },
      { name: `decode ${decodedTokens}`, tokens: decodedTokens, run: decode(short) },
    ],
    [{ name: `decode ${decodedTokens} at ${depth}`, tokens: decodedTokens, run: decode(deep) }],
  ];
  const layerTests: Test[] = [LAYER.M, 1].map((rows) => ({
    name: rows === 1 ? "1 row" : `${rows} rows`,
    tokens: rows,
    run: (session) => session.call("runLayer", { rows, runs: rows === 1 ? 20 : 3 }),
  }));

  const measurements: Measurements = {
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    model: name,
    quick,
    repetitions,
    browser: pages instanceof Chromium ? pages.version : "",
    tests: rounds.flat().map(({ name: test, tokens }) => ({ name: test, tokens })),
    layer: LAYER,
    layerTests: layerTests.map(({ name: test, tokens }) => ({ name: test, tokens })),
    models: [],
    layers: [],
    minutes: 0,
  };
  const inTurn = { repetitions, say };
  for (const threads of settings.threads) {
    const contextSize = Math.max(depth, PROMPT_TOKENS) + decodedTokens + 16;
    const models = await measureInTurn({
      ...inTurn,
      rounds,
      engines: modelEngines(pages).filter(wanted),
      load: ({ model }, session) =>
        session.call<Loaded>("load", { model: model === "w4a8" ? quantized : gguf, threads, contextSize }),
    });
    const layers = await measureInTurn({
      ...inTurn,
      rounds: [layerTests],
      engines: layerEngines(pages).filter(wanted),
      load: (_, session) => session.call<Loaded>("loadLayer", { ...LAYER, model: layerFile, rows: LAYER.M, threads }),
    });
    for (const result of models) measurements.models.push({ threads, ...result });
    for (const result of layers) measurements.layers.push({ threads, ...result });
  }
  measurements.minutes = (performance.now() - began) / 60_000;
  writeReport(settings.output, measurements);
  say(`${measurements.minutes.toFixed(1)} minutes; wrote ${settings.output}/benchmarks.md, .svg and .json`);
} finally {
  if (pages instanceof Chromium) await pages.close();
  rmSync(temporary, { recursive: true, force: true });
}
