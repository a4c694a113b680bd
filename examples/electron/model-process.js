/** Has the model, in a process of its own (`utilityProcess`). */
import { loadModel } from "fptq";

const post = (answer) => process.parentPort.postMessage(answer);
let model;
let stopping = new AbortController();

const handlers = {
  async load({ source }) {
    const onProgress = ({ done, total }) => post({ kind: "progress", progress: done / total });
    model = await loadModel(source, { onProgress });
    post({ kind: "ready" });
  },
  async ask({ messages }) {
    stopping = new AbortController();
    const answer = model.generate(messages, { maxTokens: 256, signal: stopping.signal });
    try {
      for await (const text of answer) post({ kind: "text", text });
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
    }
    const { decode } = await answer.result.catch(({ partial }) => partial);
    post({ kind: "answered", speed: decode.tokensPerSecond });
  },
  stop: () => stopping.abort(),
};

process.parentPort.on("message", async ({ data }) => {
  try {
    await handlers[data.kind](data);
  } catch (error) {
    post({ kind: "failed", error: error.message });
  }
});
