/**
 * Sizes that are no multiples of what kernels compute at once: rows of fused layers that share a panel, heads
 * and inputs with a rest. Logits against the oracle, which knows nothing of panels.
 */
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel } from "../../src/architecture/description.ts";
import type { ModelConfig } from "../../src/architecture/model-config.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { nodeHost } from "../../src/host/node.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.ts";
import { UnsupportedModelError } from "../../src/errors.ts";
import { openLocation } from "../../src/host/node/node-files.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { sharedData } from "../shared-data.ts";
import { assertWithin } from "../oracle/compare.ts";
import { simulate } from "../oracle/float-simulation.ts";
import { logitsOf } from "./logits-of.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 37;
const test = suite(`odd sizes (seed ${SEED})`);

/** What a test changes of E 64, H 4, Hkv 2, D 16, F 192, V 320. */
const SIZES: readonly (readonly [what: string, changes: Partial<ModelConfig>, architecture?: "qwen2" | "qwen3"])[] = [
  ["ffn 172", { ffnSize: 172 }],
  ["ffn 101", { ffnSize: 101 }],
  ["ffn 3", { ffnSize: 3 }],
  ["vocabulary 331", { vocabSize: 331 }],
  ["vocabulary 331, a head of its own", { vocabSize: 331, tiedEmbedding: false }],
  ["hidden 100", { hiddenSize: 100 }],
  ["hidden 12", { hiddenSize: 12 }],
  ["hidden 49", { hiddenSize: 49 }],
  ["heads of 12", { headDim: 12 }],
  ["heads of 8", { headDim: 8 }],
  ["heads of 2", { headDim: 2 }],
  ["heads of 12 that share a panel with others", { headDim: 12, heads: 3, kvHeads: 1 }],
  ["heads of 20 with norms", { headDim: 20 }, "qwen3"],
  ["biases, ffn 25", { headDim: 6, heads: 5, kvHeads: 1, ffnSize: 25 }, "qwen2"],
];

const IDS = Array.from({ length: 41 }, (_, i) => 3 + ((i * 37) % 290));

const largest = (values: ArrayLike<number>) => Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);

for (const [what, config, architecture = "llama"] of SIZES) {
  test(`${what}: logits of the oracle, the same in chunks`, async () => {
    const checkpoint = await openSafetensorsCheckpoint(tinyModel(SEED, { architecture, config }));
    const expected = await simulate(checkpoint, IDS);
    const logits = await logitsOf(checkpoint, IDS);
    // As in reference-architectures.test.ts: sums of three layers in another order.
    const limit = 1e-5 * largest(expected);
    assertWithin(logits, expected, () => limit, what);
    for (const chunk of [1, 7]) assert.equal(await logitsOf(checkpoint, IDS, {}, chunk), logits, `chunks of ${chunk}`);
    if (/that share|172/.test(what)) assert.equal(await logitsOf(checkpoint, IDS, { threads: 2 }), logits, "two threads");
  });
}

/** A checkpoint with the first `rows` of each MLP's channels: the others cut off, or zero. */
function withChannels(source: Checkpoint, F: number, how: "cut" | "zero"): Checkpoint {
  const [ups, downs] = [new Set<string>(), new Set<string>()];
  for (const { inputs } of describeModel(source.config).blocks) {
    // Where one norm feeds the MLP too, its first linear is the last of q, k, v and that.
    const up = inputs.find(({ name }) => name === "up")?.modules ?? inputs[0]!.modules.slice(-1);
    for (const { name } of up) ups.add(name);
    downs.add(inputs.at(-1)!.modules[0]!.name);
  }
  const module = (tensor: string) => tensor.replace(/\.(weight|bias)$/, "");
  const tensors = new Map(
    Array.from(source.tensors, ([name, info]) => {
      const isDown = name.endsWith(".weight") && downs.has(module(name));
      if (how === "zero" || !(isDown || ups.has(module(name)))) return [name, info];
      return [name, { ...info, shape: isDown ? [info.shape[0]!, F] : [F, ...info.shape.slice(1)] }];
    }),
  );
  const readF32: Checkpoint["readF32"] = async (name, options = {}) => {
    const [N, K = 1] = source.tensors.get(name)!.shape as [number, number?];
    const [begin, end] = options.rows ?? [0, tensors.get(name)!.shape[0]!];
    const values = await source.readF32(name, { ...options, rows: [begin, end] });
    if (ups.has(module(name))) values.fill(0, Math.max(0, Math.min(N, F) - begin) * K);
    if (!(name.endsWith(".weight") && downs.has(module(name)))) return values;
    return how === "zero" ? values.map((value, i) => (i % K < F ? value : 0)) : values.filter((_, i) => i % K < F);
  };
  const config = how === "cut" ? { ...source.config, ffnSize: F } : source.config;
  return checkpointView(source, { config, tensors, readF32, verify: async () => {}, close: async () => {} });
}

for (const name of ["llama-tied", "qwen3-yarn", "gpt2", "phi", "gpt-neox", "bloom-odd-heads"]) {
  test(`${name} with 99 channels in its MLP: the bits of one whose other channels are zero`, async () => {
    const path = sharedData(`reference/tiny/${name}`);
    if (path === undefined) return;
    const source = await openCheckpoint(await openLocation(path));
    const zero = await logitsOf(withChannels(source, 99, "zero"), IDS);
    assert.equal(await logitsOf(withChannels(source, 99, "cut"), IDS), zero);
    assert.not.equal(await logitsOf(withChannels(source, 98, "zero"), IDS), zero);
    await source.close();
  });
}

test("sequences side by side give what each gives alone", async () => {
  const config = { headDim: 12, heads: 3, kvHeads: 1, ffnSize: 25, vocabSize: 331 };
  const model = await Transformer.load(await openSafetensorsCheckpoint(tinyModel(SEED, { config })), nodeHost, { threads: 1 });
  const prompts = [IDS, IDS.slice(5, 9), [...IDS.slice(0, 20), 9]];
  const run = async (ids: readonly number[]) => model.createSequence().forward(ids, { logits: "last" });
  const alone: (Float32Array | undefined)[] = [];
  for (const ids of prompts) alone.push(await run(ids));
  assert.equal(await Promise.all(prompts.map(run)), alone);
  await model.dispose();
});

test("heads that are too long for the kernels are refused", async () => {
  const config = { headDim: 2050, heads: 1, kvHeads: 1, layers: 1 };
  try {
    await logitsOf(await openSafetensorsCheckpoint(tinyModel(SEED, { config })), IDS);
    assert.unreachable("loaded");
  } catch (error) {
    assert.instance(error, UnsupportedModelError);
    assert.match((error as Error).message, /head dimension: got 2050, need at most 2048/);
  }
});

// 5 layers, heads of 8, ffn 172: trained on stories, so its text can be read (llama2.c's readme has it).
test("stories260K tells its story, by the oracle's logits", async () => {
  const path = sharedData("models/stories260K.gguf");
  if (path === undefined) return;
  const checkpoint = await openCheckpoint(await openLocation(path));
  const tokenizer = new Tokenizer(checkpoint.tokenizer!, checkpoint.name);
  const model = await Transformer.load(checkpoint, nodeHost, { threads: 1 });
  const ids = [1];
  const rows: Float32Array[] = [];
  while (ids.length < 120) {
    rows.push((await model.forward(ids.slice(-1), { logits: "last" }))!.slice());
    ids.push(model.argmax(rows.at(-1)!));
  }
  await model.dispose();
  const text = tokenizer.decode(ids.slice(1));
  const start =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.\nLily's mom said, ";
  assert.is(text.slice(0, start.length), start);
  const expected = await simulate(checkpoint, ids.slice(0, 60));
  const limit = 1e-5 * largest(expected);
  const V = model.config.vocabSize;
  const found = new Float32Array(60 * V);
  rows.slice(0, 60).forEach((row, i) => found.set(row, i * V));
  assertWithin(found, expected, () => limit, "logits");
  await checkpoint.close();
});

test.run();
