/**
 * A page's own script: hands the job in its URL to a worker and watches that the page stays responsive; then
 * loads models on the main thread itself, and has a second worker load them in unusual ways. A page that is
 * not isolated only shows that it works.
 */
import { loadModel } from "fptq";
import { loadModel as loadInline } from "fptq/inline";
import type { LanguageModel } from "../../../src/decoding/language-model.ts";
import { OUTCOME, modelUrl } from "../page-server.ts";
import type { SpeedFigures } from "../job.ts";
import { assert, type Check, collector, equal, hashOf, type LogitsHash, type SuiteResult } from "../suite.ts";

const url = modelUrl("w4a8");
const uncached = { cache: false } as const;

async function inWorker<T>(script: string, order: string): Promise<T> {
  const worker = new Worker(script, { type: "module" });
  const answer = new Promise<{ result: T; error?: string }>((resolve, reject) => {
    worker.addEventListener("message", ({ data }) => resolve(data));
    worker.addEventListener("error", (event) => reject(new Error(`${script}: ${event.message}`)));
  });
  worker.postMessage(order);
  const { result, error } = await answer;
  worker.terminate();
  if (error) throw new Error(error);
  return result;
}

/** Milliseconds of every long task of this thread from now on, where the browser reports them. */
function watchLongTasks(): (() => number[]) | undefined {
  if (!PerformanceObserver.supportedEntryTypes.includes("longtask")) return undefined;
  const entries: PerformanceEntry[] = [];
  const observer = new PerformanceObserver((list) => entries.push(...list.getEntries()));
  observer.observe({ type: "longtask" });
  return () => [...entries, ...observer.takeRecords()].map(({ duration }) => duration);
}

async function hashes(load: () => Promise<LanguageModel>, threads: number, logits: LogitsHash[]): Promise<void> {
  const model = await load();
  const { build } = model.forwardPass;
  logits.push({ model: "w4a8", build, threads, hash: await hashOf(() => Promise.resolve(model), { threads }) });
}

async function oneWarning(threads: number | undefined, pattern: RegExp, logits: LogitsHash[]): Promise<void> {
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  await hashes(() => loadModel(url, { ...uncached, threads, onWarning }), 1, logits);
  equal(warnings.length, 1);
  assert(pattern.test(warnings[0]!), warnings[0]!);
}

async function isolated(job: string): Promise<SuiteResult | SpeedFigures> {
  const longTasks = watchLongTasks();
  const started = performance.now();
  const result = await inWorker<SuiteResult | SpeedFigures>("/suite-worker.js", job);
  const computed = performance.now() - started;
  if (!("checks" in result)) return result;
  const [check, checks] = collector();
  const logits: LogitsHash[] = [];
  if (longTasks) {
    // How long one task takes is the machine's affair. A thread that computed would be held for most of it.
    await check("the main thread was free while a worker computed", async () => {
      const held = longTasks().reduce((sum, ms) => sum + ms, 0);
      assert(held < computed / 4, `held for ${held.toFixed(0)} of ${computed.toFixed(0)} ms`);
    });
  }
  for (const threads of [undefined, 2]) {
    await check(`on the main thread, threads: ${threads}: one thread, one warning that says where to load the model`, () => {
      return oneWarning(threads, /main thread.*load the model in a worker$/, logits);
    });
  }
  await check("with the kernels in the text, one thread and a warning if more are asked for", async () => {
    const warnings: string[] = [];
    const onWarning = (message: string) => warnings.push(message);
    await hashes(() => loadInline(new URL(url, location.href), { ...uncached, threads: 2, onWarning }), 1, logits);
    equal(warnings.length, 1);
  });
  await check("with compiled modules, one thread", async () => {
    const simd128 = await WebAssembly.compileStreaming(fetch("/wasm/fptq-simd128.wasm"));
    await hashes(() => loadModel(url, { ...uncached, kernels: { simd128 } }), 1, logits);
  });
  const unusual = await inWorker<{ logits: LogitsHash[]; checks: Check[] }>("/options-worker.js", url);
  return {
    ...result,
    logits: [...result.logits, ...logits, ...unusual.logits],
    checks: [...result.checks, ...checks, ...unusual.checks],
  };
}

/** @returns checks and hashes alone */
async function notIsolated(): Promise<{ logits: LogitsHash[]; checks: Check[] }> {
  const [check, checks] = collector();
  const logits: LogitsHash[] = [];
  for (const threads of [undefined, 2]) {
    await check(`a page that is not isolated, threads: ${threads}: one thread, one warning that says which headers`, () => {
      return oneWarning(threads, /Cross-Origin-Embedder-Policy/, logits);
    });
  }
  return { logits, checks };
}

const job = new URLSearchParams(location.search).get("job")!;
const work = crossOriginIsolated ? isolated(job) : notIsolated();
const outcome = await work.then(
  (result) => ({ result }),
  (error: unknown) => ({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
);
await fetch(OUTCOME, { method: "POST", body: JSON.stringify(outcome) });
