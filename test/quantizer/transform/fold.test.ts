/**
 * Folds: the model that is quantized computes the same floats as the one that was given, with channels that
 * are more alike.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel } from "../../../src/architecture/description.ts";
import type { ModelConfig } from "../../../src/architecture/model-config.ts";
import type { Checkpoint } from "../../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { RecipeError } from "../../../src/errors.ts";
import { Transformer } from "../../../src/model/transformer.ts";
import {
  absmax,
  type ActivationStats,
  channelAbsmax,
  type ChannelStats,
  type LayerStats,
} from "../../../src/quantizer/calibrate/activation-stats.ts";
import { calibrate } from "../../../src/quantizer/calibrate/calibrate.ts";
import { type Fold, foldObstacle, FOLDS, foldTransform } from "../../../src/quantizer/transform/fold.ts";
import { joinTransforms, transformCheckpoint } from "../../../src/quantizer/transform/transform.ts";
import { quantizeModel, quantizeWithStats } from "../../../src/quantizer/quantize-model.ts";
import { resolveRecipe } from "../../../src/quantizer/recipe/resolve-recipe.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { MemoryOutputFolder } from "../../memory-folder.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { mulberry32 } from "../../random.ts";
import { tinyConfig, tinyModel, type TinyModelOptions } from "../../tiny-model.ts";
import { channels } from "../calibrate/channel-stats.ts";
import { tinySamples } from "../tiny-samples.ts";

const SEED = 83;
const test = suite(`folds (seed ${SEED})`);
const SAMPLES = tinySamples(SEED, 4, 32);
const IDS = SAMPLES[0]!.subarray(0, 24);

async function folded(folds: readonly Fold[], model: TinyModelOptions = {}) {
  const original = await openSafetensorsCheckpoint(tinyModel(SEED, model));
  const stats = await calibrate(original, SAMPLES, { host: nodeHost, threads: 1 });
  const { blocks, config } = describeModel(original.config);
  const transform = joinTransforms(blocks.map((block) => foldTransform(config, block, stats[block.layer]!, folds)));
  return { original, stats, checkpoint: transformCheckpoint(original, transform), modules: [...transform.modules.keys()] };
}

/** Factors of the first layer, by module name. */
function foldFactors(config: ModelConfig, stats: LayerStats, folds: readonly Fold[]) {
  return foldTransform(config, describeModel(config).blocks[0]!, stats, folds).modules;
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
  return Math.max(...stats.map((layer) => Math.max(...size(layer[site]!)) / Math.min(...size(layer[site]!))));
}

const rms = ({ secondMoment }: ChannelStats) => Float32Array.from(secondMoment, Math.sqrt);

for (const [what, model] of [
  ["grouped heads", {}],
  ["biases", { architecture: "qwen2" }],
  ["norms on q and k", { architecture: "qwen3" }],
  [
    "neighbouring channels turn, gate and up in one module, norms behind",
    { architecture: "glm4", config: { rotaryPairs: "neighbours", rotaryDim: 8, attentionBias: "qkv" } },
  ],
  ["queries, keys and values in one module", { architecture: "phi3" }],
  ["a layer that does not turn", { architecture: "smollm3", config: { unrotatedLayers: [2] } }],
  ["norms behind alone", { architecture: "olmo2", config: { qkNorm: "all" } }],
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
  const after = await calibrate(checkpoint, SAMPLES, { host: nodeHost, threads: 1 });
  assert.ok(spread(after, "k", channelAbsmax) < spread(stats, "k", channelAbsmax));
  assert.ok(spread(after, "v", rms) < spread(stats, "v", rms));
  assert.ok(spread(after, "down", rms) < spread(stats, "down", rms));
});

test("factors are powers of two, shared by both halves of a rotated pair and by the query heads of a key head", async () => {
  const { original, stats } = await folded([]);
  const { config } = original;
  const factors = foldFactors(config, stats[0]!, FOLDS);
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
  const factors = foldFactors(original.config, { ...stats[0]!, down: still }, ["up"]);
  assert.is(factors.get("model.layers.0.mlp.down_proj")!.columns![3], 1);
});

test("norms on q and k would undo a fold of keys, so there is none", async () => {
  const { modules } = await folded(["key"], { architecture: "qwen3" });
  assert.equal(modules, []);
});

/** A layer of invented statistics: sizes that differ from channel to channel. */
function layerStats({ heads: H, kvHeads: Hkv, headDim: D, ffnSize: F, hiddenSize: E }: ModelConfig): LayerStats {
  const random = mulberry32(SEED);
  const sizes = (K: number) => channels(Float32Array.from({ length: K }, () => 2 ** (8 * random())));
  return { qkv: sizes(E), o: sizes(H * D), up: sizes(E), down: sizes(F), k: sizes(Hkv * D), v: sizes(Hkv * D) };
}

test("only channels that turn together share a factor of keys", () => {
  const D = 16;
  for (const rotaryDim of [0, 4, 8, 16]) {
    const config = tinyConfig("llama", { rotaryDim, positions: rotaryDim > 0 ? "rope" : "alibi" });
    const stats = layerStats(config);
    const keys = foldFactors(config, stats, ["key"]).get("model.layers.0.self_attn.k_proj")!.rows!;
    const logs = channelAbsmax(stats.k!).map(Math.log2);
    keys.forEach((value, c) => {
      const channel = c % D;
      const pair = c - channel + ((channel + rotaryDim / 2) % rotaryDim);
      if (channel < rotaryDim) return assert.is(value, keys[pair], `channel ${channel} of ${rotaryDim}`);
      // A power of two nearest to its own size, up to what all keys have in common.
      const other = c - channel + 15;
      const expected = logs[other]! - logs[c]!;
      assert.ok(Math.abs(Math.log2(value / keys[other]!) - expected) <= 1.001, `channel ${channel} of ${rotaryDim}`);
    });
    if (rotaryDim === 0) assert.ok(new Set(keys.subarray(0, D)).size > 3);
  }
  const neighbours = tinyConfig("llama", { rotaryPairs: "neighbours", rotaryDim: 8 });
  const keys = foldFactors(neighbours, layerStats(neighbours), ["key"]).get("model.layers.0.self_attn.k_proj")!.rows!;
  keys.forEach((value, c) => c % D >= 8 || assert.is(value, keys[c ^ 1], `channel ${c}`));
  assert.ok(new Set(keys.subarray(0, D)).size > 3);
});

test("where nothing turns, each channel of keys has a factor of its own", () => {
  const config = tinyConfig("smollm3", { unrotatedLayers: [0] });
  const keys = foldFactors(config, layerStats(config), ["key"]).get("model.layers.0.self_attn.k_proj")!.rows!;
  assert.ok([...keys].some((value, c) => value !== keys[c - (c % 16) + ((c + 8) % 16)]));
});

test("one module of queries, keys and values has the rows of three, one after another", () => {
  const config = tinyConfig();
  const [block] = describeModel(config).blocks;
  const stats = layerStats(config);
  const [qkv, ...others] = block!.inputs;
  const rows = qkv!.modules.reduce((sum, { outFeatures }) => sum + outFeatures, 0);
  const module = { ...qkv!.modules[0]!, name: "fused", outFeatures: rows };
  const fused = { ...block!, inputs: [{ ...qkv!, modules: [module] }, ...others] };
  const whole = foldTransform(config, fused, stats, FOLDS).modules.get("fused")!.rows!;
  const separate = foldFactors(config, stats, FOLDS);
  const parts = qkv!.modules.flatMap(({ name }) => Array.from(separate.get(name)!.rows!));
  assert.equal([...whole], parts);
});

test("where one norm feeds attention and MLP, up is still the last of the modules", () => {
  const config = tinyConfig();
  const [block] = describeModel(config).blocks;
  const [qkv, o, up, down] = block!.inputs;
  const parallel = { ...block!, inputs: [{ ...qkv!, modules: [...qkv!.modules, ...up!.modules] }, o!, down!] };
  const stats = layerStats(config);
  const found = foldTransform(config, parallel, stats, FOLDS).modules;
  assert.equal(found, foldTransform(config, block!, stats, FOLDS).modules);
});

test("an MLP without a gate has a fold of up with ReLU, which positive factors pass, and none with GELU", () => {
  for (const activation of ["gelu", "gelu_tanh", "silu"] as const) {
    const config = tinyConfig("llama", { gatedMlp: false, activation });
    assert.match(foldObstacle("up", config)!, new RegExp(`got an MLP of ${activation}, need a gated one`));
    assert.equal([...foldFactors(config, layerStats(config), ["up"])], []);
  }
  const relu = tinyConfig("llama", { gatedMlp: false, activation: "relu" });
  assert.is(foldObstacle("up", relu), undefined);
  assert.equal([...foldFactors(relu, layerStats(relu), ["up"]).keys()].length, 2);
  assert.ok(foldObstacle("key", tinyConfig("qwen3")));
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
  const report = await quantizeModel(original, { samples: SAMPLES }, recipe, new MemoryOutputFolder("q"), {
    host: nodeHost,
    threads: 1,
  });
  assert.equal(report.recipe.folds, ["key"]);
  const factors = foldFactors(original.config, stats[0]!, ["key"]).get("model.layers.0.self_attn.k_proj")!.rows!;
  const range = Math.max(...channelAbsmax(stats[0]!.k!).map((value, c) => value * factors[c]!));
  assert.ok(Math.abs(report.kv_cache![0]!.k_range / range - 1) < 1e-6);
  assert.not.equal(report.kv_cache![0]!.k_range, absmax(stats[0]!.k!));
});

test("statistics of the model as it was are refused for a recipe that folds", async () => {
  const { original, stats } = await folded([]);
  const recipe = resolveRecipe("rtn", { folds: ["up"], groupSize: 32 });
  try {
    await quantizeWithStats(original, { stats }, recipe, new MemoryOutputFolder("q"), { host: nodeHost });
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
