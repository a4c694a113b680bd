/**
 * Folds: the model that is quantized computes the same floats as the one that was given, with channels that
 * are more alike.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { RecipeError } from "../../../src/errors.ts";
import { Transformer } from "../../../src/model/transformer.ts";
import {
  absmax,
  type ActivationStats,
  channelAbsmax,
  type ChannelStats,
} from "../../../src/quantizer/calibrate/activation-stats.ts";
import { calibrate } from "../../../src/quantizer/calibrate/calibrate.ts";
import { type Fold, foldFactors, FOLDS } from "../../../src/quantizer/transform/fold.ts";
import { foldCheckpoint } from "../../../src/quantizer/transform/folded-checkpoint.ts";
import { quantizeModel, quantizeWithStats } from "../../../src/quantizer/quantize-model.ts";
import { resolveRecipe } from "../../../src/quantizer/recipe/recipe-options.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { MemoryOutputFolder } from "../../memory-folder.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { tinyModel, type TinyModelOptions } from "../../tiny-model.ts";
import { tinySamples } from "../tiny-samples.ts";

const SEED = 83;
const test = suite(`folds (seed ${SEED})`);
const SAMPLES = tinySamples(SEED, 4, 32);
const IDS = SAMPLES[0]!.subarray(0, 24);

async function folded(folds: readonly Fold[], model: TinyModelOptions = {}) {
  const original = await openSafetensorsCheckpoint(tinyModel(SEED, model));
  const stats = await calibrate(original, SAMPLES, nodeHost, { threads: 1 });
  const factors = stats.flatMap((layer, l) => [...foldFactors(original.config, l, layer, folds)]);
  return { original, stats, checkpoint: foldCheckpoint(original, new Map(factors)), modules: factors.map(([name]) => name) };
}

async function logits(checkpoint: Checkpoint): Promise<Float32Array> {
  const model = await Transformer.load(checkpoint, nodeHost, { contextSize: 32, threads: 1 });
  try {
    return (await model.forward(IDS, { logits: "last" }))!.slice();
  } finally {
    await model.dispose();
  }
}

/** Largest over smallest of what is to become alike, over all layers. */
function spread(stats: ActivationStats, site: "k" | "v" | "down", size: (site: ChannelStats) => Float32Array): number {
  return Math.max(...stats.map((layer) => Math.max(...size(layer[site])) / Math.min(...size(layer[site]))));
}

const rms = ({ secondMoment }: ChannelStats) => Float32Array.from(secondMoment, Math.sqrt);

for (const [what, model] of [
  ["grouped heads", {}],
  ["biases", { architecture: "qwen2" }],
  ["norms on q and k", { architecture: "qwen3" }],
] as const) {
  test(`no bit of the float model's logits changes: ${what}`, async () => {
    for (const folds of [...FOLDS.map((fold) => [fold]), FOLDS]) {
      const { original, checkpoint } = await folded(folds, model as TinyModelOptions);
      assertSameBits(await logits(checkpoint), await logits(original), folds.join());
    }
  });
}

test("each fold evens out its own channels", async () => {
  const { stats, checkpoint } = await folded(FOLDS);
  const after = await calibrate(checkpoint, SAMPLES, nodeHost, { threads: 1 });
  assert.ok(spread(after, "k", channelAbsmax) < spread(stats, "k", channelAbsmax));
  assert.ok(spread(after, "v", rms) < spread(stats, "v", rms));
  assert.ok(spread(after, "down", rms) < spread(stats, "down", rms));
});

test("factors are powers of two, shared by both halves of a rotated pair and by the query heads of a key head", async () => {
  const { original, stats } = await folded([]);
  const { config } = original;
  const factors = foldFactors(config, 0, stats[0]!, FOLDS);
  for (const { rows, columns } of factors.values()) {
    for (const values of [rows, columns]) {
      if (values) assert.ok(values.every((value) => Number.isInteger(Math.log2(value))));
    }
  }
  const { headDim: D, heads, kvHeads } = config;
  const keys = factors.get("model.layers.0.self_attn.k_proj")!.rows!;
  const queries = factors.get("model.layers.0.self_attn.q_proj")!.rows!;
  keys.forEach((value, c) => assert.is(value, keys[c - (c % D) + ((c + D / 2) % D)]));
  queries.forEach((value, c) => assert.is(value, 1 / keys[Math.floor(c / D / (heads / kvHeads)) * D + (c % D)]!));
});

test("a channel that was never active keeps its place", async () => {
  const { original, stats } = await folded([]);
  const still = { ...stats[0]!.down, secondMoment: stats[0]!.down.secondMoment.map((value, c) => (c === 3 ? 0 : value)) };
  const factors = foldFactors(original.config, 0, { ...stats[0]!, down: still }, ["up"]);
  assert.is(factors.get("model.layers.0.mlp.down_proj")!.columns![3], 1);
});

test("norms on q and k would undo a fold of keys, so there is none", async () => {
  const { modules } = await folded(["key"], { architecture: "qwen3" });
  assert.equal(modules, []);
});

test("rows read in parts are those of the whole", async () => {
  const { checkpoint } = await folded(FOLDS);
  for (const name of ["self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"]) {
    const tensor = `model.layers.1.${name}.weight`;
    const whole = await checkpoint.readF32(tensor);
    const K = checkpoint.tensors.get(tensor)!.shape[1]!;
    assertSameBits(await checkpoint.readF32(tensor, { rows: [5, 9] }), whole.slice(5 * K, 9 * K), tensor);
  }
});

test("a quantized model's cache scales are those of the folded one", async () => {
  const { original, stats } = await folded([]);
  const recipe = resolveRecipe("rtn", { folds: ["key"], groupSize: 32 });
  const report = await quantizeModel(original, SAMPLES, recipe, new MemoryOutputFolder("q"), nodeHost, { threads: 1 });
  assert.equal(report.recipe.folds, ["key"]);
  const factors = foldFactors(original.config, 0, stats[0]!, ["key"]).get("model.layers.0.self_attn.k_proj")!.rows!;
  const range = Math.max(...channelAbsmax(stats[0]!.k).map((value, c) => value * factors[c]!));
  assert.ok(Math.abs(report.kv_cache![0]!.k_range / range - 1) < 1e-6);
  assert.not.equal(report.kv_cache![0]!.k_range, absmax(stats[0]!.k));
});

test("statistics of the model as it was are refused for a recipe that folds", async () => {
  const { original, stats } = await folded([]);
  const recipe = resolveRecipe("rtn", { folds: ["up"], groupSize: 32 });
  try {
    await quantizeWithStats(original, stats, recipe, new MemoryOutputFolder("q"), nodeHost);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, RecipeError);
    assert.match((error as Error).message, /folded model/);
  }
});

test("unknown folds are refused, and any order is the same recipe", () => {
  assert.throws(() => resolveRecipe("fptq", { folds: ["query" as Fold] }), /folds: got "query", need one of key, value, up/);
  assert.equal(resolveRecipe("fptq", { folds: ["up", "key"] }).folds, ["key", "up"]);
});

test.run();
