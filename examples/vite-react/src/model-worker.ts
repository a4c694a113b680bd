/** Holds the model, off the main thread. */
import { type GenerationAbortError, type LanguageModel, loadModel } from "fptq";
import type { Answer, Request } from "./messages.ts";

const post = (answer: Answer) => postMessage(answer);
let model: LanguageModel;
let stopping = new AbortController();

async function generate(messages: (Request & { kind: "ask" })["messages"]): Promise<void> {
  stopping = new AbortController();
  const generation = model.generate(messages, { maxTokens: 256, signal: stopping.signal });
  try {
    for await (const text of generation) post({ kind: "text", text });
    post({ kind: "answered", speed: (await generation.result).decode.tokensPerSecond });
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    post({ kind: "answered", speed: (error as GenerationAbortError).partial.decode.tokensPerSecond });
  }
}

async function handle(request: Request): Promise<void> {
  if (request.kind === "stop") stopping.abort();
  else if (request.kind === "ask") await generate(request.messages);
  else {
    model = await loadModel(request.source, {
      onProgress: ({ done, total }) => post({ kind: "progress", progress: done / total }),
      onWarning: (warning) => console.warn(warning),
    });
    post({ kind: "ready" });
  }
}

addEventListener("message", ({ data }: MessageEvent<Request>) => {
  handle(data).catch((error: Error) => post({ kind: "failed", error: error.message }));
});
