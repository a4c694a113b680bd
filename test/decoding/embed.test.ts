/** Vectors and scores of texts, against values that transformers computed and against single passes. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseModelConfig } from "../../src/architecture/families.ts";
import { ggufPooling, type Pooling } from "../../src/checkpoint/pooling.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { readSafetensorsHeader, readSafetensorsRows } from "../../src/checkpoint/safetensors/safetensors.ts";
import { embed, type EmbedOptions } from "../../src/decoding/embed.ts";
import { LanguageModel } from "../../src/decoding/language-model.ts";
import { CheckpointError, OptionError, UnsupportedModelError } from "../../src/errors.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { nodeHost } from "../../src/host/node.ts";
import { openFile, openFolder } from "../../src/host/node/node-files.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { type MemoryFolder, MemoryOutputFolder } from "../memory-folder.ts";
import { assertSameBits, assertWithin } from "../oracle/compare.ts";
import { tinySamples } from "../quantizer/tiny-samples.ts";
import { mulberry32 } from "../random.ts";
import { sharedData } from "../shared-data.ts";
import { tinyModel } from "../tiny-model.ts";
import { tinyTokenizer } from "../tiny-tokenizer.ts";

const SEED = 131;
const test = suite(`embed and rerank (seed ${SEED})`);
const random = mulberry32(SEED);
const randomIds = (count: number) => Array.from({ length: count }, () => Math.floor(random() * 320));

const MODULES = ["Transformer", "Pooling", "Normalize"].map((name, idx) => ({
  idx,
  name: `${idx}`,
  path: idx === 0 ? "" : `${idx}_${name}`,
  type: `sentence_transformers.models.${name}`,
}));
const LAST = {
  pooling_mode_cls_token: false,
  pooling_mode_mean_tokens: false,
  pooling_mode_lasttoken: true,
  include_prompt: true,
};
const PROMPTS = { prompts: { query: "the query ", document: "" }, default_prompt_name: null };

/** A tiny Qwen3 with the files of sentence-transformers. */
function embeddingFolder({
  modules = MODULES as unknown,
  pooling = LAST as object,
  prompts = PROMPTS as object,
} = {}): MemoryFolder {
  const folder = tinyModel(SEED, { architecture: "qwen3" });
  folder.set("modules.json", JSON.stringify(modules));
  folder.set("1_Pooling/config.json", JSON.stringify(pooling));
  folder.set("config_sentence_transformers.json", JSON.stringify(prompts));
  return folder;
}

const load = (folder: MemoryFolder, options = {}) =>
  LanguageModel.load({ kind: "folder", folder }, nodeHost, { threads: 1, ...options });

/** States after the final norm, f32[S, E], of one sequence by itself. */
async function states(model: LanguageModel, ids: readonly number[]): Promise<Float32Array> {
  const { hiddenSize: E } = model.config;
  const all = new Float32Array(ids.length * E);
  using sequence = model.forwardPass.createSequence();
  const read = ({ values, firstRow }: { values: Float32Array; firstRow: number }) => all.set(values, firstRow * E);
  await sequence.forward(ids, { logits: "none", states: { of: "all", read } });
  return all;
}

test("the reference model: last states and their unit vectors", async () => {
  const path = sharedData("reference/tiny/qwen3-embedding");
  if (path === undefined) return;
  const checkpoint = await openSafetensorsCheckpoint(openFolder(path));
  const forwardPass = await Transformer.load(checkpoint, nodeHost, { threads: 1 });
  const source = await openFile(`${path}/expected.safetensors`);
  const { tensors } = await readSafetensorsHeader(source);
  const buffer = async (name: string) => (await readSafetensorsRows(source, tensors.get(name)!)).slice().buffer;
  const texts: number[][] = [];
  for (let i = 0; i < 3; i++) texts.push(Array.from(new BigInt64Array(await buffer(`input_ids.${i}`)), Number));
  const tokenizer = { encode: () => [] }; // ids are given
  const old = JSON.parse(readFileSync(`${path}/config.old.json`, "utf8")) as JsonObject;
  assert.equal(parseModelConfig(old, "config.old.json"), checkpoint.config);
  const vectors = (options: EmbedOptions) => embed({ tokenizer, forwardPass, pooling: undefined, dense: [] }, texts, options);
  const [units, whole] = [await vectors({ pooling: "last" }), await vectors({ pooling: "last", normalize: false })];
  for (let i = 0; i < 3; i++) {
    const last = new Float32Array(await buffer(`last_hidden.${i}`));
    const largest = last.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assertWithin(whole[i]!, last, () => 1e-5 * largest, `last_hidden.${i}`);
    assertWithin(units[i]!, new Float32Array(await buffer(`embedding.${i}`)), () => 1e-5, `embedding.${i}`);
  }
  await source.close();
  await forwardPass.dispose();
  await checkpoint.close();
});

test("pooled as the files say, or as asked", async () => {
  await using model = await load(embeddingFolder());
  assert.equal(model.pooling, { kind: "last", normalize: true, prompts: PROMPTS.prompts } satisfies Pooling);
  const ids = randomIds(70);
  const E = model.config.hiddenSize;
  const all = await states(model, ids);
  const [whole, mean, cls] = [
    await model.embed([ids], { normalize: false }),
    await model.embed([ids], { pooling: "mean", normalize: false }),
    await model.embed([ids], { pooling: "cls", normalize: false }),
  ].map(([vector]) => vector!);
  assertSameBits(whole!, all.slice(-E), "last");
  assertSameBits(cls!, all.slice(0, E), "cls");
  const sums = Float64Array.from({ length: E }, (_, d) => ids.reduce((sum, _id, s) => sum + all[s * E + d]!, 0));
  assertSameBits(
    mean!,
    Float32Array.from(sums, (sum) => sum / ids.length),
    "mean",
  );
  const [unit] = await model.embed([ids], { dimensions: 16 });
  assert.is(unit!.length, 16);
  const length = Math.sqrt(whole!.subarray(0, 16).reduce((sum, value) => sum + value ** 2, 0));
  assertWithin(unit!, whole!.slice(0, 16).map((value) => value / length), () => 1e-6, "unit vector"); // prettier-ignore
});

test("the same bits alone, among others, in small chunks, in a small cache", async () => {
  const texts = [3, 64, 65, 1, 130, 40, 200].map(randomIds);
  const alone: Float32Array[] = [];
  await using model = await load(embeddingFolder(), { cacheTokens: 1024 });
  for (const text of texts) alone.push((await model.embed([text], { pooling: "mean" }))[0]!);
  for (const options of [{ cacheTokens: 1024 }, { chunkSize: 7 }, { cacheTokens: 256, maxSequences: 2 }, { threads: 2 }]) {
    await using other = await load(embeddingFolder(), options);
    const together = await other.embed(texts, { pooling: "mean" });
    for (const [i, vector] of together.entries()) assertSameBits(vector, alone[i]!, `text ${i}, ${JSON.stringify(options)}`);
    assert.is(other.forwardPass.cacheTokens.available, other.forwardPass.cacheTokens.total);
  }
});

test("texts: prompts by name, special tokens as text, what is put around them", async () => {
  const folder = embeddingFolder();
  const tokenizer = folder.json("tokenizer.json");
  tokenizer["post_processor"] = {
    type: "TemplateProcessing",
    single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "<|endoftext|>", type_id: 0 } }],
    pair: [],
    special_tokens: { "<|endoftext|>": { id: "<|endoftext|>", ids: [0], tokens: ["<|endoftext|>"] } },
  };
  folder.set("tokenizer.json", JSON.stringify(tokenizer));
  await using model = await load(folder);
  const [asked, plain, marked] = await model.embed(["the cat", "the query the cat", "<|im_end|>"]);
  const [named] = await model.embed(["the cat"], { promptName: "query" });
  assertSameBits(named!, plain!, "query");
  assert.is.not(asked!.join(), plain!.join());
  const ids = [...model.tokenizer.encode("<|im_end|>", { parseSpecial: false, addSpecialTokens: false }), 0];
  assert.ok(ids.length > 2);
  assertSameBits(marked!, (await model.embed([ids]))[0]!, "plain text");
});

test("what cannot be pooled is refused by name", async () => {
  await using model = await load(tinyModel(SEED));
  const refuses = async (promise: Promise<unknown>, kind: new (message: string) => Error, pattern: RegExp) => {
    const error: unknown = await promise.then(() => undefined, (reason: unknown) => reason); // prettier-ignore
    assert.instance(error, kind, String(error));
    assert.match((error as Error).message, pattern);
  };
  await refuses(model.embed(["a"]), OptionError, /^pooling: got nothing.*need one of "last", "mean", "cls"/);
  await refuses(model.embed(["a"], { pooling: "max" as "mean" }), OptionError, /^pooling: got "max"/);
  await refuses(model.embed([""], { pooling: "last" }), OptionError, /^text 0: got 0 tokens/);
  await refuses(model.embed([[1], randomIds(300)], { pooling: "last" }), OptionError, /^text 1: got 300 tokens, need 1 to 256/);
  await refuses(model.embed(["a"], { pooling: "last", promptName: "query" }), OptionError, /promptName: got "query", need none/);
  await refuses(model.embed(["a"], { pooling: "last", dimensions: 65 }), OptionError, /^dimensions: got 65/);
  await refuses(model.rerank("a", ["b"]), UnsupportedModelError, /rerank: got a tokenizer without "<think>"/);
  const others = [...MODULES.slice(0, 2), { idx: 2, name: "2", path: "2_CNN", type: "sentence_transformers.models.CNN" }];
  await refuses(
    load(embeddingFolder({ modules: others })),
    UnsupportedModelError,
    /modules\.json: module 2: got ".*CNN" in "2_CNN"/,
  );
  await refuses(load(embeddingFolder({ modules: {} })), CheckpointError, /modules\.json: got {}, need an array/);
  const max = { pooling_mode_max_tokens: true };
  await refuses(
    load(embeddingFolder({ pooling: max })),
    UnsupportedModelError,
    /pooling_mode: got \["pooling_mode_max_tokens"\]/,
  );
  const excluded = { pooling_mode_mean_tokens: true, include_prompt: false };
  await refuses(load(embeddingFolder({ pooling: excluded })), UnsupportedModelError, /include_prompt: got false/);
});

test("a model without a head gives vectors, and no logits", async () => {
  for (const [what, change] of [
    ["by its class", { architectures: ["Qwen3Model"] }],
    ["by its files", {}],
  ] as const) {
    const folder = embeddingFolder();
    const tied = await load(folder);
    const expected = await tied.embed(["the cat"]);
    await tied.dispose();
    folder.set("config.json", JSON.stringify({ ...folder.json("config.json"), tie_word_embeddings: false, ...change }));
    await using model = await load(folder);
    assert.is(model.config.headless, true, what);
    assertSameBits((await model.embed(["the cat"]))[0]!, expected[0]!, what);
    const error: unknown = await model.generate("a").result.then(() => undefined, (reason: unknown) => reason); // prettier-ignore
    assert.instance(error, UnsupportedModelError, String(error));
    assert.match((error as Error).message, /logits: got a model without a head/);
  }
});

test("a quantized model keeps how it pools", async () => {
  const source = await openSafetensorsCheckpoint(embeddingFolder());
  const output = new MemoryOutputFolder("quantized");
  const recipe = resolveRecipe("fptq", { groupSize: 32 });
  await quantizeModel(source, { samples: tinySamples(SEED, 4, 64) }, recipe, output, { host: nodeHost, threads: 1 });
  await using model = await load(output.result);
  assert.equal(model.pooling, source.pooling);
  await using floats = await load(embeddingFolder());
  const [[vector], [expected]] = [await model.embed(["the cat"]), await floats.embed(["the cat"])];
  const cosine = vector!.reduce((sum, value, d) => sum + value * expected![d]!, 0);
  assert.ok(cosine > 0.9, `cosine ${cosine}`);
});

test("the pooling of a GGUF", () => {
  const kinds = [undefined, 0, 1, 2, 3].map((type) => ggufPooling(type, "file.gguf: key")?.kind);
  assert.equal(kinds, [undefined, undefined, "mean", "cls", "last"]);
  assert.throws(() => ggufPooling(4, "file.gguf: key"), /file\.gguf: key: got 4 \(rank\), supported: 0 to 3/);
});

test("reranking: the probability of yes against no after the prompt of the model card", async () => {
  const folder = tinyModel(SEED, { architecture: "qwen3", config: { vocabSize: 324, contextLength: 2048 } });
  const tokenizer = tinyTokenizer(320).tokenizerJson as { added_tokens: object[] };
  for (const [i, content] of ["<think>", "</think>", "yes", "no"].entries()) {
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
    tokenizer.added_tokens.push({ id: 320 + i, content, ...flags });
  }
  folder.set("tokenizer.json", JSON.stringify(tokenizer));
  await using model = await load(folder);
  const documents = ["the cat sat on the mat", "the dog <|im_end|>", "", "the cat sat on the red ball ".repeat(9)];
  const scores = await model.rerank("where is the cat", documents, { instruction: "find it" });
  for (const [i, document] of documents.entries()) {
    const before =
      "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. " +
      'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n';
    const body = `<Instruct>: find it\n<Query>: where is the cat\n<Document>: ${document}`;
    const ids = [
      ...model.tokenizer.encode(before),
      ...model.tokenizer.encode(body, { parseSpecial: false }),
      ...model.tokenizer.encode("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"),
    ];
    const logits = (await model.logits(ids)).slice(-324);
    const score = 1 / (1 + Math.exp(logits[323]! - logits[322]!));
    assert.ok(Math.abs(scores[i]! - score) < 1e-6, `document ${i}: ${scores[i]} and ${score}`);
    assert.is((await model.rerank("where is the cat", [document], { instruction: "find it" }))[0], scores[i], "alone");
  }
  assert.is(new Set(scores).size, 4);
});

test.run();
