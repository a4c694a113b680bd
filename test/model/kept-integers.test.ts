/**
 * Models of GPTQ, AWQ and compressed-tensors integers: what lies in memory, multiplied by rows that have one
 * 1, is what the formats say, bit for bit and each column in its place; and whole models, as the files have
 * them, are near those of the floats they stand for.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel, type InputName } from "../../src/architecture/description.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { nodeHost } from "../../src/host/node.ts";
import { multiply } from "../../src/model/layers/linear.ts";
import { isKeptProduct, readLinearSpec } from "../../src/model/layers/linear-spec.ts";
import { planLinear } from "../../src/model/layers/plan-linear.ts";
import { loadWorkspace, openWorkspace } from "../../src/model/workspace/open-workspace.ts";
import { integerFolder, type IntegerKind, kindName } from "../checkpoint/quantization/integer-folder.ts";
import { SIMD_BUILDS } from "../kernels/kernel-memory.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { logitsOf } from "./logits-of.ts";

const SEED = 71;
const test = suite(`kept integers (seed ${SEED})`);
const GPTQ: IntegerKind = { method: "gptq", bits: 4, groupSize: 32, symmetric: true };
const PACKED: IntegerKind = { method: "pack-quantized", bits: 4, groupSize: 32, symmetric: false };
const INT: IntegerKind = { method: "int-quantized", bits: 8, groupSize: 32, symmetric: true };
const KINDS: IntegerKind[] = [
  GPTQ,
  { ...GPTQ, anyOrder: true },
  { ...GPTQ, symmetric: false, anyOrder: true, groupSize: 16 },
  { ...GPTQ, groupSize: "channel", symmetric: false },
  { ...GPTQ, bits: 8, symmetric: false, anyOrder: true },
  { ...GPTQ, bits: 8, anyOrder: true },
  { method: "awq", bits: 4, groupSize: 32, symmetric: false },
  { ...PACKED, anyOrder: true },
  { ...PACKED, groupSize: "tensor" },
  INT,
  { ...INT, groupSize: "channel", activations: "dynamic" },
  { ...INT, groupSize: 16, symmetric: false, activations: "dynamic" },
];

/** What a layer of the first block makes of rows with one 1 each: f32[K, N]. */
async function columnsOf(checkpoint: Checkpoint, name: InputName, build: (typeof SIMD_BUILDS)[number], M: number) {
  const description = describeModel(checkpoint.config);
  const { modules, width: K } = description.blocks[0]!.inputs.find((input) => input.name === name)!;
  const spec = await readLinearSpec(checkpoint, modules, { weights: "kept" });
  const size = { rows: M, positions: 1, build, keepsWeights: spec.products.some(isKeptProduct) };
  const { space, placed } = await openWorkspace({ host: nodeHost, threads: 1 }, description, size, (planner) => ({
    linear: planLinear(planner, spec),
    y: planner.plan.reserve("scratch", 4 * M * spec.N, "output"),
  }));
  const { linear, y } = placed;
  await loadWorkspace(space, checkpoint, (loader) => loader.linear(spec, linear), {});
  const { kernels, buffers } = space;
  const { input } = linear.products[0];
  assert.is(input.kind, "qd8");
  const { sumsOf } = input as Extract<typeof input, { kind: "qd8" }>;
  const columns = new Float32Array(K * spec.N);
  for (let begin = 0; begin < K; begin += M) {
    const q = kernels.u8(buffers.activations.q, M * K).fill(0);
    const sums = kernels.i32(buffers.activations.sums, (M * K) / sumsOf).fill(0);
    kernels.f32(buffers.activations.scales, M).fill(1);
    for (let m = 0; m < M; m++) {
      q[m * K + begin + m] = 1;
      sums[Math.floor((m * K + begin + m) / sumsOf)] = -8;
    }
    multiply(space, linear, buffers.normed, y, M);
    columns.set(kernels.f32(y, M * spec.N), begin * spec.N);
  }
  await kernels.dispose();
  return { columns, N: spec.N, K, modules, products: spec.products.length };
}

for (const kind of KINDS) {
  test(`${kindName(kind)}: weights in memory are the file's, columns in their places`, async () => {
    const { folder, weights } = await integerFolder(kind, SEED);
    const checkpoint = await openSafetensorsCheckpoint(folder);
    for (const build of SIMD_BUILDS) {
      for (const name of ["qkv", "up", "down"] as const) {
        for (const M of [1, 2, 32]) {
          const { columns, N, K, modules, products } = await columnsOf(checkpoint, name, build, M);
          // Modules of one input have orders of their own here, and products with them.
          if (kind.anyOrder) assert.is(products, modules.length);
          let row = 0;
          for (const module of modules) {
            const { values } = weights.get(module.name)!;
            for (let i = 0; i < values.length; i++) {
              const found = columns[(i % K) * N + row + Math.floor(i / K)]!;
              if (found !== values[i]) assert.is(found, values[i], `${build}, ${M} rows: ${module.name}, element ${i}`);
            }
            row += module.outFeatures;
          }
        }
      }
    }
    await checkpoint.close();
  });

  test(`${kindName(kind)}: logits are near those of the floats, the same for every chunk and number of threads`, async () => {
    const { folder } = await integerFolder(kind, SEED);
    const checkpoint = await openSafetensorsCheckpoint(folder);
    const ids = Array.from({ length: 20 }, (_, i) => (37 * i + 5) % 300);
    const floats = await logitsOf(checkpoint, ids, { weights: "f32", kvCache: "f32" });
    const kept = await logitsOf(checkpoint, ids, { kvCache: "f32" });
    // int8 activations have 1 in 127 of a row's largest; over three layers a twentieth of the logits' size.
    const size = Math.sqrt(floats.reduce((sum, value) => sum + value * value, 0));
    const away = Math.sqrt(floats.reduce((sum, value, i) => sum + (value - kept[i]!) ** 2, 0));
    assert.ok(away < 0.05 * size, `${away} away of ${size}`);
    assert.ok(away > 0, "the floats again");
    for (const build of SIMD_BUILDS) {
      for (const [threads, chunk] of [
        [1, 1],
        [2, 7],
      ] as const) {
        assertSameBits(await logitsOf(checkpoint, ids, { kvCache: "f32", build, threads }, chunk), kept, `${build}, ${threads} threads, chunks of ${chunk}`); // prettier-ignore
      }
    }
    await checkpoint.close();
  });
}

for (const activations of ["dynamic", "static"] as const) {
  for (const weights of [
    { bits: 8, groupSize: "channel" },
    { bits: 4, groupSize: 32 },
  ] as const) {
    test(`${weights.bits} bits, ${activations} activations: an int8 a weight gives the bits of packed weights`, async () => {
      const ids = Array.from({ length: 12 }, (_, i) => (41 * i + 3) % 300);
      const logits = [];
      for (const method of ["int-quantized", "pack-quantized"] as const) {
        const { folder } = await integerFolder({ ...weights, method, symmetric: true, activations }, SEED);
        const checkpoint = await openSafetensorsCheckpoint(folder);
        // Packed and symmetric is how this package stores weights itself.
        const own = checkpoint.quantization!.linear("model.layers.0.mlp.up_proj") !== undefined;
        assert.is(own, method === "pack-quantized");
        logits.push(await logitsOf(checkpoint, ids));
        await checkpoint.close();
      }
      assertSameBits(logits[0]!, logits[1]!, "logits");
    });
  }
}

test("modules that share an order are one product", async () => {
  const share = (tensors: Map<string, { data: ArrayBufferView }>) => {
    const q = tensors.get("model.layers.0.self_attn.q_proj.g_idx")!.data as Int32Array;
    for (const name of ["k_proj", "v_proj"]) (tensors.get(`model.layers.0.self_attn.${name}.g_idx`)!.data as Int32Array).set(q);
  };
  const { folder } = await integerFolder({ ...GPTQ, anyOrder: true }, SEED, {}, share);
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const { modules } = describeModel(checkpoint.config).blocks[0]!.inputs.find(({ name }) => name === "qkv")!;
  assert.is((await readLinearSpec(checkpoint, modules, { weights: "kept" })).products.length, 1);
  await checkpoint.close();
});

test.run();
