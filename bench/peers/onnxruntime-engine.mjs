/** onnxruntime-node: one MatMulNBits node. */
import { createRequire } from "node:module";
import * as ort from "onnxruntime-node";
import { serveStdin } from "./serve-stdin.mjs";

const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json");
let session;
let feeds;

await serveStdin({
  async loadLayer({ model, K, rows, threads }) {
    session = await ort.InferenceSession.create(model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionProviders: ["cpu"],
    });
    const values = Float32Array.from({ length: rows * K }, (_, i) => Math.sin(i));
    feeds = (M) => ({ A: new ort.Tensor("float32", values.subarray(0, M * K), [M, K]) });
    return { version: `onnxruntime-node ${version}`, details: `${threads} thread(s)` };
  },
  async runLayer({ rows, runs }) {
    const began = performance.now();
    for (let i = 0; i < runs; i++) await session.run(feeds(rows));
    return { ms: (performance.now() - began) / runs };
  },
});
