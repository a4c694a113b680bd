/** Low-rank compensation: the best product of thin matrices, and what it does to a model. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CheckpointError, RecipeError } from "../../../src/errors.ts";
import { Transformer } from "../../../src/model/transformer.ts";
import { lowRankFactors, residualEnergy } from "../../../src/quantizer/round/lorc.ts";
import { quantizeModel } from "../../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../../src/quantizer/recipe/resolve-recipe.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { MemoryOutputFolder } from "../../memory-folder.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { simulate } from "../../oracle/float-simulation.ts";
import { mulberry32, normal } from "../../random.ts";
import { tinyModel } from "../../tiny-model.ts";
import { tinySamples } from "../tiny-samples.ts";

const SEED = 89;
const random = normal(mulberry32(SEED));
const test = suite(`LoRC (seed ${SEED})`);

const energy = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value * value, 0);

/** f64[rows, columns] with orthonormal columns. */
function orthonormal(rows: number, columns: number): number[][] {
  const basis: number[][] = [];
  while (basis.length < columns) {
    const vector = Array.from({ length: rows }, random);
    for (let pass = 0; pass < 2; pass++) {
      for (const other of basis) {
        const overlap = other.reduce((sum, value, i) => sum + value * vector[i]!, 0);
        other.forEach((value, i) => (vector[i]! -= overlap * value));
      }
    }
    const norm = Math.sqrt(energy(vector));
    basis.push(vector.map((value) => value / norm));
  }
  return basis;
}

/** f32[N, K] with these singular values. */
function withSingularValues(N: number, K: number, singular: readonly number[]): Float32Array {
  const [left, right] = [orthonormal(N, singular.length), orthonormal(K, singular.length)];
  return Float32Array.from({ length: N * K }, (_, i) =>
    singular.reduce((sum, s, r) => sum + s * left[r]![Math.floor(i / K)]! * right[r]![i % K]!, 0),
  );
}

for (const [N, K] of [
  [24, 40],
  [40, 24],
  [16, 16],
] as const) {
  test(`${N} x ${K}: rank R leaves the energy of the smaller singular values, for every R`, () => {
    const singular = Array.from({ length: 16 }, (_, i) => 2 ** -(i / 2));
    const error = withSingularValues(N, K, singular);
    for (const R of [1, 2, 5, 8, 15, 16]) {
      const factors = lowRankFactors(error, N, K, R);
      assert.is(factors.a.length, R * K);
      assert.is(factors.b.length, N * R);
      const expected = energy(singular.slice(R));
      const found = residualEnergy(error, factors, N, K);
      // f32 of the matrix and of the factors: 2^-24 relative to the largest singular value, squared, and
      // cross terms with what is left.
      assert.ok(Math.abs(found - expected) <= 1e-6 * expected + 1e-12, `rank ${R}: ${found} instead of ${expected}`);
    }
  });
}

test("noise without a leading direction is compensated nearly as well as by the best product", () => {
  const [N, K, R] = [96, 64, 8];
  const error = Float32Array.from({ length: N * K }, random);
  const many = residualEnergy(error, lowRankFactors(error, N, K, 56), N, K); // P = K: exact
  const exact = lowRankFactors(error, N, K, 56);
  // The first R of the exact factors are the best product of rank R.
  const best = {
    a: exact.a.slice(0, R * K),
    b: Float32Array.from({ length: N * R }, (_, i) => exact.b[Math.floor(i / R) * 56 + (i % R)]!),
  };
  const [found, least] = [lowRankFactors(error, N, K, R), best].map((factors) => residualEnergy(error, factors, N, K)) as [
    number,
    number,
  ];
  assert.ok(many < least && least <= found && found < 1.02 * least, `${found}, best ${least}`);
});

test("the same matrix gives the same factors; zeros give zeros", () => {
  const error = withSingularValues(20, 30, [3, 2, 1]);
  assert.equal(lowRankFactors(error, 20, 30, 2), lowRankFactors(error, 20, 30, 2));
  for (const values of Object.values(lowRankFactors(new Float32Array(20 * 30), 20, 30, 2))) assert.is(energy(values), 0);
  // Less than R directions: the rest are zeros, not NaN.
  const thin = lowRankFactors(error, 20, 30, 8);
  assert.ok(residualEnergy(error, thin, 20, 30) < 1e-10 * energy(error));
});

const SAMPLES = tinySamples(SEED, 4, 32);
const IDS = SAMPLES[0]!.subarray(0, 24);

async function quantizeTiny(name: string, options: RecipeOptions) {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED));
  const output = new MemoryOutputFolder("quantized");
  const recipe = resolveRecipe(name, { groupSize: 32, ...options });
  const report = await quantizeModel(source, { samples: SAMPLES }, recipe, output, { host: nodeHost, threads: 1 });
  return { source, report, folder: output.result, written: await openSafetensorsCheckpoint(output.result) };
}

for (const recipe of ["rtn", "fptq+gptq"]) {
  test(`${recipe}: logits come nearer to the float model's, and the report says what it takes`, async () => {
    const off = async (lorcRank: number) => {
      const { source, written, report } = await quantizeTiny(recipe, { lorcRank });
      const expected = await simulate(source, IDS);
      const found = await simulate(written, IDS);
      return { error: energy(found.map((value, i) => value - expected[i]!)) / energy(expected), report };
    };
    const [without, some, more] = [await off(0), await off(8), await off(24)];
    assert.ok(more.error < some.error && some.error < without.error, `${without.error}, ${some.error}, ${more.error}`);
    const row = some.report.layers[0]!;
    assert.is(without.report.layers[0]!.lorc_weight_nmse, null);
    assert.ok(row.lorc_weight_nmse! < row.weight_nmse);
    // q, k, v, o: 64 or 32 x 64; gate, up, down: 192 x 64. A and B have 16 bits.
    const modules = [[64, 64], [32, 64], [32, 64], [64, 64], [192, 64], [192, 64], [64, 192]] as const; // prettier-ignore
    const weights = modules.reduce((sum, [N, K]) => sum + N * K, 0);
    const added = modules.reduce((sum, [N, K]) => sum + 16 * 8 * (N + K), 0) / weights;
    assert.ok(Math.abs(some.report.bits_per_weight - without.report.bits_per_weight - added) < 1e-9);
  });
}

test("the same bits from every chunking and number of threads", async () => {
  const { written } = await quantizeTiny("fptq", { lorcRank: 5 });
  const logits = async (threads: number, chunk: number) => {
    const model = await Transformer.load(written, nodeHost, { contextSize: 32, threads });
    try {
      const all: number[] = [];
      for (let at = 0; at < IDS.length; at += chunk) {
        await model.forward(IDS.subarray(at, at + chunk), { logits: ({ values }) => all.push(...values) });
      }
      return Float32Array.from(all);
    } finally {
      await model.dispose();
    }
  };
  const whole = await logits(1, 24);
  for (const [threads, chunk] of [
    [1, 7],
    [1, 1],
    [2, 24],
    [3, 5],
  ] as const) {
    // prettier-ignore
    assertSameBits(await logits(threads, chunk), whole, `${threads} threads, ${chunk} tokens at once`);
  }
});

test("refused: a rank that is no whole number, too large, or larger than a module", async () => {
  for (const lorcRank of [-1, 1.5, 257]) assert.throws(() => resolveRecipe("rtn", { lorcRank }), /lorcRank: got .*, need a whole number from 0 to 256/); // prettier-ignore
  const error = await quantizeTiny("rtn", { lorcRank: 33 }).catch((caught: unknown) => caught);
  assert.instance(error, RecipeError);
  assert.match((error as Error).message, /lorcRank: got 33, but model\.layers\.0\.self_attn\.k_proj is only 32 x 64/);
});

test("a file with half a term, or one of another shape, is refused", async () => {
  const { written } = await quantizeTiny("rtn", { lorcRank: 4 });
  const [a, b] = ["lora_A", "lora_B"].map((part) => `model.layers.0.self_attn.q_proj.${part}.weight`) as [string, string];
  const { lowRank } = await import("../../../src/checkpoint/quantization/low-rank.ts");
  const module = { name: "model.layers.0.self_attn.q_proj", outFeatures: 64, inFeatures: 64 };
  const infos = (changes: Readonly<Record<string, readonly number[] | undefined>>) => {
    const tensors = new Map(written.tensors);
    for (const [name, shape] of Object.entries(changes)) {
      if (shape) tensors.set(name, { ...tensors.get(name)!, shape });
      else tensors.delete(name);
    }
    return tensors;
  };
  assert.is(lowRank(infos({}), module), 4);
  assert.is(lowRank(infos({ [a]: undefined, [b]: undefined }), module), 0);
  for (const [changes, message] of [
    [{ [a]: undefined }, /lora_A.weight is missing, the other half of .*lora_B.weight/],
    [{ [b]: undefined }, /lora_B.weight is missing, the other half of .*lora_A.weight/],
    [{ [a]: [4, 32] }, /lora_A.weight: got shape \[4, 32\], need \[1 to 256, 64\]/],
    [{ [a]: [0, 64] }, /need \[1 to 256, 64\]/],
    [{ [a]: [257, 64] }, /need \[1 to 256, 64\]/],
    [{ [a]: [4] }, /got shape \[4\]/],
    [{ [b]: [64, 5] }, /lora_B.weight: got shape \[64, 5\], need \[64, 4\]/],
  ] as const) {
    assert.throws(
      () => lowRank(infos(changes), module),
      (error: unknown) => error instanceof CheckpointError && message.test(error.message),
    );
  }
});

test.run();
