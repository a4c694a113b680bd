/**
 * The whole quantizer on tiny models: what is written, read back and decoded by the format's rules, is what
 * was decided.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { encodeF16 } from "../../src/checkpoint/formats/float-formats.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { blockModules, describeModel } from "../../src/architecture/description.ts";
import { AbortError, RecipeError } from "../../src/errors.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { Transformer } from "../../src/model/transformer.ts";
import type { Progress } from "../../src/progress.ts";
import { absmax, channelAbsmax } from "../../src/quantizer/calibrate/activation-stats.ts";
import { calibrate } from "../../src/quantizer/calibrate/calibrate.ts";
import { equalizationFactors, equalizeColumns, equalizedRange } from "../../src/quantizer/transform/equalize.ts";
import { parsePolicyOverride } from "../../src/quantizer/decide/policy.ts";
import { quantizeModel, quantizeWithStats } from "../../src/quantizer/quantize-model.ts";
import { dequantizeRows, quantizeRows } from "../../src/quantizer/round/quantize-weights.ts";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { nodeHost } from "../../src/host/node.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { simulate } from "../oracle/float-simulation.ts";
import { decodePacked } from "../oracle/simulated-model.ts";
import { tinyModel, type TinyModelOptions } from "../tiny-model.ts";
import { rowFormat } from "./round/row-format.ts";
import { tinySamples } from "./tiny-samples.ts";

const SEED = 23;
const test = suite(`quantizer end to end (seed ${SEED})`);
const SAMPLES = tinySamples(SEED, 4, 32);

async function quantizeTiny(model: TinyModelOptions = {}, recipeName = "fptq", options: RecipeOptions = {}) {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED, model));
  const stats = await calibrate(source, SAMPLES, { host: nodeHost, threads: 1 });
  const output = new MemoryOutputFolder("quantized");
  const recipe = resolveRecipe(recipeName, { groupSize: 32, ...options });
  const report = await quantizeWithStats(source, { stats, source: "tiny samples" }, recipe, output, { host: nodeHost });
  assert.is(output.state, "committed");
  const written = await openSafetensorsCheckpoint(output.result);
  return { source, stats, report, output, written };
}

/**
 * A linear module of a checkpoint as numbers, by the rule of the format and without the quantizer's own code.
 */
async function decodeModule(checkpoint: Checkpoint, name: string) {
  const scheme = checkpoint.quantization!.linear(name)!;
  assert.is.not(scheme.weights, "int4m");
  const weights = scheme.weights as Exclude<typeof scheme.weights, "int4m">;
  const q = decodePacked(await checkpoint.readRaw(`${name}.weight_packed`), weights);
  const scale = await checkpoint.readF32(`${name}.weight_scale`);
  const G = q.length / scale.length;
  return { q, scale, weight: Float32Array.from(q, (code, i) => code * scale[Math.floor(i / G)]!) };
}

const VARIANTS: readonly [string, TinyModelOptions][] = [
  ["llama, tied", {}],
  ["llama, untied head, three shards, BF16", { config: { tiedEmbedding: false }, shards: 3, type: "BF16" }],
  ["qwen2, biases, F16", { architecture: "qwen2", type: "F16" }],
  ["qwen3, q/k norms", { architecture: "qwen3", config: { headDim: 32 } }],
];

for (const [name, model] of VARIANTS) {
  test(`${name}: every tensor read back is the quantizer's own, bit for bit`, async () => {
    const { source, stats, written, report } = await quantizeTiny(model, "fptq", { v0: 4 });
    const { config } = source;
    assert.ok(
      report.layers.some(({ policy }) => policy === "lae+static"),
      "something is equalized",
    );
    assert.ok(
      report.layers.some(({ policy }) => policy === "dynamic"),
      "something is dynamic",
    );
    const rebuilt = { ...written.config };
    assert.equal(rebuilt, config, "the configuration survives");

    for (const { layer, inputs } of describeModel(config).blocks) {
      for (const { name: input, modules } of inputs) {
        const { policy, input_scale } = report.layers.find((row) => row.name === `model.layers.${layer}.${input}`)!;
        const channels = channelAbsmax(stats[layer]![input]!);
        const factors = policy === "lae+static" ? equalizationFactors(channels, { kind: "lae", alpha: 1 }) : undefined;
        for (const module of modules) {
          const weight = await source.readF32(`${module.name}.weight`);
          const own = quantizeRows(
            factors ? equalizeColumns(weight, factors) : weight,
            rowFormat(module.inFeatures, 32, "int4"),
            {
              tensor: module.name,
              firstRow: 0,
            },
          );
          const found = await decodeModule(written, module.name);
          assert.equal(found.q, own.q, `${module.name} codes`);
          assertSameBits(found.scale, own.scale, `${module.name} scales`);
          assertSameBits(found.weight, dequantizeRows(own), `${module.name} values`);
          const shape = new BigInt64Array(Uint8Array.from(await written.readRaw(`${module.name}.weight_shape`)).buffer);
          assert.equal([...shape].map(Number), [module.outFeatures, module.inFeatures]);
          if (module.bias) {
            assertSameBits(await written.readF32(`${module.name}.bias`), await source.readF32(`${module.name}.bias`), "bias");
          }
          // Every linear that reads a static input carries the one scale.
          const expected = policy === "dynamic" ? null : Math.fround(equalizedRange(channels, factors) / 127);
          assert.is(input_scale, expected);
          const stored = written.tensors.has(`${module.name}.input_scale`);
          assert.is(stored, expected !== null, `${module.name}.input_scale is there for static inputs only`);
          if (stored) assert.is((await written.readF32(`${module.name}.input_scale`))[0], expected);
        }
        const norm = { qkv: "input_layernorm", up: "post_attention_layernorm", o: undefined, down: undefined }[input];
        if (norm !== undefined) {
          const tensor = `model.layers.${layer}.${norm}.weight`;
          const weight = await source.readF32(tensor);
          assertSameBits(await written.readF32(tensor), factors ? weight.map((value, k) => value / factors[k]!) : weight, tensor);
        }
      }
      for (const [half, site] of [
        ["k_scale", "k"],
        ["v_scale", "v"],
      ] as const) {
        const stored = await written.readF32(`model.layers.${layer}.self_attn.${half}`);
        assert.is(stored[0], Math.fround(absmax(stats[layer]![site]!) / 127));
      }
      for (const norm of config.qkNorm !== "none" ? ["q_norm", "k_norm"] : []) {
        const tensor = `model.layers.${layer}.self_attn.${norm}.weight`;
        assertSameBits(await written.readF32(tensor), await source.readF32(tensor), tensor);
      }
    }
    for (const module of ["model.embed_tokens", ...(config.tiedEmbedding ? [] : ["lm_head"])]) {
      const own = quantizeRows(await source.readF32(`${module}.weight`), rowFormat(64, 64, "int8"), {
        tensor: module,
        firstRow: 0,
      });
      const found = await decodeModule(written, module);
      assert.equal(found.q, own.q, module);
      assertSameBits(found.scale, own.scale, module);
    }
    assertSameBits(await written.readF32("model.norm.weight"), await source.readF32("model.norm.weight"), "model.norm");
  });
}

/**
 * Energy of the difference of a written model's logits from its source's, relative to the energy of those.
 */
async function logitError(recipeName: string, options: RecipeOptions): Promise<number> {
  const ids = SAMPLES[0]!.subarray(0, 24);
  const { source, written } = await quantizeTiny({}, recipeName, options);
  const expected = await simulate(source, ids);
  const actual = await simulate(written, ids, { head: "q8", kCache: "q8", vCache: "q8" });
  const energy = expected.reduce((sum, value) => sum + value * value, 0);
  const error = expected.reduce((sum, value, i) => sum + (value - actual[i]!) ** 2, 0) / energy;
  console.log(
    `\nfigure: tiny model by ${recipeName} ${JSON.stringify(options)}: logits off by ${error.toFixed(3)} of their energy`,
  );
  return error;
}

test("equalizing everything that can be costs no more than not equalizing", async () => {
  // Random weights are the worst case for 4 bits. Unrelated logits would differ by twice their energy, and
  // factors folded into weights but not into the norm, or the other way round, give unrelated logits.
  const plain = await logitError("rtn", {});
  assert.ok(plain < 0.5, `${plain}`);
  const equalized = await logitError("fptq", { v0: 0 });
  assert.ok(equalized < 2 * plain, `${equalized} against ${plain}`);
});

test("config.json keeps the source's keys and gains two; the tokenizer and generation settings come along", async () => {
  const { source, output, report } = await quantizeTiny();
  const { quantization_config: scheme, fptq, ...kept } = output.result.json("config.json");
  assert.equal(kept, source.configJson);
  assert.is((scheme as { format: string }).format, "pack-quantized");
  assert.equal((fptq as { recipe: unknown }).recipe, JSON.parse(JSON.stringify(report.recipe)));
  assert.equal(output.result.json("tokenizer.json"), source.tokenizer!.tokenizerJson);
  assert.equal(output.result.json("tokenizer_config.json"), source.tokenizer!.tokenizerConfig);
  const written = await openSafetensorsCheckpoint(output.result);
  assert.equal(written.generation, source.generation);
  assert.equal(output.result.json("quantization-report.json"), JSON.parse(JSON.stringify(report)));
});

test("bits per weight count codes and scales", async () => {
  for (const groupSize of [32, 64]) {
    const { report } = await quantizeTiny({}, "rtn", { groupSize });
    assert.is(report.bits_per_weight, 4 + 32 / groupSize);
  }
});

test("an embedding in float16 is the source's, rounded, and is no module of the scheme", async () => {
  const { source, written, output } = await quantizeTiny({ config: { tiedEmbedding: false } }, "fptq", { embedding: "f16" });
  for (const name of ["model.embed_tokens", "lm_head"]) {
    assert.is(written.tensors.get(`${name}.weight`)?.type, "F16");
    assert.equal(Uint8Array.from(await written.readRaw(`${name}.weight`)), encodeF16(await source.readF32(`${name}.weight`)));
    assert.is(written.quantization!.linear(name), undefined);
  }
  const { ignore } = output.result.json("config.json")["quantization_config"] as { ignore: string[] };
  assert.equal(ignore, ["lm_head"]);
});

/** How the input of each linear module is quantized, in the order data flows. */
async function activationKinds(recipe: string, options: RecipeOptions = {}): Promise<string[]> {
  const { written } = await quantizeTiny({}, recipe, options);
  return blockModules(describeModel(written.config)).map(({ name }) => written.quantization!.linear(name)!.activations.kind);
}

test("presets and overrides decide the activations of every module", async () => {
  assert.equal(new Set(await activationKinds("rtn")), new Set(["dynamic"]));
  assert.equal(new Set(await activationKinds("rtn-static")), new Set(["static"]));
  const mixed = await activationKinds("rtn", { overrides: [parsePolicyOverride("model.layers.1.*=static")] });
  assert.equal(
    mixed.map((kind) => kind === "static"),
    mixed.map((_, i) => i >= 7 && i < 14),
  );
});

test("without cache scales the checkpoint says so", async () => {
  const { written, report } = await quantizeTiny({}, "fptq", { kvCache: "f32" });
  assert.is(written.quantization!.kvCache, "f32");
  assert.is(report.kv_cache, null);
  assert.not.ok([...written.tensors.keys()].some((name) => name.endsWith("k_scale")));
});

test("a cache with a scale per token and head stores none, and is what a model is loaded with", async () => {
  const [{ written, report }, calibrated] = [await quantizeTiny({}, "fptq", { kvCache: "q8t" }), await quantizeTiny()];
  assert.is(written.quantization!.kvCache, "q8t");
  assert.is(report.kv_cache, null);
  assert.not.ok([...written.tensors.keys()].some((name) => name.endsWith("k_scale") || name.endsWith("v_scale")));
  const logitsOf = async (checkpoint: Checkpoint, options: LoadOptions) => {
    const model = await Transformer.load(checkpoint, nodeHost, { threads: 1, ...options });
    const logits = await model.forward([1, 2, 3, 5, 8], { logits: "last" });
    const { kvCache } = model;
    await model.dispose();
    return { kvCache, logits: logits! };
  };
  const found = await logitsOf(written, {});
  assert.equal(found.kvCache, { k: "q8t", v: "q8t" });
  // The same weights: only what the file says of the cache is different.
  assert.equal(await logitsOf(calibrated.written, { kvCache: "q8t" }), found);
  assert.not.equal((await logitsOf(calibrated.written, {})).logits, found.logits);
});

test("equal input gives equal files, but for the time in the report", async () => {
  const [a, b] = [await quantizeTiny(), await quantizeTiny()];
  for (const fileName of a.output.result.files.keys()) {
    if (fileName === "quantization-report.json") continue;
    assert.equal(b.output.result.bytes(fileName), a.output.result.bytes(fileName), fileName);
  }
});

test("progress rises to its total, and only one shard is open at a time", async () => {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED));
  const output = new MemoryOutputFolder("quantized");
  const seen: Progress[] = [];
  await quantizeModel(source, { samples: SAMPLES }, resolveRecipe(), output, {
    host: nodeHost,
    threads: 1,
    onProgress: (step) => seen.push(step),
  });
  const steps = seen.filter(({ phase }) => phase === "quantize");
  assert.ok(steps.every(({ done }, i) => i === 0 || done >= steps[i - 1]!.done));
  assert.is(steps.at(-1)!.done, steps[0]!.total);
  assert.is(output.maxOpen, 1);
});

// --- what goes wrong

/** The checkpoint with one value of one tensor replaced. */
function withValue(checkpoint: Checkpoint, tensor: string, index: number, value: number): Checkpoint {
  const readF32: Checkpoint["readF32"] = async (name, options) => {
    const values = (await checkpoint.readF32(name, options)).slice();
    if (name === tensor) values[index] = value;
    return values;
  };
  return checkpointView(checkpoint, { readF32 });
}

/** Runs the second half of the quantizer on a changed checkpoint and gives the error it must end in. */
async function failureOf(
  change: (source: Checkpoint) => Checkpoint,
  recipe = resolveRecipe("fptq", { groupSize: 32 }),
  options: { signal?: AbortSignal } = {},
): Promise<Error> {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED));
  const stats = await calibrate(source, SAMPLES, { host: nodeHost, threads: 1 });
  const output = new MemoryOutputFolder("quantized");
  let found: unknown;
  try {
    await quantizeWithStats(change(source), { stats }, recipe, output, { host: nodeHost, ...options });
  } catch (error) {
    found = error;
  }
  assert.is(output.state, "discarded");
  assert.instance(found, Error);
  return found as Error;
}

for (const [tensor, index, value, message] of [
  ["model.layers.1.mlp.down_proj.weight", 200, NaN, /model\.layers\.1\.mlp\.down_proj\.weight: got NaN at \[1, 8\]/],
  ["model.layers.0.self_attn.q_proj.weight", 0, Infinity, /q_proj\.weight: got Infinity at \[0, 0\]/],
  ["model.embed_tokens.weight", 64, -Infinity, /model\.embed_tokens\.weight: got -Infinity at \[1, 0\]/],
  ["model.layers.2.input_layernorm.weight", 3, NaN, /input_layernorm\.weight: got NaN at element 3/],
  ["model.norm.weight", 63, NaN, /model\.norm\.weight: got NaN at element 63/],
] as const) {
  test(`${value} in ${tensor} ends in an error and leaves no folder`, async () => {
    const error = await failureOf((source) => withValue(source, tensor, index, value));
    assert.instance(error, RecipeError);
    assert.match(error.message, message);
  });
}

test("a value float16 cannot hold is refused where the embedding is to be float16", async () => {
  const recipe = resolveRecipe("fptq", { groupSize: 32, embedding: "f16" });
  const error = await failureOf((source) => withValue(source, "model.embed_tokens.weight", 70, 65520), recipe);
  assert.instance(error, RecipeError);
  assert.match(error.message, /model\.embed_tokens\.weight: got 65520 at element 70, need less than 65520 for float16/);
});

test("a quantized model is not quantized again", async () => {
  const { written } = await quantizeTiny();
  const output = new MemoryOutputFolder("again");
  const error = await quantizeModel(written, { samples: SAMPLES }, resolveRecipe(), output, { host: nodeHost }).catch(
    (reason: unknown) => reason,
  );
  assert.instance(error, RecipeError);
  assert.match((error as Error).message, /already quantized/);
  assert.is(output.state, "discarded");
});

test("a group size that does not divide is refused before calibration runs", async () => {
  const source = await openSafetensorsCheckpoint(tinyModel(1));
  const progress: string[] = [];
  const error = await quantizeModel(
    source,
    { samples: SAMPLES },
    resolveRecipe("fptq", { groupSize: 128 }),
    new MemoryOutputFolder("out"),
    { host: nodeHost, threads: 1, onProgress: ({ phase }) => progress.push(phase) },
  ).catch((reason: unknown) => reason);
  assert.instance(error, RecipeError);
  assert.equal(progress, []);
});

test("a group size that does not divide is refused before anything is written", async () => {
  const error = await failureOf((source) => source, resolveRecipe("fptq", { groupSize: 128 }));
  assert.instance(error, RecipeError);
  assert.match(error.message, /group size 128 does not divide: model\.layers\.\*\.self_attn\.q_proj/);
});

test("an abort between tensors leaves no folder", async () => {
  const controller = new AbortController();
  let reads = 0;
  const counting = (source: Checkpoint) => {
    const readF32: Checkpoint["readF32"] = async (name, options) => {
      const values = await source.readF32(name, options);
      if (++reads === 5) controller.abort();
      return values;
    };
    return checkpointView(source, { readF32 });
  };
  assert.instance(await failureOf(counting, resolveRecipe("rtn"), { signal: controller.signal }), AbortError);
  assert.is(reads, 5);
});

test.run();
