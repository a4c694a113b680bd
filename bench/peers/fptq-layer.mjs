/** One linear layer of this package, quantization of its input included: what a MatMulNBits node does. */
import { multiply, quantizeInput } from "../../src/model/linear.ts";
import { beginMemoryPlan, openKernels } from "../../src/model/model-memory.ts";
import { nodeHost } from "../../src/host/node.ts";

let kernels;
let layer;

export const layerOperations = {
  async loadLayer({ N, K, G, rows, threads }) {
    const sizes = { hiddenSize: K, heads: 1, headDim: 64, ffnSize: K };
    const planning = await beginMemoryPlan(nodeHost, sizes, threads, rows, 1);
    const { plan, instructionSet } = planning;
    const reserve = (bytes) => plan.reserve("scratch", bytes, "layer");
    const [x, y, q, scales, sums] = [4 * rows * K, 4 * rows * N, rows * K, 4 * rows, (4 * rows * K) / 16].map(reserve);
    const weights = reserve(planning.sizes.packed_bytes_qb4w(N, K, G) >>> 0);
    const [source, weightScales] = [(N * K) / 2, (4 * N * K) / G].map(reserve);
    kernels = openKernels(nodeHost, planning);
    await kernels.threadsStarted();
    kernels.f32(x, rows * K).forEach((_, i, values) => (values[i] = Math.sin(i)));
    kernels.u8(source, (N * K) / 2).forEach((_, i, values) => (values[i] = i * 97));
    kernels.f32(weightScales, (N * K) / G).fill(0.01);
    kernels.run.pack_qb4w(source, weightScales, weights, 0, N, N, K, G);
    const linear = { kind: "w4a8", N, K, groupSize: G, weights, bias: 0, activation: { kind: "dynamic" } };
    layer = (M) => {
      quantizeInput(kernels, linear, x, M, { q, scales, sums });
      multiply(kernels, linear, x, y, M, { q, scales, sums });
    };
    return { version: `Node ${process.versions.node}`, details: `${instructionSet} build` };
  },
  async runLayer({ rows, runs }) {
    const began = performance.now();
    for (let i = 0; i < runs; i++) layer(rows);
    return { ms: (performance.now() - began) / runs };
  },
};
