/** Parts of a quantized model put back to float: nothing else changes, and all of them make the base. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Architecture, ModelConfig } from "../../src/architecture/model-config.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { floatCache, MODEL_PARTS, type ModelPart, quantizedParts, withFloatParts } from "../../src/evaluation/float-parts.ts";
import { nodeHost } from "../../src/host/node.ts";
import { openLocation } from "../../src/host/node/node-files.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { fitTransform } from "../../src/quantizer/transform/fit-transform.ts";
import { transformCheckpoint } from "../../src/quantizer/transform/transform.ts";
import { linearModules } from "../linear-modules.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { logitsOf } from "../model/logits-of.ts";
import { F32_EPSILON } from "../oracle/compare.ts";
import { simulate } from "../oracle/float-simulation.ts";
import { tinySamples } from "../quantizer/tiny-samples.ts";
import { sharedData } from "../shared-data.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 36;
const test = suite(`parts put back to float (seed ${SEED})`);
/** Few: no input of an int8 layer lies so near the border of two codes that float error matters. */
const IDS = Array.from({ length: 8 }, (_, i) => (i * 53 + 7) % 320);

interface Pair {
  readonly base: Checkpoint;
  /** With the transform of the quantized one. */
  readonly transformed: Checkpoint;
  readonly quantized: Checkpoint;
}

interface Case {
  readonly recipe: string;
  readonly options?: RecipeOptions;
  readonly architecture?: Architecture;
  readonly config?: Partial<ModelConfig>;
}

async function pairOf({ architecture = "llama", config = {}, ...made }: Case): Promise<Pair> {
  return pairFrom(await openSafetensorsCheckpoint(tinyModel(SEED, { architecture, config })), made);
}

async function pairFrom(base: Checkpoint, { recipe, options = {} }: Pick<Case, "recipe" | "options">): Promise<Pair> {
  const output = new MemoryOutputFolder("quantized");
  await quantizeModel(base, { samples: tinySamples(SEED, 4, 64) }, resolveRecipe(recipe, options), output, {
    host: nodeHost,
    threads: 1,
  });
  const quantized = await openSafetensorsCheckpoint(output.result);
  return { base, quantized, transformed: transformCheckpoint(base, await fitTransform(base, quantized, {})) };
}

const viewOf = ({ quantized, transformed }: Pair, parts: readonly ModelPart[]) =>
  withFloatParts({ quantized, base: transformed, parts: new Set(parts) });

const largest = (values: ArrayLike<number>) => Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const distance = (a: ArrayLike<number>, b: ArrayLike<number>) => largest(Array.from(a, (value, i) => value - b[i]!));

/** The bound of `w4a8-simulation.test.ts`, which says where it comes from, of three layers. */
const BOUND = 8 * Math.sqrt(192) * (2 ** 3 - 1) * F32_EPSILON;

const FOLDED = { folds: ["key", "value", "up"], groupSize: 32 } as const satisfies RecipeOptions;
const CASES: readonly Case[] = [
  { recipe: "fptq", options: FOLDED },
  { recipe: "rtn-static", options: { groupSize: 32, embedding: "f16", kvCache: "f32" } },
  { recipe: "rtn", options: { groupSize: 32, kvCache: "q8t" } },
  { recipe: "fptq+gptq", options: { ...FOLDED, lorcRank: 4 } },
  { recipe: "zeroquant-fp", options: { groupSize: 32 } },
  { recipe: "smoothquant" },
  { recipe: "awq", options: { groupSize: 32 } },
  { recipe: "fptq", options: FOLDED, architecture: "qwen2" },
  { recipe: "fptq", options: FOLDED, architecture: "qwen3" },
  { recipe: "fptq", options: FOLDED, architecture: "mistral" },
];

const caseName = ({ recipe, options = {}, architecture = "llama" }: Case) =>
  [architecture, recipe, ...Object.keys(options)].join(" ");

for (const given of CASES) {
  test(`each part alone, some and all, against the simulation: ${caseName(given)}`, async () => {
    const pair = await pairOf(given);
    const parts = quantizedParts(pair.quantized);
    const stored = pair.quantized.quantization!;
    const some: readonly ModelPart[] = ["weights", "up", "head"];
    // The simulation knows nothing of what the kernels do with an int8 cache besides.
    const simulated = parts.filter((part) => part !== "keys" && part !== "values");
    const views: readonly (readonly ModelPart[])[] = [[], ...simulated.map((part) => [part]), some, simulated];
    let before: Float32Array | undefined;
    for (const view of views) {
      const checkpoint = viewOf(pair, view);
      const head = view.includes("head") || !stored.linear("model.embed_tokens") ? "f32" : "q8";
      const found = await logitsOf(checkpoint, IDS, { weights: "f32", kvCache: "f32" });
      const expected = await simulate(checkpoint, IDS, { head });
      // Codes of the head's input that float error puts on the other side of a border.
      const codes = head === "q8" ? 5e-4 : 0;
      const off = distance(found, expected) / largest(expected);
      assert.ok(off <= BOUND + codes, `${view.join() || "nothing"}: off by ${off}`);
      before ??= found;
      const changed = distance(found, before) / largest(before);
      // 16 bits hold nearly all of a head or an embedding of floats.
      const least = stored.linear("model.embed_tokens") || !["head", "embedding"].includes(view.join()) ? 1e-3 : 0;
      if (view.length > 0) assert.ok(changed > least, `${view.join()}: only ${changed} is changed`);
    }
    const base = await logitsOf(pair.base, IDS);
    const all = await logitsOf(viewOf(pair, parts), IDS, { weights: "f32", kvCache: floatCache(new Set(parts)) });
    const off = distance(all, base) / largest(base);
    assert.ok(off <= BOUND, `all parts: off by ${off}`);
  });
}

test("a part changes its own modules and nothing else", async () => {
  const pair = await pairOf({ recipe: "fptq", options: FOLDED });
  const { quantized, transformed } = pair;
  const modules = linearModules(quantized.config);
  for (const part of MODEL_PARTS) {
    const view = viewOf(pair, [part]);
    for (const { name, input } of modules) {
      const [found, before] = [view.quantization!.linear(name), quantized.quantization!.linear(name)!];
      const what = `${part}: ${name}`;
      if (part === "weights") {
        assert.is(found, undefined, what);
        assert.equal(view.quantization!.floatLinearInput!(name), before.activations, what);
        assert.equal(await view.readF32(`${name}.weight`), await transformed.readF32(`${name}.weight`), what);
      } else {
        assert.equal(found, part === input ? { ...before, activations: { kind: "none" } } : before, what);
        const packed = `${name}.weight_packed`;
        assert.equal(await view.readRaw(packed), await quantized.readRaw(packed), what);
      }
    }
    for (const [name, info] of quantized.tensors) {
      const isChanged = part === "weights" ? /weight_(packed|scale|shape)$/.test(name) && name.includes(".layers.") : false;
      const isEnd = name.startsWith("model.embed_tokens") || name === "model.norm.weight";
      if (isChanged) assert.not.ok(view.tensors.has(name), `${part}: ${name}`);
      else if (!isEnd) assert.equal(view.tensors.get(name), info, `${part}: ${name}`);
    }
    const ends = [...view.tensors.keys()].filter((name) => /embed_tokens|lm_head/.test(name));
    const packed = (module: string) => ["packed", "scale", "shape"].map((kind) => `${module}.weight_${kind}`);
    const expected = {
      head: ["lm_head.weight", ...packed("model.embed_tokens")],
      embedding: [...packed("lm_head"), "model.embed_tokens.weight"],
    };
    const needed = part in expected ? expected[part as "head"] : packed("model.embed_tokens");
    assert.equal(ends.toSorted(), needed.toSorted(), part);
  }
});

const untied = { recipe: "rtn", options: { groupSize: 32 }, config: { tiedEmbedding: false } } as const satisfies Case;

test("all parts make the base: a head of its own", async () => {
  const pair = await pairOf(untied);
  const parts = quantizedParts(pair.quantized);
  const [base, all] = [
    await logitsOf(pair.base, IDS),
    await logitsOf(viewOf(pair, parts), IDS, { weights: "f32", kvCache: "f32" }),
  ];
  const off = distance(all, base) / largest(base);
  assert.ok(off <= BOUND, `off by ${off}`);
});

for (const name of ["gpt2", "phi", "gpt-neox", "gpt-neox-sequential", "bloom"]) {
  const folder = sharedData(`reference/tiny/${name}`);
  if (folder === undefined) continue;
  test(`all parts make the base: ${name}`, async () => {
    const base = await openCheckpoint(await openLocation(folder));
    const pair = await pairFrom(base, { recipe: "fptq", options: FOLDED });
    const parts = quantizedParts(pair.quantized);
    const ids = IDS.map((id) => id % base.config.vocabSize);
    const before = await logitsOf(base, ids, { contextSize: 64 });
    const all = await logitsOf(viewOf(pair, parts), ids, { weights: "f32", kvCache: "f32", contextSize: 64 });
    const off = distance(all, before) / largest(before);
    assert.ok(off <= BOUND, `off by ${off}`);
    assert.is(parts.includes("up"), base.config.architecture !== "phi", "a norm that feeds all makes one input");
  });
}

test("parts that are floats already are left out", async () => {
  const weightOnly = await pairOf({ recipe: "gptq", options: { groupSize: 32, kvCache: "f32" } });
  assert.equal(quantizedParts(weightOnly.quantized), ["weights", "head", "embedding"]);
  assert.equal(quantizedParts(weightOnly.base), ["weights", "head", "embedding"]);
});

test.run();
