/**
 * Weights of a GGUF as they lie in memory: multiplied by rows that have one 1, they are what gguf-py makes of
 * the file, bit for bit (`ggml-oracle.ts`, whose values equal its golden ones), in every type.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel, type InputName, type LinearModule } from "../../src/architecture/description.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openGgufCheckpoint } from "../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { CheckpointError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { BuildName } from "../../src/kernels/kernel-build.ts";
import { offsetBy } from "../../src/kernels/pointer.ts";
import { multiply, quantizeInput } from "../../src/model/layers/linear.ts";
import { isKeptProduct, readLinearSpec } from "../../src/model/layers/linear-spec.ts";
import { planLinear } from "../../src/model/layers/plan-linear.ts";
import { loadWorkspace, openWorkspace } from "../../src/model/workspace/open-workspace.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { buildGguf, memoryFile } from "../checkpoint/gguf/gguf-fixture.ts";
import { BLOCK_TYPES, BLOCKS, type BlockType } from "../checkpoint/gguf/ggml-oracle.ts";
import { tinyGguf } from "../checkpoint/gguf/tiny-gguf.ts";
import { SIMD_BUILDS } from "../kernels/kernel-memory.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { mulberry32 } from "../random.ts";

const SEED = 3;
const test = suite(`kept weights (seed ${SEED})`);
const QUANTIZED = BLOCK_TYPES.filter((type) => BLOCKS[type].elements > 1);

/** What a layer of the first block makes of rows with one 1 each: f32[K, N]. */
async function columnsOf(checkpoint: Checkpoint, name: InputName, build: (typeof SIMD_BUILDS)[number], M: number) {
  const description = describeModel(checkpoint.config);
  const { modules, width: K } = description.blocks[0]!.inputs.find((input) => input.name === name)!;
  const spec = await readLinearSpec(checkpoint, modules, { weights: "kept" });
  assert.is(spec.products.length, 1);
  const size = { rows: M, positions: 1, build, keepsWeights: spec.products.some(isKeptProduct) };
  const { space, placed } = await openWorkspace({ host: nodeHost, threads: 1 }, description, size, (planner) => ({
    linear: planLinear(planner, spec),
    y: planner.plan.reserve("scratch", 4 * M * spec.N, "output"),
  }));
  const { linear, y } = placed;
  await loadWorkspace(space, checkpoint, (loader) => loader.linear(spec, linear), {});
  const { kernels, buffers } = space;
  const [product] = linear.products;
  assert.is(product.input.kind, "qd8");
  const { sumsOf } = product.input as Extract<typeof product.input, { kind: "qd8" }>;
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
  const form = product.form;
  await kernels.dispose();
  return { columns, form, N: spec.N, K, modules };
}

for (const type of QUANTIZED) {
  test(`${type}: a row at a time and many, every build`, async () => {
    const { fixture, expected } = tinyGguf({ architecture: "llama", type, seed: SEED });
    const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf(fixture).bytes));
    for (const build of SIMD_BUILDS) {
      for (const name of ["qkv", "down"] as const) {
        for (const M of [1, 32]) {
          const { columns, form, N, K, modules } = await columnsOf(checkpoint, name, build, M);
          let row = 0;
          for (const module of modules) {
            const { values } = expected.get(`${module.name}.weight`)!;
            for (let i = 0; i < values.length; i++) {
              const found = columns[(i % K) * N + row + Math.floor(i / K)]!;
              // Nothing is added to a zero, whose sign then is lost.
              if (found !== values[i]) assert.is(found, values[i], `${build}, ${form}, ${M} rows: ${module.name}, element ${i}`);
            }
            row += module.outFeatures;
          }
        }
      }
    }
  });
}

/** Output f32[M, N] of modules as one layer, all of whose inputs are made of f32[M, K]. */
async function outputOf(
  checkpoint: Checkpoint,
  modules: readonly LinearModule[],
  x: Float32Array,
  build: BuildName,
  refines = false,
) {
  const K = modules[0]!.inFeatures;
  const M = x.length / K;
  const spec = await readLinearSpec(checkpoint, modules, { weights: "kept", refines });
  const size = { rows: M, positions: 1, build, keepsWeights: true, refined: refines ? spec.N : 0 };
  const work = { host: nodeHost, threads: 2 };
  const { space, placed } = await openWorkspace(work, describeModel(checkpoint.config), size, (planner) => ({
    linear: planLinear(planner, spec),
    x: planner.plan.reserve("scratch", 4 * M * K, "input"),
    y: planner.plan.reserve("scratch", 4 * (M * spec.N + 1), "output and what lies behind it"),
  }));
  const { kernels } = space;
  await loadWorkspace(space, checkpoint, (loader) => loader.linear(spec, placed.linear), {});
  kernels.f32(placed.x, x.length).set(x);
  const behind = kernels.f32(offsetBy(placed.y, 4 * M * spec.N), 1).fill(7);
  quantizeInput(space, placed.linear, placed.x, M);
  multiply(space, placed.linear, placed.x, placed.y, M);
  const y = kernels.f32(placed.y, M * spec.N).slice();
  assert.is(behind[0], 7, "written behind the output");
  const forms = placed.linear.products.map(({ form }) => form);
  await kernels.dispose();
  return { y, N: spec.N, forms };
}

/**
 * Types of the matrices of each layer, the forms of its products, and an odd number of rows of gate and up.
 */
const MIXED = [
  { types: { attn_q: "Q4_K", attn_k: "Q4_K", attn_v: "Q6_K" }, input: "qkv", forms: ["qb4mw", "qb8w"] },
  { types: { attn_q: "Q2_K", attn_k: "Q5_K", attn_v: "Q4_K" }, input: "qkv", forms: ["qb8aw", "qb8aw", "qb4mw"] },
  { types: { attn_q: "IQ4_XS", attn_k: "F16", attn_v: "Q4_1" }, input: "qkv", forms: ["qb8w", "f32w", "qb4aw"] },
  { types: { ffn_gate: "Q4_0", ffn_up: "Q8_0" }, input: "up", F: 100, forms: ["qb4w", "qb8w"] },
  { types: { ffn_gate: "BF16", ffn_up: "MXFP4" }, input: "up", F: 100, forms: ["f32w", "qb4fw"] },
] as const;

for (const { types, input, forms, ...sizes } of MIXED) {
  test(`${Object.values(types).join(", ")} in one layer: each as if it were alone`, async () => {
    const typeOf = (name: string): BlockType => {
      const [, matrix = ""] = /^blk\.\d+\.(.*)\.weight$/.exec(name) ?? [];
      return types[matrix as keyof typeof types] ?? "F32";
    };
    const { fixture } = tinyGguf({ architecture: "llama", type: "Q4_K", typeOf, size: "small", seed: SEED, ...sizes });
    const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf(fixture).bytes));
    const { modules, width: K } = describeModel(checkpoint.config).blocks[0]!.inputs.find(({ name }) => name === input)!;
    const random = mulberry32(SEED);
    for (const build of SIMD_BUILDS) {
      for (const M of [1, 3, 4, 9]) {
        const x = Float32Array.from({ length: M * K }, () => 4 * random() - 2);
        const fused = await outputOf(checkpoint, modules, x, build);
        assert.equal(fused.forms, forms);
        let row = 0;
        for (const module of modules) {
          const { y, N } = await outputOf(checkpoint, [module], x, build);
          for (let m = 0; m < M; m++) {
            const part = fused.y.subarray(m * fused.N + row, m * fused.N + row + N);
            assertSameBits(part, y.subarray(m * N, (m + 1) * N), `${build}, ${M} rows: ${module.name}, row ${m}`);
          }
          row += N;
        }
      }
    }
  });
}

test("what int8 leaves of an input is multiplied too where it is refined", async () => {
  const { fixture } = tinyGguf({ architecture: "llama", type: "Q4_1", size: "small", seed: SEED });
  const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf(fixture).bytes));
  const { modules, width: K } = describeModel(checkpoint.config).blocks[0]!.inputs.find(({ name }) => name === "down")!;
  const w = await checkpoint.readF32(`${modules[0]!.name}.weight`);
  const N = w.length / K;
  const random = mulberry32(SEED);
  // One element far beyond the others, which takes their bits; a row of zeros.
  const M = 6;
  const x = Float32Array.from({ length: M * K }, (_, i) => (i >= 5 * K ? 0 : i % K === 7 ? 100 : 2 * random() - 1));
  const exact = Array.from({ length: M * N }, (_, i) => {
    const [m, n] = [Math.floor(i / N), i % N];
    return w.subarray(n * K, (n + 1) * K).reduce((sum, weight, k) => sum + weight * x[m * K + k]!, 0);
  });
  for (const build of SIMD_BUILDS) {
    const [plain, refined] = [await outputOf(checkpoint, modules, x, build), await outputOf(checkpoint, modules, x, build, true)];
    const worst = (y: Float32Array) => Math.max(...y.map((value, i) => Math.abs(value - exact[i]!)));
    // A second step is at most 1/254 of the first.
    assert.ok(worst(refined.y) < worst(plain.y) / 100, `${build}: ${worst(refined.y)}, ${worst(plain.y)}`);
    for (let m = 0; m < M; m++) {
      const alone = await outputOf(checkpoint, modules, x.slice(m * K, (m + 1) * K), build, true);
      assertSameBits(refined.y.subarray(m * N, (m + 1) * N), alone.y, `${build}, row ${m}`);
    }
  }
});

test("scales that are no numbers are refused with the tensor's name", async () => {
  for (const [type, at, bits] of [["Q4_0", 1, 0x7e], ["Q4_1", 3, 0x7c], ["Q6_K", 209, 0xfc], ["MXFP4", 0, 0xff]] as const) {
    const { fixture } = tinyGguf({ architecture: "llama", type, size: "small", seed: SEED });
    fixture.tensors.find(({ name }) => name === "blk.0.ffn_up.weight")!.data[at] = bits;
    const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf(fixture).bytes));
    try {
      await Transformer.load(checkpoint, nodeHost, { threads: 1 });
      assert.unreachable(`${type}: loaded`);
    } catch (error) {
      assert.instance(error, CheckpointError, String(error));
      assert.match((error as Error).message, /^tiny\.gguf: model\.layers\.0\.mlp\.up_proj: .*got a scale of (NaN|-?Infinity), need a finite one/);
    }
  }
}); // prettier-ignore

test.run();
