/** onnxruntime-web in a page: one MatMulNBits node, on its CPU (wasm) backend. */
import * as ort from "/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = "/node_modules/onnxruntime-web/dist/";
let session;
let feeds;

globalThis.startEngine = () => {
  globalThis.engine = {
    async loadLayer({ K, rows, threads }) {
      ort.env.wasm.numThreads = threads;
      const model = new Uint8Array(await (await fetch("/layer.onnx")).arrayBuffer());
      session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
      const values = Float32Array.from({ length: rows * K }, (_, i) => Math.sin(i));
      feeds = (M) => ({ A: new ort.Tensor("float32", values.subarray(0, M * K), [M, K]) });
      return { version: `onnxruntime-web ${ort.env.versions.web ?? ort.env.versions.common}`, details: `${threads} thread(s)` };
    },
    async runLayer({ rows, runs }) {
      const began = performance.now();
      for (let i = 0; i < runs; i++) await session.run(feeds(rows));
      return { ms: (performance.now() - began) / runs };
    },
  };
};
