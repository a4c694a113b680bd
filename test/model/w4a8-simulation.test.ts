/**
 * W4A8 logits from the kernels against a float simulation of the same checkpoint that never sees packed
 * weights or tiles.
 */
import { suite } from "uvu";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { nodeHost } from "../../src/host/node.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { simulate } from "../oracle/float-simulation.ts";
import { tinySamples } from "../quantizer/tiny-samples.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 7;
const test = suite(`W4A8 against the float simulation (seed ${SEED})`);

/** Dot products are exact in integers; what differs is the float arithmetic around them: see `bound`. */
const source = await openSafetensorsCheckpoint(tinyModel(SEED));
const ids = Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % source.config.vocabSize);

/**
 * Relative to the largest logit. Per layer some 8 float operations follow one another on every path (norm,
 * scale, RoPE, softmax, weighted sum, scale, SiLU, residual), on sums of up to 192 terms in another order: at
 * most 8 * sqrt(192) units per layer, and each layer's error goes through the next at most doubled. No
 * activation of this seed lies so near the border of two codes.
 */
const floatBound = 8 * Math.sqrt(192) * (2 ** source.config.layers - 1) * F32_EPSILON;

/**
 * The head's input has 14 bits, whose borders lie so close that float error does put an element of it on
 * either side: one of 64 x 48 in about a hundred. Two in one token are allowed for. An element one code off
 * moves a logit by its scale times a weight, and a norm makes no element larger than sqrt(E) times its
 * largest weight.
 */
const CODES_OFF = 2;
const largestOf = (values: Float32Array) => values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
const { hiddenSize: E } = source.config;
const norm = largestOf(await source.readF32("model.norm.weight"));
const codeOff = ((Math.sqrt(E) * norm) / 8191) * largestOf(await source.readF32("model.embed_tokens.weight"));

/** Recipes by what is simulated of them. */
const RECIPES: readonly [name: string, options: RecipeOptions][] = [
  ["fptq", {}],
  ["rtn", {}],
  ["rtn-static", {}],
  ["fptq", { weights: "fp4" }],
  ["rtn", { weights: "fp4" }],
  ["rtn", { activations: "fp8" }],
  ["rtn", { activations: "fp8-e5m2" }],
  ["rtn", { activations: "int4" }],
  ["fptquant", { localSteps: 3 }],
  ["fptquant-w4a4", { localSteps: 3 }],
];

for (const [name, options] of RECIPES) {
  const recipe = [name, options.weights, options.activations].filter(Boolean).join(" ");
  for (const embedding of ["f16", "q8"] as const) {
    const output = new MemoryOutputFolder("quantized");
    await quantizeModel(
      source,
      { samples: tinySamples(SEED, 4, 64) },
      resolveRecipe(name, { ...options, embedding, groupSize: 32 }),
      output,
      { host: nodeHost, threads: 1 },
    );
    const head = embedding === "q8" ? "q8" : "f32";
    test(`${recipe}, embedding ${embedding}, head ${head}, float cache`, async () => {
      const { off, bound } = await worstDifference(output, { head, kvCache: "f32" }, floatBound);
      const [found, allowed] = [off.toExponential(1), bound.toExponential(1)];
      console.log(`\nfigure: ${recipe}, head ${head}: worst logit off by ${found} of the largest, bound ${allowed}`);
    });
  }
}

for (const [recipe, lorcRank] of [
  ["rtn", 3],
  ["rtn", 8],
  ["fptq+gptq", 8],
  ["gptq", 5],
] as const) {
  const output = new MemoryOutputFolder("compensated");
  const options = { groupSize: 32, lorcRank };
  await quantizeModel(source, { samples: tinySamples(SEED, 4, 64) }, resolveRecipe(recipe, options), output, {
    host: nodeHost,
    threads: 1,
  });
  test(`${recipe} with low-rank terms of rank ${lorcRank}`, async () => {
    await worstDifference(output, { head: "q8", kvCache: "f32" }, floatBound);
  });
}

async function worstDifference(
  output: MemoryOutputFolder,
  options: LoadOptions & { head: "f32" | "q8" },
  relative: number,
): Promise<{ off: number; bound: number }> {
  const checkpoint = await openSafetensorsCheckpoint(output.result);
  const expected = await simulate(checkpoint, ids, { head: options.head });
  const model = await Transformer.load(checkpoint, nodeHost, { threads: 1, ...options });
  const { vocabSize } = checkpoint.config;
  const logits = new Float32Array(ids.length * vocabSize);
  await model.forward(ids, { logits: ({ values, firstRow }) => logits.set(values, firstRow * vocabSize) });
  await model.dispose();
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const bound = relative + (options.head === "q8" ? CODES_OFF * codeOff : 0) / largest;
  assertWithin(logits, expected, () => bound * largest, "logits");
  const off = logits.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected[i]!)), 0) / largest;
  return { off, bound };
}

test.run();
