/**
 * llama.cpp, the prebuilt binary of node-llama-cpp, behind the smallest server that `bench/serve/ask.ts` can
 * ask: prompts of ids, answers as streams. So many requests are sequences of one context, in the batches that
 * node-llama-cpp makes of them; further ones wait in order.
 *
 *   node llama-cpp-server.mjs MODEL.gguf THREADS SEQUENCES CONTEXT
 */
import { createServer } from "node:http";
import { getLlama } from "node-llama-cpp";

const [modelPath, threads, parallel, contextSize] = [process.argv[2], ...process.argv.slice(3).map(Number)];
/** llama-server's default is 2048; larger batches than 512 are no faster here. */
const BATCH = 512;

const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, maxThreads: threads });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  contextSize,
  batchSize: BATCH,
  sequences: parallel,
  threads: { ideal: threads, min: threads },
});

const free = Array.from({ length: parallel }, () => context.getSequence());
const waiting = [];

async function inTurn(work) {
  const sequence = free.pop() ?? (await new Promise((resolve) => waiting.push(resolve)));
  try {
    await work(sequence);
  } finally {
    await sequence.clearHistory();
    const next = waiting.shift();
    if (next) next(sequence);
    else free.push(sequence);
  }
}

async function body(request) {
  let text = "";
  for await (const piece of request.setEncoding("utf8")) text += piece;
  return JSON.parse(text);
}

async function answer(request, response) {
  const { prompt, max_tokens: most, seed, temperature } = await body(request);
  await inTurn(async (sequence) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    const send = (chunk) => response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    const tokens = [];
    let said = "";
    for await (const token of sequence.evaluate(prompt, { temperature, seed, yieldEogToken: true })) {
      tokens.push(token);
      // As long as a character is not whole its bytes are the sign for none.
      const text = model.detokenize(tokens, true);
      const piece = text.endsWith("\ufffd") ? "" : text.slice(said.length);
      said += piece;
      send({ choices: [{ text: piece, finish_reason: tokens.length === most ? "length" : null }] });
      if (tokens.length === most) break;
    }
    send({ choices: [], usage: { completion_tokens: tokens.length } });
    response.end("data: [DONE]\n\n");
  });
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    response.destroy();
  });
});
server.listen(0, "127.0.0.1", () => {
  console.error(`llama.cpp ${llama.llamaCppRelease.release} at http://127.0.0.1:${server.address().port}/`);
});
