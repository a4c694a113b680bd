/**
 * Holds the model, off the main thread: loads it, and generates until it is done or told to stop. It lives as
 * long as one model.
 */
import { type GenerationAbortError, type LanguageModel, loadModel, openCheckpoint } from "fptq";
import { fileBeside } from "./beside.ts";
import { hasChatTemplate } from "./chat-prompt.ts";
import { type EngineEvent, type EngineRequest, failureOf, type ModelDescription } from "./messages.ts";
import { policiesOf } from "./policies.ts";
import { hex, runTask } from "./run-task.ts";
import { loadArguments } from "./sources.ts";

const post = (event: EngineEvent) => postMessage(event);

let model: LanguageModel | undefined;
let chats = true;
let stopping = new AbortController();
/** Those that run, by their number. */
const tasks = new Map<number, AbortController>();

addEventListener("message", ({ data: request }: MessageEvent<EngineRequest>) => {
  if (request.kind === "stop") stopping.abort();
  else if (request.kind === "load") void load(request).catch((error: unknown) => fail("load", error));
  else if (request.kind === "generate") void generate(request).catch((error: unknown) => fail("generate", error));
  else if (request.kind === "cancel") tasks.get(request.id)?.abort();
  else void run(request);
});

function fail(work: "load" | "generate", error: unknown): void {
  post({ kind: "failed", work, failure: failureOf(error) });
}

async function run({ id, task }: EngineRequest & { kind: "run" }): Promise<void> {
  const { signal } = tasks.set(id, new AbortController()).get(id)!;
  try {
    const value = await runTask(model!, task, { signal, onText: (text) => post({ kind: "piece", id, text }) });
    post({ kind: "result", id, value });
  } catch (error) {
    post({ kind: "refused", id, failure: failureOf(error) });
  } finally {
    tasks.delete(id);
  }
}

async function load({ source, threads, build, floats = false }: EngineRequest & { kind: "load" }): Promise<void> {
  const started = performance.now();
  const [what, sourceOptions] = await loadArguments(source);
  model = await loadModel(what, {
    ...sourceOptions,
    threads,
    build,
    ...(floats && { weights: "f32", head: "f32", kvCache: "f32" }),
    onProgress: (progress) => post({ kind: "progress", progress }),
    onWarning: (message) => post({ kind: "warning", message }),
  });
  chats = hasChatTemplate(model);
  post({ kind: "loaded", model: describe(model, (performance.now() - started) / 1000) });
  const report = await fileBeside(source, "quantization-report.json");
  const index = await fileBeside(source, "model.safetensors.index.json");
  // From the cache by now.
  const checkpoint = await openCheckpoint(what, sourceOptions);
  post({
    kind: "policies",
    policies: policiesOf(checkpoint, report && reportedLayers(report)),
    indexHash: index && hex(await crypto.subtle.digest("SHA-256", index)),
  });
  await checkpoint.close();
}

/** @returns undefined for what is no report */
function reportedLayers(report: ArrayBuffer): { layers?: unknown; kv_cache?: unknown } | undefined {
  try {
    return (JSON.parse(new TextDecoder().decode(report)) ?? undefined) as { layers?: unknown; kv_cache?: unknown } | undefined;
  } catch {
    return undefined;
  }
}

function describe(loaded: LanguageModel, seconds: number): ModelDescription {
  const { architecture, layers } = loaded.config;
  const { contextSize, threads, build } = loaded.forwardPass;
  const { recommendedSampling } = loaded;
  return {
    architecture,
    layers,
    contextSize,
    threads,
    build,
    memory: loaded.memory().total,
    chats,
    recommendedSampling,
    seconds,
  };
}

async function generate({ messages, options }: EngineRequest & { kind: "generate" }): Promise<void> {
  stopping = new AbortController();
  const said = () => messages.flatMap(({ role, content }) => (role === "system" ? [] : [content])).join("");
  const prompt = chats ? messages : said();
  const generation = model!.generate(prompt, { ...options, signal: stopping.signal });
  try {
    for await (const text of generation) post({ kind: "text", text });
    post({ kind: "generated", result: await generation.result });
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    post({ kind: "generated", result: (error as GenerationAbortError).partial });
  }
}

post({ kind: "started" });
