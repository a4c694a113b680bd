/**
 * Holds the model, off the main thread: loads it, and generates until it is done or told to stop. It lives as
 * long as one model.
 */
import { type GenerationAbortError, type LanguageModel, loadModel, openCheckpoint, UnsupportedModelError } from "fptq";
import { type EngineEvent, type EngineRequest, failureOf, type ModelDescription } from "./messages.ts";
import { policiesOf } from "./policies.ts";
import { loadArguments } from "./sources.ts";

const post = (event: EngineEvent) => postMessage(event);

let model: LanguageModel | undefined;
let chats = true;
let stopping = new AbortController();

addEventListener("message", ({ data: request }: MessageEvent<EngineRequest>) => {
  if (request.kind === "stop") stopping.abort();
  else if (request.kind === "load") void load(request).catch((error: unknown) => fail("load", error));
  else void generate(request).catch((error: unknown) => fail("generate", error));
});

function fail(work: "load" | "generate", error: unknown): void {
  post({ kind: "failed", work, failure: failureOf(error) });
}

async function load({ source, threads, build }: EngineRequest & { kind: "load" }): Promise<void> {
  const started = performance.now();
  const [what, sourceOptions] = await loadArguments(source);
  model = await loadModel(what, {
    ...sourceOptions,
    threads,
    build,
    onProgress: (progress) => post({ kind: "progress", progress }),
    onWarning: (message) => post({ kind: "warning", message }),
  });
  chats = hasChatTemplate(model);
  post({ kind: "loaded", model: describe(model, (performance.now() - started) / 1000) });
  // From the cache by now.
  const checkpoint = await openCheckpoint(what, sourceOptions);
  post({ kind: "policies", policies: policiesOf(checkpoint) });
  await checkpoint.close();
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

/** Whether the model brings a template for conversations. One that does not continues text. */
function hasChatTemplate(loaded: LanguageModel): boolean {
  try {
    loaded.promptIds([{ role: "user", content: "" }]);
    return true;
  } catch (error) {
    if (error instanceof UnsupportedModelError) return false;
    throw error;
  }
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
