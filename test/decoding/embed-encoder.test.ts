/** Vectors of models whose tokens see those after them, and of linear layers behind pooling. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseModelConfig, writeModelConfig } from "../../src/architecture/families.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { encodeSafetensors, type TensorPlan } from "../../src/checkpoint/safetensors/safetensors-layout.ts";
import { LanguageModel } from "../../src/decoding/language-model.ts";
import { CheckpointError, OptionError, UnsupportedModelError } from "../../src/errors.ts";
import { exportGguf } from "../../src/export/gguf/export-gguf.ts";
import { nodeHost } from "../../src/host/node.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { MemoryOutputFile } from "../export/memory-output-file.ts";
import { type MemoryFolder, MemoryOutputFolder } from "../memory-folder.ts";
import { assertSameBits, assertWithin } from "../oracle/compare.ts";
import { encoderStates } from "../oracle/text-encoder.ts";
import { tinySamples } from "../quantizer/tiny-samples.ts";
import { mulberry32, normal } from "../random.ts";
import { tinyConfig, tinyModel } from "../tiny-model.ts";

const SEED = 137;
const test = suite(`vectors of text encoders (seed ${SEED})`);
const random = mulberry32(SEED);
const gaussian = normal(random);
const randomIds = (count: number) => Array.from({ length: count }, () => Math.floor(random() * 320));
const floats = (length: number) => Float32Array.from({ length }, () => 0.2 * gaussian());

/** EmbeddingGemma's shape: three layers of which two have a window of five tokens on either side. */
const CONFIG = {
  bidirectional: true,
  headless: true,
  tiedEmbedding: false,
  activation: "gelu_tanh",
  qkNorm: "head",
  attentionWindows: [6, 0, 6],
  ropeTheta: 1_000_000,
  windowRope: { ropeTheta: 10_000, ropeScaling: { kind: "none" } },
  embeddingScale: 8,
  scoreDivisor: 4,
} as const;
const DENSE = [
  { weight: floats(96 * 64), bias: undefined, shape: [96, 64] },
  { weight: floats(64 * 96), bias: floats(64), shape: [64, 96] },
] as const;

function encoderFolder(change: (folder: MemoryFolder) => void = () => {}): MemoryFolder {
  const folder = tinyModel(SEED, { architecture: "gemma3_text", config: CONFIG });
  const types = ["Transformer", "Pooling", "Dense", "Dense", "Normalize"];
  const modules = types.map((name, i) => ({ path: i === 0 ? "" : `${i}_${name}`, type: `sentence_transformers.models.${name}` }));
  folder.set("modules.json", JSON.stringify(modules));
  folder.set("1_Pooling/config.json", JSON.stringify({ pooling_mode_mean_tokens: true, include_prompt: true }));
  for (const [i, { weight, bias, shape }] of DENSE.entries()) {
    const [outFeatures, inFeatures] = shape;
    const activation = "torch.nn.modules.linear.Identity";
    const json = {
      in_features: inFeatures,
      out_features: outFeatures,
      bias: bias !== undefined,
      activation_function: activation,
    };
    folder.set(`${i + 2}_Dense/config.json`, JSON.stringify(json));
    const tensors: TensorPlan[] = [{ name: "linear.weight", type: "F32", shape }];
    if (bias) tensors.push({ name: "linear.bias", type: "F32", shape: [outFeatures] });
    folder.set(`${i + 2}_Dense/model.safetensors`, encodeSafetensors(tensors, [weight, ...(bias ? [bias] : [])]));
  }
  change(folder);
  return folder;
}

const load = (folder: MemoryFolder, options = {}) =>
  LanguageModel.load({ kind: "folder", folder }, nodeHost, { threads: 1, ...options });

/** The mean of the oracle's states through both linear layers, before it is divided by its length. */
async function expectedVector(folder: MemoryFolder, ids: readonly number[]): Promise<Float64Array> {
  const checkpoint = await openSafetensorsCheckpoint(folder);
  // The reader adds 1 to norms, the oracle does too.
  const stored = async (name: string) => {
    const values = await checkpoint.readF32(name);
    return name.endsWith("norm.weight") ? values.map((value) => value - 1) : values;
  };
  const states = await encoderStates(checkpoint.config, stored, ids);
  await checkpoint.close();
  const mean = states[0]!.map((_, e) => states.reduce((sum, row) => sum + row[e]!, 0) / ids.length);
  return DENSE.reduce(
    (x, { weight, bias }) =>
      Float64Array.from({ length: weight.length / x.length }, (_, n) =>
        x.reduce((sum, value, k) => sum + value * weight[n * x.length + k]!, bias?.[n] ?? 0),
      ),
    mean,
  );
}

test("states of tokens that see all others, pooled and through linear layers, as in double precision", async () => {
  const folder = encoderFolder();
  await using model = await load(folder);
  for (const length of [1, 5, 6, 30, 70]) {
    const ids = randomIds(length);
    const expected = await expectedVector(folder, ids);
    const [vector] = await model.embed([ids], { normalize: false });
    const largest = Math.max(...expected.map(Math.abs));
    assertWithin(vector!, expected, () => 1e-5 * largest, `${length} tokens`);
    const [unit] = await model.embed([ids], { dimensions: 16 });
    const size = Math.sqrt(expected.subarray(0, 16).reduce((sum, value) => sum + value ** 2, 0));
    assertWithin(unit!, expected.subarray(0, 16).map((value) => value / size), () => 1e-5, "first channels"); // prettier-ignore
  }
});

test("the same bits alone, among others, with small chunks asked for, in a small cache, by threads", async () => {
  const texts = [3, 64, 1, 130, 1, 40, 200].map(randomIds);
  texts.push([...texts[1]!, 5, 6, 7]); // begins as another one does
  await using model = await load(encoderFolder());
  const alone: Float32Array[] = [];
  for (const text of texts) alone.push((await model.embed([text]))[0]!);
  for (const options of [{}, { chunkSize: 7 }, { cacheTokens: 256, maxSequences: 2 }, { threads: 2 }]) {
    await using other = await load(encoderFolder(), options);
    const together = await other.embed(texts);
    for (const [i, vector] of together.entries()) assertSameBits(vector, alone[i]!, `text ${i}, ${JSON.stringify(options)}`);
  }
});

test("a text is taken whole, and has no logits", async () => {
  await using model = await load(encoderFolder());
  using sequence = model.forwardPass.createSequence();
  await sequence.forward([1, 2, 3], { logits: "none" });
  const error = async (promise: Promise<unknown>) => promise.then(() => undefined, (reason: unknown) => reason); // prettier-ignore
  const again = await error(sequence.forward([4], { logits: "none" }));
  assert.instance(again, OptionError);
  assert.match((again as Error).message, "sequence: got 1 tokens after 3 others, need a whole text");
  const logits = await error(model.forwardPass.forward([1], { logits: "last" }));
  assert.instance(logits, UnsupportedModelError);
  assert.match((logits as Error).message, "got a model without a head");
});

test("sliding_window counts both sides, and is written so", () => {
  const json = writeModelConfig(tinyConfig("gemma3_text", CONFIG));
  assert.is(json["sliding_window"], 10);
  assert.equal(json["architectures"], ["Gemma3TextModel"]);
  const { attentionWindows, bidirectional, headless } = parseModelConfig({ ...json, sliding_window: 512 }, "config.json");
  assert.equal([attentionWindows, bidirectional, headless], [[257, 0, 257], true, true]);
  assert.equal(writeModelConfig(parseModelConfig(json, "config.json")), json);
});

test("a model with linear layers behind pooling is not written in another form", async () => {
  const checkpoint = await openSafetensorsCheckpoint(encoderFolder());
  const work = { host: nodeHost, threads: 1 };
  const recipe = resolveRecipe("rtn");
  for (const written of [
    () => quantizeModel(checkpoint, { samples: tinySamples(SEED, 1, 8) }, recipe, new MemoryOutputFolder("out"), work),
    () => exportGguf(checkpoint, new MemoryOutputFile(), { type: "Q8_0" }),
  ]) {
    const error: unknown = await written().then(() => undefined, (reason: unknown) => reason); // prettier-ignore
    assert.instance(error, UnsupportedModelError);
    assert.match((error as Error).message, "got linear layers behind pooling (2_Dense), need a model without");
  }
  await checkpoint.close();
});

test("linear layers that are not as the files say", async () => {
  const dense = "2_Dense/config.json";
  const change = (key: string, value: unknown) => (folder: MemoryFolder) =>
    folder.set(dense, JSON.stringify({ ...folder.json(dense), [key]: value }));
  for (const [damage, type, message] of [
    [change("activation_function", "torch.nn.modules.activation.Tanh"), UnsupportedModelError, 'activation_function: got "torch.nn.modules.activation.Tanh", supported: Identity'],
    [change("in_features", 32), CheckpointError, "2_Dense: in_features: got 32, need 64"],
    [change("out_features", 95), CheckpointError, "tensor linear.weight: got [96, 64], need [95, 64]"],
    [change("bias", true), CheckpointError, "tensor linear.bias: got nothing, need [96]"],
    [(folder: MemoryFolder) => folder.files.delete("3_Dense/model.safetensors"), CheckpointError, "3_Dense/model.safetensors"],
  ] as const) {
    const error: unknown = await load(encoderFolder(damage)).then((model) => model.dispose(), (reason: unknown) => reason);
    assert.instance(error, type, message);
    assert.match((error as Error).message, message);
  }
}); // prettier-ignore

test.run();
