/**
 * Native llama.cpp, the prebuilt binary of node-llama-cpp, called below its sequences: those compute logits
 * only when they sample, and hand batches over through timers, and neither is llama.cpp's speed.
 */
import { getLlama } from "node-llama-cpp";
import { serveStdin, timed } from "./serve-stdin.mjs";

let context;
/** Tokens in the cache. */
let cached = 0;

async function evaluate(ids) {
  context.initBatch(ids.length);
  context.addToBatch(0, cached, Uint32Array.from(ids), Uint32Array.of(ids.length - 1));
  await context.decodeBatch();
  cached += ids.length;
}

function truncate(length) {
  if (length < cached) context.removeTokenCellsFromSequence(0, length, -1);
  cached = Math.min(cached, length);
}

const BATCH = 512;
async function evaluateAll(ids) {
  for (let i = 0; i < ids.length; i += BATCH) await evaluate(ids.slice(i, i + BATCH));
}

await serveStdin({
  async load({ model: modelPath, threads, contextSize }) {
    const llama = await getLlama({ gpu: false, build: "never", progressLogs: false });
    const model = await llama.loadModel({ modelPath });
    const wrapper = await model.createContext({ contextSize, batchSize: BATCH, threads: { ideal: threads, min: threads } });
    // oxlint-disable-next-line eslint/no-underscore-dangle -- what the wrapper itself calls
    context = wrapper._ctx;
    context.setThreads(threads);
    const features = ["AMX_INT8", "AVX512_VNNI", "AVX_VNNI", "AVX2", "NEON"].filter((name) =>
      llama.systemInfo.includes(`${name} = 1`),
    );
    await evaluate([1, 2, 3, 4]);
    truncate(0);
    return {
      version: `llama.cpp ${llama.llamaCppRelease.release}`,
      details: `${context.getThreads()} thread(s), ${features.join(" ")}`,
    };
  },
  prefill({ prompt }) {
    truncate(0);
    return timed(() => evaluateAll(prompt.ids));
  },
  async decode({ prompt, tokens }) {
    if (cached < prompt.ids.length || prompt.ids.length === 1) {
      truncate(0);
      await evaluateAll(prompt.ids);
    }
    truncate(prompt.ids.length);
    return timed(async () => {
      for (let i = 0; i < tokens; i++) await evaluate([prompt.ids[i % prompt.ids.length]]);
    });
  },
});
