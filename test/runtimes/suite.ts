/**
 * What every runtime has to show, written once: it names no runtime and imports only types of the library,
 * which its caller brings. Results that must be the same everywhere are returned and compared by the caller;
 * what a runtime can judge alone is a check.
 */
import type { OutputFolder } from "../../src/checkpoint/byte-source.ts";
import type { LanguageModel } from "../../src/decoding/language-model.ts";
import type { BuildName } from "../../src/kernels/kernel-build.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { mulberry32 } from "../random.ts";

/** The folders of `fixtures.ts`: models that run, the last one real, and two damaged ones. */
export const MODELS = ["f32", "w4a8", "smollm2"] as const;
export type ModelName = (typeof MODELS)[number];
export type FolderName = ModelName | "truncated" | "mangled";

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What went wrong. */
  readonly detail?: string;
}

/** Logits of one model by one way of computing them. */
export interface LogitsHash {
  readonly model: ModelName;
  readonly build: BuildName;
  readonly threads: number;
  /** SHA-256, as hexadecimal digits, of the little-endian bits of f32[64, V]. */
  readonly hash: string;
}

/** Plain data, sent from wherever the suite ran. */
export interface SuiteResult {
  /** What a load without options takes. */
  readonly build: BuildName;
  readonly logits: readonly LogitsHash[];
  /**
   * SHA-256 of each file of tensors that quantizing the f32 model wrote; absent if that was not asked for.
   */
  readonly quantized: string | undefined;
  /** Tokens drawn with a seed by the W4A8 model. */
  readonly tokens: readonly number[];
  readonly text: string;
  readonly checks: readonly Check[];
}

/** The library as the runtime at hand reaches it. */
export interface Library {
  load(folder: FolderName, options: LoadOptions): Promise<LanguageModel>;
  /** Numbers of threads to compute with. */
  readonly threads: readonly number[];
  /** Whether to load the real model too. */
  readonly smollm2: boolean;
  /** Quantizes the f32 model with `RECIPE`. */
  quantize?(output: OutputFolder): Promise<unknown>;
  /** Kernel workers that exist now, as the system counts them. */
  countWorkers?(): Promise<number>;
}

/** Thresholds around the tiny model's ranges, so that static, equalized and dynamic inputs all occur. */
export const RECIPE = { groupSize: 32, v0: 6, v1: 20, samples: 4, contextSize: 64 } as const;

const POSITIONS = 64;
const SEED = 41;
const GENERATE = { temperature: 0.9, topK: 0, seed: 7, maxTokens: 48, ignoreEos: true } as const;
const PROMPT = "the cat and the dog";

export async function runSuite(library: Library): Promise<SuiteResult> {
  const { load, quantize, countWorkers } = library;
  const [check, checks] = collector();
  const most = { threads: Math.max(...library.threads) };
  const logits: LogitsHash[] = [];
  let [tokens, text]: [readonly number[], string] = [[], ""];
  for (const name of ["f32", "w4a8"] as const) {
    const model = await load(name, most);
    let expected = "";
    await check(`${name}: ${POSITIONS} rows of finite logits, each its own`, async () => {
      const values = await model.logits(sequence(model));
      expected = await hashOfBits(values);
      assert(values.every(Number.isFinite), "not finite");
      assert(new Set(values).size > values.length / 2, "logits repeat");
    });
    await check(`${name}: token by token gives the same bits as one chunk`, async () => {
      equal(await hashOfBits(await logitsOneByOne(model)), expected);
    });
    await check(`${name}: a seed gives the same tokens again, and pieces join to the text`, async () => {
      const first = await generate(model);
      equal(first.tokens.length, GENERATE.maxTokens);
      equal(JSON.stringify(await generate(model)), JSON.stringify(first));
      ({ tokens, text } = first);
    });
    await check(`${name}: generations and logits at a time give each what it gives alone`, async () => {
      const [first, second, values] = await Promise.all([generate(model), generate(model), model.logits(sequence(model))]);
      for (const found of [first, second]) equal(JSON.stringify(found), JSON.stringify({ tokens, text }));
      equal(await hashOfBits(values), expected);
    });
    await check(`${name}: a sequence saved here goes on in a model loaded anew`, async () => {
      using from = model.createSequence();
      await from.logits(sequence(model));
      const again = await load(name, {});
      using to = again.createSequence();
      await to.restore(await from.save());
      equal(await hashOfBits(await to.logits([1])), await hashOfBits(await from.logits([1])));
      await again.dispose();
    });
    await check(`${name}: an abort ends a generation and keeps what it made`, () => abortedByConsumer(model));
    await check(`${name}: a timer that aborts gets its turn during work`, () => abortedByTimer(model));
    await check(`${name}: the model is as good as new after aborts`, async () => {
      equal(await hashOfBits(await model.logits(sequence(model))), expected);
    });
    await check(`${name}: disposed, loaded again, the same bits`, async () => {
      await model.dispose();
      const again = await load(name, most);
      equal(await hashOfBits(await again.logits(sequence(again))), expected);
      await again.dispose();
    });
  }
  const build = await check("a load without options takes the best build that passes the self-test", async () => {
    const model = await load("w4a8", {});
    const { build: found } = model.forwardPass;
    await model.dispose();
    return found;
  });
  await check("asking for the relaxed build gives it or a CapabilityError", async () => {
    if (build?.startsWith("relaxed")) await (await load("w4a8", { build: "relaxed" })).dispose();
    else await rejects(load("w4a8", { build: "relaxed" }), "CapabilityError");
  });
  for (const model of library.smollm2 ? MODELS : (["f32", "w4a8"] as const)) {
    for (const way of waysOf(library, build)) {
      await check(`${model}: logits by ${way.build}, threads: ${way.threads}`, async () => {
        logits.push({ model, ...way, hash: await hashOf(() => load(model, { ...way, contextSize: POSITIONS }), way) });
      });
    }
  }
  await check("the quantized model is another model", async () => {
    assert(new Set(logits.map(({ hash }) => hash)).size > 1, "same logits");
  });
  if (countWorkers) {
    await check("dispose ends the workers, and nothing else does", async () => {
      const before = await settledCount(countWorkers);
      const [first, second] = [await load("w4a8", { threads: 2 }), await load("f32", { threads: 3 })];
      await countBecomes(countWorkers, before + 3);
      await first.dispose();
      await countBecomes(countWorkers, before + 2);
      await second.dispose();
      await countBecomes(countWorkers, before);
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
  // By its size from a disk, by the size its index states from a server.
  await check("a file that ends early is a CheckpointError or a DownloadError", () => {
    return rejects(load("truncated", {}), "CheckpointError|DownloadError");
  });
  await check("a header that is not JSON is a CheckpointError", () => rejects(load("mangled", {}), "CheckpointError"));
  await check("loading with an aborted signal is an AbortError", () => {
    return rejects(load("w4a8", { signal: AbortSignal.abort() }), "AbortError");
  });
  return { build: build ?? "simd128", logits, quantized, tokens, text, checks };
}

/** Runs checks one after the other; a failure is kept and not thrown. */
export function collector(): [check: <T>(name: string, run: () => Promise<T>) => Promise<T | undefined>, checks: Check[]] {
  const checks: Check[] = [];
  const check = async <T>(name: string, run: () => Promise<T>): Promise<T | undefined> => {
    try {
      const value = await run();
      checks.push({ name, ok: true });
      return value;
    } catch (error) {
      checks.push({ name, ok: false, detail: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) });
      return undefined;
    }
  };
  return [check, checks];
}

/** All builds that every engine with relaxed SIMD computes right, and the one a load chooses. */
function waysOf({ threads }: Library, best: BuildName = "simd128") {
  const builds = new Set(["simd128", ...(best === "simd128" ? [] : (["relaxed", "relaxed-i16", best] as const))] as const);
  return [...builds].flatMap((build) => threads.map((count) => ({ build, threads: count })));
}

/** @throws Error if the model computes in another way than it was asked to */
export async function hashOf(load: () => Promise<LanguageModel>, way: { build?: BuildName; threads: number }): Promise<string> {
  const model = await load();
  try {
    equal(model.forwardPass.threads, way.threads);
    if (way.build) equal(model.forwardPass.build, way.build);
    return await hashOfBits(await model.logits(sequence(model)));
  } finally {
    await model.dispose();
  }
}

/**
 * The count once it has not changed for three seconds: a browser gives threads of models disposed before up
 * to two.
 */
async function settledCount(countWorkers: () => Promise<number>): Promise<number> {
  let found = await countWorkers();
  const end = Date.now() + 10_000;
  for (let same = 0; same < 30 && Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const next = await countWorkers();
    same = next === found ? same + 1 : 0;
    found = next;
  }
  return found;
}

/** The system needs a moment to end a thread. */
async function countBecomes(countWorkers: () => Promise<number>, needed: number): Promise<void> {
  let found = await countWorkers();
  for (const end = Date.now() + 5000; found !== needed && Date.now() < end; found = await countWorkers()) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  equal(found, needed);
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

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function equal<T>(found: T, needed: T): void {
  assert(found === needed, `got ${String(found)}, need ${String(needed)}`);
}

/** @param errorName one or more, separated by "|" @param pattern the message has to match */
export async function rejects(promise: Promise<unknown>, errorName: string, pattern = /./): Promise<void> {
  const found = await promise.then(
    () => new Error("no error"),
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );
  assert(errorName.split("|").includes(found.name), `got ${found.name}, need ${errorName}: ${found.message}`);
  assert(pattern.test(found.message), `got "${found.message}", need ${pattern}`);
}
