/**
 * One scale for a row longer than what a GEMV sums in 32 bits: a row alone gives the bits it gives among
 * others.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel } from "../../src/architecture/description.ts";
import { parseModelConfig } from "../../src/architecture/families.ts";
import { nodeHost } from "../../src/host/node.ts";
import { NULL } from "../../src/kernels/pointer.ts";
import { type Linear, multiply, quantizeInput } from "../../src/model/layers/linear.ts";
import { openWorkspace } from "../../src/model/workspace/open-workspace.ts";

const test = suite("long groups");
const [N, ROWS] = [24, 5];

for (const K of [4096, 4128, 16_384]) {
  for (const codes of ["int4", "fp4"] as const) {
    test(`${codes}, K ${K}: the largest codes of weights and activations`, async () => {
      const config = { vocab_size: 8, hidden_size: K, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 16 };
      const json = { model_type: "llama", max_position_embeddings: 1, ...config };
      const description = describeModel(parseModelConfig(json, "layer of a test"));
      const size = { rows: ROWS, positions: 1 };
      const { space, placed } = await openWorkspace({ host: nodeHost, threads: 1 }, description, size, ({ plan, sizes }) => ({
        source: plan.reserve("scratch", (N * K) / 2, "codes"),
        scales: plan.reserve("scratch", 4 * N, "scales"),
        y: plan.reserve("scratch", 4 * ROWS * N, "output"),
        weights: plan.reserve("weights", sizes.packed_bytes_qb4w(N, K, K) >>> 0, "layer"),
      }));
      const { kernels, buffers } = space;
      const { source, scales, y, weights } = placed;
      // u = 15: 7, or the smallest E2M1; u = 7: -1, or the largest.
      for (const [code, value] of codes === "int4" ? ([[15, 7], [0, -8]] as const) : ([[15, -12], [7, 12]] as const)) {
        kernels.u8(source, (N * K) / 2).fill(code * 17);
        kernels.f32(scales, N).fill(1);
        kernels.run.pack_qb4w(source, scales, weights, 0, N, N, K, K);
        const activation = { kind: "static", scale: 1 } as const;
        const input = { kind: "qd8", activation, sumsOf: K } as const;
        const product = { form: codes === "int4" ? "qb4w" : "qb4fw", input, row: 0, N, K, groupSize: K, weights } as const;
        const linear: Linear = { N, inFeatures: K, bias: NULL, products: [product] };
        for (const x of [127, -128]) {
          kernels.f32(buffers.normed, ROWS * K).fill(x);
          for (const M of [1, 2, ROWS]) {
            quantizeInput(space, linear, buffers.normed, M);
            multiply(space, linear, buffers.normed, y, M);
            const found = kernels.f32(y, M * N);
            assert.ok(found.every((sum) => sum === Math.fround(x * value * K)), `${M} rows: ${found[0]} for ${x} * ${value} * ${K}`);
          }
        }
      } // prettier-ignore
      await kernels.dispose();
    });
  }
}

test.run();
