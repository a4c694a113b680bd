/** A transform found again from a float model and the one quantized from it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Architecture } from "../../../src/architecture/model-config.ts";
import { allInputs, describeModel, precedingNorm } from "../../../src/architecture/description.ts";
import { checkpointView } from "../../../src/checkpoint/checkpoint-view.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { calibrate } from "../../../src/quantizer/calibrate/calibrate.ts";
import { quantizeModel } from "../../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../../src/quantizer/recipe/resolve-recipe.ts";
import { fitTransform } from "../../../src/quantizer/transform/fit-transform.ts";
import { type Fold, FOLDS, foldTransform } from "../../../src/quantizer/transform/fold.ts";
import { joinTransforms } from "../../../src/quantizer/transform/transform.ts";
import { MemoryOutputFolder } from "../../memory-folder.ts";
import { tinyModel } from "../../tiny-model.ts";
import { tinySamples } from "../tiny-samples.ts";

const SEED = 97;
const test = suite(`fitted transforms (seed ${SEED})`);
const SAMPLES = tinySamples(SEED, 4, 64);
const WORK = { host: nodeHost, threads: 1 };

async function models(recipe: string, options: RecipeOptions, architecture: Architecture = "llama") {
  const base = await openSafetensorsCheckpoint(tinyModel(SEED, { architecture }));
  const output = new MemoryOutputFolder("quantized");
  await quantizeModel(base, { samples: SAMPLES }, resolveRecipe(recipe, { groupSize: 32, ...options }), output, WORK);
  return { base, quantized: await openSafetensorsCheckpoint(output.result) };
}

/** The factors of rows that folds have, as the quantizer found them. */
async function foldsOf({ base }: Awaited<ReturnType<typeof models>>, folds: readonly Fold[]) {
  const stats = await calibrate(base, SAMPLES, WORK);
  const { blocks, config } = describeModel(base.config);
  return joinTransforms(blocks.map((block) => foldTransform(config, block, stats[block.layer]!, folds))).modules;
}

const CASES: readonly [recipe: string, options: RecipeOptions, architecture?: Architecture][] = [
  ["fptq", { folds: FOLDS }],
  ["fptq", { folds: ["value"] }],
  ["fptq", { folds: FOLDS, round: "gptq", lorcRank: 4 }],
  ["awq", { folds: FOLDS }],
  ["smoothquant", { weights: "int4", folds: ["key", "up"] }],
  ["zeroquant-fp", {}],
  ["fptq", { folds: FOLDS }, "qwen2"],
  ["fptq", { folds: FOLDS }, "qwen3"],
  ["fptq", { folds: FOLDS }, "mistral"],
];

for (const [recipe, options, architecture = "llama"] of CASES) {
  const folds = (options.folds ?? []) as readonly Fold[];
  test(`folds exactly, equalization from the norms: ${architecture}, ${recipe}, ${folds.join("+") || "no folds"}`, async () => {
    const made = await models(recipe, options, architecture);
    const { base, quantized } = made;
    const expected = await foldsOf(made, folds);
    const { modules } = await fitTransform(base, quantized, {});
    for (const input of allInputs(describeModel(base.config))) {
      const norm = precedingNorm(input)?.weight;
      const [before, after] = norm === undefined ? [] : [await base.readF32(norm), await quantized.readF32(norm)];
      for (const { name, outFeatures: N, inFeatures: K } of input.modules) {
        const ones = (length: number) => new Float32Array(length).fill(1);
        const [found, needed] = [modules.get(name), expected.get(name)];
        assert.equal(found?.rows ?? ones(N), needed?.rows ?? ones(N), `rows of ${name}`);
        if (!before || !after) assert.equal(found?.columns ?? ones(K), needed?.columns ?? ones(K), `columns of ${name}`);
        else
          assert.equal(
            found!.columns,
            before.map((value, k) => value / after[k]!),
            `columns of ${name}`,
          );
      }
    }
  });
}

test("factors that are no powers of two are taken as they are", async () => {
  const { base, quantized } = await models("rtn", { folds: [] });
  const value = "model.layers.1.self_attn.v_proj";
  const scaled = checkpointView(quantized, {
    readKept: async (module, options) => {
      const kept = await quantized.readKept(module, options);
      const [words, scales] = kept.arrays as [Int32Array, Float32Array];
      return module === value ? { ...kept, arrays: [words, scales.map((scale) => Math.fround(1.4 * scale))] } : kept;
    },
  });
  const { modules } = await fitTransform(base, scaled, {});
  for (const factor of modules.get(value)!.rows!) assert.ok(Math.abs(factor - 1.4) < 0.05, `${factor}`);
  const columns = modules.get("model.layers.1.self_attn.o_proj")!.columns!;
  columns.forEach((factor, c) => {
    const [head, channel] = [Math.floor(c / 16), c % 16];
    const row = Math.floor(head / 2) * 16 + channel;
    assert.ok(Math.abs(factor * modules.get(value)!.rows![row]! - 1) < 1e-6, `column ${c}`);
  });
});

test("progress by layer", async () => {
  const { base, quantized } = await models("rtn", {});
  const seen: number[] = [];
  await fitTransform(base, quantized, { onProgress: ({ done, total }) => seen.push(done, total) });
  assert.equal(seen, [1, 3, 2, 3, 3, 3]);
});

test("refused: another model, and a norm that lost a channel", async () => {
  const { base, quantized } = await models("fptq", {});
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => assert.unreachable(),
      (error: unknown) => error as Error,
    );
  const other = await openSafetensorsCheckpoint(tinyModel(SEED + 1));
  const wrong = (await failure(fitTransform(other, quantized, {})))!;
  assert.instance(wrong, UnsupportedModelError);
  assert.match(
    wrong.message,
    /^quantized: model\.layers\.0\.self_attn\.q_proj: got weights that differ from those of tiny-llama-98 by \d+\.\d\d of /,
  );
  const lame = checkpointView(quantized, {
    readF32: async (tensor, options) => {
      const values = await quantized.readF32(tensor, options);
      if (tensor === "model.layers.2.post_attention_layernorm.weight") values[7] = 0;
      return values;
    },
  });
  const zero = (await failure(fitTransform(base, lame, {})))!;
  assert.instance(zero, CheckpointError);
  assert.match(zero.message, /model\.layers\.2\.post_attention_layernorm\.weight: channel 7: got 0, need 0 where .* has it only/);
});

test.run();
