/** Weights of 4 bits with some of 8: the ones that gain most for a bit, up to the bits asked for. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { allInputs, describeModel } from "../../../src/architecture/description.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { RecipeError } from "../../../src/errors.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { quantizeModel } from "../../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../../src/quantizer/recipe/resolve-recipe.ts";
import { MemoryOutputFolder } from "../../memory-folder.ts";
import { logitsOf } from "../../model/logits-of.ts";
import { simulate } from "../../oracle/float-simulation.ts";
import { tinyModel } from "../../tiny-model.ts";
import { tinySamples } from "../tiny-samples.ts";

const SEED = 47;
const test = suite(`mixed bits (seed ${SEED})`);
const IDS = Array.from({ length: 8 }, (_, i) => (i * 71 + 3) % 320);
const source = await openSafetensorsCheckpoint(tinyModel(SEED));

async function quantize(recipe: string, options: RecipeOptions) {
  const output = new MemoryOutputFolder("mixed");
  const resolved = resolveRecipe(recipe, { groupSize: 32, scales: "bf16", ...options });
  const report = await quantizeModel(source, { samples: tinySamples(SEED, 4, 48) }, resolved, output, {
    host: nodeHost,
    threads: 1,
  });
  return { report, checkpoint: await openSafetensorsCheckpoint(output.result) };
}

/** All in 4 bits, with one bf16 scale for 32 weights; all in 8, with one for a row of 64 or 192. */
const LEAST = 4.5;
const MOST = 8 + (16 * (128 + 64 + 384 + 64)) / 49152;

for (const recipe of ["rtn", "fptq", "fptq-best"]) {
  test(`greedy by what a bit takes from the error at the output: ${recipe}`, async () => {
    const [four, eight] = [await quantize(recipe, { bits: LEAST }), await quantize(recipe, { bits: MOST })];
    assert.ok(four.report.layers.every(({ weights }) => weights === "int4"));
    assert.ok(eight.report.layers.every(({ weights, group_size: G }, i) => weights === "int8" && G === [64, 64, 64, 192][i % 4]));
    const inputs = allInputs(describeModel(source.config)).map(({ path, width: K, modules }, i) => {
      const N = modules.reduce((sum, { outFeatures }) => sum + outFeatures, 0);
      const extra = N * (8 * K + 16 - (4 * K + (16 * K) / 32));
      const gain = four.report.layers[i]!.output_nmse! - eight.report.layers[i]!.output_nmse!;
      return { path, weights: N * K, extra, gain: gain / extra };
    });
    const total = inputs.reduce((sum, { weights }) => sum + weights, 0);
    for (const bits of [4.7, 5.3, 6.9]) {
      let left = Math.round((bits - LEAST) * total);
      const expected = new Set<string>();
      for (const { path, extra } of inputs.toSorted((a, b) => b.gain - a.gain)) {
        if (extra > left) continue;
        left -= extra;
        expected.add(path);
      }
      const { report, checkpoint } = await quantize(recipe, { bits });
      const found = report.layers.filter(({ weights }) => weights === "int8").map(({ name }) => name);
      assert.equal(new Set(found), expected, `${bits} bits`);
      assert.ok(found.length > 0 && found.length < inputs.length, `${found.length}`);
      assert.ok(report.bits_per_weight <= bits && report.bits_per_weight > LEAST, `${report.bits_per_weight}`);
      for (const { modules, path } of allInputs(describeModel(source.config))) {
        for (const { name } of modules) {
          assert.is(checkpoint.quantization!.linear(name)!.weights, expected.has(path) ? "int8" : "int4", name);
        }
      }
    }
  });
}

test("what is written is what runs, and bits take from the error of the logits", async () => {
  const float = await simulate(source, IDS);
  const energy = float.reduce((sum, value) => sum + value * value, 0);
  const errors: number[] = [];
  for (const bits of [LEAST, 6, MOST]) {
    const { checkpoint } = await quantize("gptq", { bits, kvCache: "f32", embedding: "f16" });
    const expected = await simulate(checkpoint, IDS);
    const found = await logitsOf(checkpoint, IDS, { weights: "f32" });
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    found.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) <= 1e-4 * largest, `logit ${i}`));
    errors.push(expected.reduce((sum, value, i) => sum + (value - float[i]!) ** 2, 0) / energy);
  }
  assert.ok(errors[0]! > errors[1]! && errors[1]! > 10 * errors[2]!, errors.join(", "));
});

test("refused: bits that no mixture has, and what is not mixed", async () => {
  const refused = (options: RecipeOptions) =>
    quantize("rtn", options).then(
      () => new Error("accepted"),
      (error: unknown) => error as Error,
    );
  for (const [options, message] of [
    [{ bits: 4.4 }, /^bits: got 4\.4, need a number from 4\.500, all in int4, to 8\.\d+, all in int8$/],
    [{ bits: 8.5 }, /^bits: got 8\.5, need a number from 4\.500/],
    [{ bits: 12 }, /^bits: got 12, need a number between 4 and 9$/],
    [{ bits: Number.NaN }, /^bits: got NaN/],
    [{ bits: 5, weights: "int8", groupSize: "channel" }, /^bits: got 5 for int8 weights, need weights of 4 bits$/],
    [{ bits: 5, lorcRank: 2 }, /^bits: got 5 and low-rank terms of rank 2, need one of them$/],
    [{ bits: 5, round: "autoround" }, /^bits: got 5 and round autoround, which learns codes of 4 bits/],
  ] as const) {
    const error = await refused(options);
    assert.instance(error, RecipeError, error.message);
    assert.match(error.message, message);
  }
});

test.run();
