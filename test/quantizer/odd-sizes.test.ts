/**
 * Models whose sizes no group divides through the quantizer, with a scale for each channel: written, opened
 * again and run by integers, against the oracle.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ModelConfig } from "../../src/architecture/model-config.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { RecipeError, UnsupportedModelError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { simulate, type SimulationOptions } from "../oracle/float-simulation.ts";
import { logitsOf } from "../model/logits-of.ts";
import { tinyModel } from "../tiny-model.ts";
import { tinySamples } from "./tiny-samples.ts";

const SEED = 43;
const test = suite(`quantizing odd sizes (seed ${SEED})`);
const IDS = Array.from(tinySamples(SEED + 1, 1, 40)[0]!);

/** What a test changes of E 64, H 4, Hkv 2, D 16, F 192, V 320. */
const SIZES: Readonly<Record<string, Partial<ModelConfig>>> = {
  "ffn 172": { ffnSize: 172 },
  "ffn 101, vocabulary 331": { ffnSize: 101, vocabSize: 331 },
  "hidden 100": { hiddenSize: 100 },
  "hidden 49, heads of 12": { hiddenSize: 49, heads: 3, kvHeads: 1, headDim: 12 },
  "hidden 20, heads of 8, a head of its own": { hiddenSize: 20, headDim: 8, tiedEmbedding: false, vocabSize: 331 },
};

async function quantize(config: Partial<ModelConfig>, preset: string, options: RecipeOptions) {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED, { config }));
  const output = new MemoryOutputFolder("quantized");
  const recipe = resolveRecipe(preset, { groupSize: "channel", ...options });
  await quantizeModel(source, { samples: tinySamples(SEED, 4, 48) }, recipe, output, { host: nodeHost, threads: 1 });
  return { source, written: await openSafetensorsCheckpoint(output.result) };
}

const energy = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
const distance = (a: Float32Array, b: Float32Array) => energy(a.map((value, i) => value - b[i]!)) / energy(a);
const simulated = async (checkpoint: Checkpoint, options: SimulationOptions) =>
  Float32Array.from(await simulate(checkpoint, IDS, options));

for (const [what, config] of Object.entries(SIZES)) {
  for (const [preset, options] of [
    ["fptq", { v0: 2, v1: 40 }],
    ["rtn", { lorcRank: 3 }],
    ["rtn", { weights: "fp4", embedding: "f16" }],
    ["smoothquant", {}],
  ] as readonly (readonly [string, RecipeOptions])[]) {
    test(`${what}, ${preset} ${JSON.stringify(options)}: logits of the oracle, the same in chunks`, async () => {
      const { written } = await quantize(config, preset, options);
      const head = options.embedding === "f16" ? "f32" : "q8";
      for (const cache of ["f32", "q8", "q8t"] as const) {
        const found = await logitsOf(written, IDS, { head, kvCache: cache });
        const off = distance(await simulated(written, { head, kCache: cache, vCache: cache }), found);
        // A code on the other side of a tie moves its layer's output by 1/127 of it, and that seldom; queries
        // and weights of an int8 cache are rounded to 14 bits.
        assert.ok(off < 1e-3, `cache ${cache}: ${off}`);
        for (const chunk of [1, 7])
          assert.equal(await logitsOf(written, IDS, { head, kvCache: cache }, chunk), found, `chunks of ${chunk}`);
      }
    });
  }
}

test("float weights run by an int8 head, packed ones as floats", async () => {
  const { source, written } = await quantize({ hiddenSize: 100, ffnSize: 172 }, "rtn", { embedding: "f16" });
  assert.ok(distance(await simulated(source, { head: "q8" }), await logitsOf(source, IDS, { head: "q8" })) < 1e-6);
  assert.ok(distance(await logitsOf(source, IDS), await logitsOf(source, IDS, { head: "q8" })) < 1e-3);
  const weightOnly = await quantize({ hiddenSize: 100, ffnSize: 172 }, "rtn", { activations: "none", embedding: "f16" });
  assert.ok(
    distance(await simulated(weightOnly.written, {}), await logitsOf(weightOnly.written, IDS, { kvCache: "f32" })) < 1e-9,
  );
  void written;
});

for (const [preset, options, Kind, pattern] of [
  ["rtn", { groupSize: "auto" }, RecipeError, /down_proj has 172 in_features; none of 128, 64, 32 divides it, need "channel"/],
  ["rtn", { groupSize: 64 }, RecipeError, /group size 64 does not divide: .*down_proj has 172/],
  ["gptq", {}, RecipeError, /round: got "gptq" for model\.layers\.0\.down of 172 in_features, need nearest, or a multiple of 8/],
  ["rtn", { round: "search" }, RecipeError, /round: got "search"/],
  ["awq", {}, RecipeError, /equalize: got "awq"/],
  ["rtn", { activations: "fp8" }, RecipeError, /activations: got "fp8" .* a multiple of 16/],
  ["rtn", { distillSteps: 1 }, UnsupportedModelError, /MLP size: got 172, need a multiple of 8 to differentiate it/],
] as readonly (readonly [string, RecipeOptions, new (message: string) => Error, RegExp])[]) {
  test(`refused for ffn 172: ${preset} ${JSON.stringify(options)}`, async () => {
    try {
      await quantize({ ffnSize: 172 }, preset, options);
      assert.unreachable("quantized");
    } catch (error) {
      assert.instance(error, Kind, String(error));
      assert.match((error as Error).message, pattern);
    }
  });
}

test.run();
