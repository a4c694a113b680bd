/** The model of this server: loaded by the first request that needs it, then kept. */
import { loadModel } from "fptq";

const source = process.env.MODEL ?? "../../models/smollm2-135m-instruct-w4a8"; // or a GGUF, a URL, "hf:ORG/MODEL"

/** Kept on `globalThis`, since `next dev` runs this file anew after each change. */
export function getModel() {
  // Room for four texts at a time; more wait for their turn.
  globalThis.fptqModel ??= loadModel(source, { contextSize: 2048, cacheTokens: 8192, maxSequences: 4 });
  return globalThis.fptqModel;
}
