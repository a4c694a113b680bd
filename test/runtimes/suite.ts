/**
 * What every runtime has to show, written once: it names no runtime and imports only types of the library, which its caller brings.
 * Results that must be the same everywhere are returned and compared by the caller; what a runtime can judge alone is a check.
 */
import { simd } from "wasm-feature-detect";
import type { OutputFolder } from "../../src/checkpoint/byte-source.ts";
import type { LanguageModel } from "../../src/decoding/language-model.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { mulberry32 } from "../random.ts";

/** The folders of `fixtures.ts`: two models that run and two damaged ones. */
export const FOLDERS = ["f32", "w4a8", "truncated", "mangled"] as const;
export type FolderName = (typeof FOLDERS)[number];

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What went wrong. */
  readonly detail?: string;
}

/** Plain data, sent from wherever the suite ran. */
export interface SuiteResult {
  readonly simd: boolean;
  readonly threads: number;
  /** SHA-256, as hexadecimal digits, of the little-endian bits of the logits f32[64, V]. */
  readonly logits: { readonly f32: string; readonly w4a8: string };
  /** SHA-256 of each file of tensors that quantizing the f32 model wrote; absent if that was not asked for. */
  readonly quantized: string | undefined;
  /** Tokens drawn with a seed by the W4A8 model. */
  readonly tokens: readonly number[];
  readonly text: string;
  readonly checks: readonly Check[];
}

/** The library as the runtime at hand reaches it. */
export interface Library {
  load(folder: FolderName, options: LoadOptions): Promise<LanguageModel>;
  /** Quantizes the f32 model with `RECIPE`. */
  quantize?(output: OutputFolder): Promise<unknown>;
}

/** Thresholds around the tiny model's ranges, so that static, equalized and dynamic inputs all occur. */
export const RECIPE = { groupSize: 32, v0: 6, v1: 20, samples: 4, contextSize: 64 } as const;

const POSITIONS = 64;
const SEED = 41;
const GENERATE = { temperature: 0.9, topK: 0, seed: 7, maxTokens: 48, ignoreEos: true } as const;
const PROMPT = "the cat and the dog";

export async function runSuite({ load, quantize }: Library): Promise<SuiteResult> {
  const checks: Check[] = [];
  const check = async (name: string, run: () => Promise<void>) => {
    const detail = await run().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? (error.stack ?? String(error)) : String(error)),
    );
    checks.push(detail === undefined ? { name, ok: true } : { name, ok: false, detail });
  };

  const logits = { f32: "", w4a8: "" };
  const threads = new Set<number>();
  let [tokens, text]: [readonly number[], string] = [[], ""];
  for (const name of ["f32", "w4a8"] as const) {
    const model = await load(name, {});
    threads.add(model.forwardPass.threads);
    await check(`${name}: ${POSITIONS} rows of finite logits, each its own`, async () => {
      const values = await model.logits(sequence(model));
      logits[name] = await hashOfBits(values);
      assert(values.every(Number.isFinite), "not finite");
      assert(new Set(values).size > values.length / 2, "logits repeat");
    });
    await check(`${name}: token by token gives the same bits as one chunk`, async () => {
      equal(await hashOfBits(await logitsOneByOne(model)), logits[name]);
    });
    await check(`${name}: a seed gives the same tokens again, and pieces join to the text`, async () => {
      const first = await generate(model);
      equal(first.tokens.length, GENERATE.maxTokens);
      equal(JSON.stringify(await generate(model)), JSON.stringify(first));
      ({ tokens, text } = first);
    });
    await check(`${name}: an abort ends a generation and keeps what it made`, () => abortedByConsumer(model));
    await check(`${name}: a timer that aborts gets its turn during work`, () => abortedByTimer(model));
    await check(`${name}: the model is as good as new after aborts`, async () => {
      equal(await hashOfBits(await model.logits(sequence(model))), logits[name]);
    });
    await check(`${name}: disposed, loaded again, the same bits`, async () => {
      await model.dispose();
      const again = await load(name, {});
      equal(await hashOfBits(await again.logits(sequence(again))), logits[name]);
      await again.dispose();
    });
  }
  let quantized: string | undefined;
  if (quantize) {
    await check("the quantizer writes a checkpoint", async () => {
      const output = new MemoryOutputFolder("quantized");
      await quantize(output);
      const shards = [...output.result.files].filter(([name]) => name.endsWith(".safetensors"));
      assert(shards.length > 0, "no tensors");
      const hashes = await Promise.all(shards.map(([, { bytes }]) => sha256(new Uint8Array(bytes))));
      quantized = hashes.join(" ");
    });
  }
  await check("the quantized model is another model", async () => assert(logits.f32 !== logits.w4a8, "same logits"));
  await check("a file that ends early is a CheckpointError", () => rejects(load("truncated", {}), "CheckpointError"));
  await check("a header that is not JSON is a CheckpointError", () => rejects(load("mangled", {}), "CheckpointError"));
  await check("loading with an aborted signal is an AbortError", () => {
    return rejects(load("w4a8", { signal: AbortSignal.abort() }), "AbortError");
  });
  return { simd: await simd(), threads: Math.max(...threads), logits, quantized, tokens, text, checks };
}

function sequence(model: LanguageModel): number[] {
  const random = mulberry32(SEED);
  return Array.from({ length: POSITIONS }, () => Math.floor(random() * model.config.vocabSize));
}

async function logitsOneByOne(model: LanguageModel): Promise<Float32Array> {
  const { forwardPass, config } = model;
  const all = new Float32Array(POSITIONS * config.vocabSize);
  forwardPass.truncate(0);
  for (const [position, id] of sequence(model).entries()) {
    await forwardPass.forward([id], { logits: ({ values }) => all.set(values, position * config.vocabSize) });
  }
  forwardPass.truncate(0);
  return all;
}

async function generate(model: LanguageModel): Promise<{ tokens: readonly number[]; text: string }> {
  const generation = model.generate(PROMPT, GENERATE);
  let joined = "";
  for await (const piece of generation) joined += piece;
  const { tokens, text } = await generation.result;
  equal(joined, text);
  return { tokens, text };
}

async function abortedByConsumer(model: LanguageModel): Promise<void> {
  const controller = new AbortController();
  const generation = model.generate(PROMPT, { ...GENERATE, signal: controller.signal });
  const consume = async () => {
    for await (const _ of generation) controller.abort();
  };
  await rejects(consume(), "AbortError");
  const partial = await generation.result.then(
    () => undefined,
    (error: { partial?: { tokens: readonly number[] } }) => error.partial,
  );
  const made = partial?.tokens.length ?? 0;
  assert(made > 0 && made < GENERATE.maxTokens, `${made} tokens`);
}

/** Nothing here awaits a task, so the timer can only fire when the model itself lets events run. */
async function abortedByTimer(model: LanguageModel): Promise<void> {
  const controller = new AbortController();
  const ids = sequence(model);
  const timer = setTimeout(() => controller.abort(), 1);
  const work = async () => {
    for (let call = 0; call < 500; call++) await model.logits(ids, controller.signal);
  };
  await rejects(work(), "AbortError");
  clearTimeout(timer);
}

function hashOfBits(values: Float32Array): Promise<string> {
  const bits = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => bits.setFloat32(4 * i, value, true));
  return sha256(bits);
}

async function sha256(bytes: DataView<ArrayBuffer> | Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

function equal<T>(found: T, needed: T): void {
  assert(found === needed, `got ${String(found)}, need ${String(needed)}`);
}

async function rejects(promise: Promise<unknown>, errorName: string): Promise<void> {
  const found = await promise.then(
    () => "no error",
    (error: unknown) => (error instanceof Error ? error.name : String(error)),
  );
  equal(found, errorName);
}
