/** One linear layer of this package, quantization of its input included: what a MatMulNBits node does. */
import { describeModel } from "../../src/architecture/description.ts";
import { parseModelConfig } from "../../src/architecture/families.ts";
import { nodeHost } from "../../src/host/node.ts";
import { NULL } from "../../src/kernels/pointer.ts";
import { type Linear, multiply, quantizeInput } from "../../src/model/layers/linear.ts";
import { openWorkspace } from "../../src/model/workspace/open-workspace.ts";

/** Shape of the layer, and the most rows it is run with. */
interface LayerTest {
  readonly N: number;
  readonly K: number;
  readonly G: number;
  readonly rows: number;
  readonly threads: number;
}

const HEAD_DIM = 64;

let layer: (M: number) => void;

export const layerOperations = {
  async loadLayer({ N, K, G, rows, threads }: LayerTest) {
    const { space, placed } = await openWorkspace({ host: nodeHost, threads }, oneLayer(K), { rows, positions: 1 }, (planner) => {
      const { plan, sizes } = planner;
      const [source, scales] = [(N * K) / 2, (4 * N * K) / G].map((bytes) => plan.reserve("scratch", bytes, "stored layer"));
      const y = plan.reserve("scratch", 4 * rows * N, "output");
      return {
        source: source!,
        scales: scales!,
        y,
        weights: plan.reserve("weights", sizes.packed_bytes_qb4w(N, K, G) >>> 0, "layer"),
      };
    });
    const { kernels, buffers, build } = space;
    const { source, scales, y, weights } = placed;
    await kernels.threadsStarted();
    const x = buffers.normed;
    kernels.f32(x, rows * K).forEach((_, i, values) => (values[i] = Math.sin(i)));
    kernels.u8(source, (N * K) / 2).forEach((_, i, values) => (values[i] = i * 97));
    kernels.f32(scales, (N * K) / G).fill(0.01);
    kernels.run.pack_qb4w(source, scales, weights, 0, N, N, K, G);
    const input = { kind: "qd8", activation: { kind: "dynamic" }, sumsOf: G } as const;
    const product = { form: "qb4w", input, row: 0, N, K, groupSize: G, weights } as const;
    const linear: Linear = { N, inFeatures: K, bias: NULL, products: [product] };
    layer = (M) => {
      quantizeInput(space, linear, x, M);
      multiply(space, linear, x, y, M);
    };
    return { version: `Node ${process.versions.node}`, details: `${build} build` };
  },
  async runLayer({ rows, runs }: { readonly rows: number; readonly runs: number }) {
    const began = performance.now();
    for (let i = 0; i < runs; i++) layer(rows);
    return { ms: (performance.now() - began) / runs };
  },
};

/** A model whose widest input is the layer's: it sizes the buffers. */
function oneLayer(K: number) {
  const config = {
    model_type: "llama",
    vocab_size: 8,
    hidden_size: K,
    intermediate_size: K,
    num_hidden_layers: 1,
    num_attention_heads: K / HEAD_DIM,
    max_position_embeddings: 1,
  };
  return describeModel(parseModelConfig(config, "layer of a benchmark"));
}
