/** The whole models that cases begin with: as small as kernels allow, one of every form there is. */
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { nodeHost } from "../../src/host/node.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import type { Architecture, ModelConfig } from "../../src/architecture/model-config.ts";
import type { RecipeName } from "../../src/quantizer/recipe/recipe-presets.ts";
import { CONFIGS, familyFolder } from "../../test/architecture/family-folder.ts";
import { type MemoryFolder, MemoryOutputFolder } from "../../test/memory-folder.ts";
import { mulberry32 } from "../../test/random.ts";
import { tinyModel, type TinyModelOptions } from "../../test/tiny-model.ts";
import { tinyTokenizer } from "../../test/tiny-tokenizer.ts";
import type { BlockType } from "../../test/checkpoint/gguf/ggml-oracle.ts";
import { buildGguf, f32s, type FixtureValue, i32s, string, strings, u32 } from "../../test/checkpoint/gguf/gguf-fixture.ts";
import { integerFolder, type IntegerKind } from "../../test/checkpoint/quantization/integer-folder.ts";
import { splitGguf } from "../../test/checkpoint/gguf/split-gguf.ts";
import { ggufOf, tinyGguf, type TinyModel } from "../../test/checkpoint/gguf/tiny-gguf.ts";
import type { Files } from "./subject.ts";

const SEED = 5;
/** Three special tokens, 256 bytes and five merges. */
const VOCABULARY = 264;
const SIZES: Partial<ModelConfig> = {
  vocabSize: VOCABULARY, hiddenSize: 32, layers: 1, heads: 2, kvHeads: 1, headDim: 16, rotaryDim: 16, ffnSize: 64,
  contextLength: 64,
}; // prettier-ignore

const filesOf = (folder: MemoryFolder): Files => new Map([...folder.files].map(([name, { bytes }]) => [name, bytes]));

function llamaLike(architecture: Architecture, options: TinyModelOptions = {}): MemoryFolder {
  const attentionWindows = [architecture === "mistral" ? 8 : 0];
  const folder = tinyModel(SEED, { ...options, architecture, config: { ...SIZES, attentionWindows, ...options.config } });
  withTokenizer(folder);
  return folder;
}

/** A tokenizer without the numbers of special steps: every step that `tokenizer.json` can have is an edit. */
function withTokenizer(folder: MemoryFolder): void {
  const { tokenizerJson, tokenizerConfig } = tinyTokenizer(VOCABULARY);
  folder.set("tokenizer.json", JSON.stringify(tokenizerJson));
  folder.set("tokenizer_config.json", JSON.stringify(tokenizerConfig));
  folder.set("generation_config.json", JSON.stringify({ eos_token_id: [2], temperature: 0.7, top_k: 40, top_p: 0.9 }));
}

function family(name: keyof typeof CONFIGS): MemoryFolder {
  const random = mulberry32(SEED);
  const json = { ...CONFIGS[name], vocab_size: VOCABULARY, bos_token_id: 1, eos_token_id: 2 };
  const { folder } = familyFolder(json, SEED, {
    change: (stored) => {
      for (const { values } of stored.values()) for (let i = 0; i < values.length; i++) values[i] = random() / 4 - 0.125;
    },
  });
  withTokenizer(folder);
  return folder;
}

async function quantized(source: MemoryFolder, recipe: RecipeName, options: RecipeOptions): Promise<Files> {
  const checkpoint = await openSafetensorsCheckpoint(source);
  const output = new MemoryOutputFolder("quantized");
  const random = mulberry32(SEED);
  const samples = Array.from({ length: 2 }, () => Int32Array.from({ length: 24 }, () => Math.floor(random() * VOCABULARY)));
  const work = { host: nodeHost, threads: 1 };
  await quantizeModel(checkpoint, { samples }, resolveRecipe(recipe, { groupSize: 32, ...options }), output, work);
  await checkpoint.close();
  return filesOf(output.result);
}

async function integers(kind: IntegerKind): Promise<Files> {
  const { folder } = await integerFolder(kind, SEED, { config: { ...SIZES, attentionWindows: [0] } });
  withTokenizer(folder);
  return filesOf(folder);
}

const utf8 = new TextEncoder();
const TEMPLATE = String((tinyTokenizer(VOCABULARY).tokenizerConfig as { chat_template: string }).chat_template);

/** SentencePiece: letters, some pairs of them, and every byte, so that any text has ids. */
function sentencePiece(count: number): [string, FixtureValue][] {
  const letters = [..."\u2581abcdefghijklmnopqrstuvwxyz"];
  const tokens = ["<unk>", "<s>", "</s>", ...letters, "th", "he", "the", "at", "cat", "\u2581the", "on", "an", "in", "er"];
  const used = tokens.slice(0, count);
  return [
    ["tokenizer.ggml.model", string("llama")],
    ["tokenizer.ggml.tokens", strings(used)],
    ["tokenizer.ggml.scores", f32s(used.map((_, id) => -id))],
    ["tokenizer.ggml.token_type", i32s(used.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : 1)))],
    ["tokenizer.ggml.bos_token_id", u32(1)],
    ["tokenizer.ggml.eos_token_id", u32(2)],
    ["tokenizer.chat_template", string(TEMPLATE)],
    ["general.name", string("tiny")],
  ];
}

function byteLevel(): [string, FixtureValue][] {
  const { model } = tinyTokenizer(VOCABULARY).tokenizerJson as { model: { vocab: Record<string, number>; merges: string[] } };
  const tokens = Object.keys(model.vocab);
  return [
    ["tokenizer.ggml.model", string("gpt2")],
    ["tokenizer.ggml.pre", string("gpt-2")],
    ["tokenizer.ggml.tokens", strings(tokens)],
    ["tokenizer.ggml.token_type", i32s(tokens.map((_, id) => (id < 3 ? 3 : 1)))],
    ["tokenizer.ggml.merges", strings(model.merges)],
    ["tokenizer.ggml.bos_token_id", u32(1)],
    ["tokenizer.ggml.eos_token_id", u32(2)],
    ["tokenizer.chat_template", string(TEMPLATE)],
    ["general.name", string("tiny")],
  ];
}

const gguf = (bytes: Uint8Array): Files => new Map([["model.gguf", bytes]]);

function llamaGguf(type: BlockType, model: Omit<TinyModel, "type"> = { architecture: "llama" }): Files {
  const { fixture } = tinyGguf({ ...model, type });
  return gguf(buildGguf({ ...fixture, metadata: [...fixture.metadata, ...sentencePiece(40)] }).bytes);
}

/** In three parts, of which the first may have nothing but metadata. */
function llamaParts(type: BlockType, bareFirst: boolean): Files {
  const { fixture } = tinyGguf({ architecture: "llama", type });
  return splitGguf({ ...fixture, metadata: [...fixture.metadata, ...sentencePiece(40)] }, 3, { bareFirst });
}

async function familyGguf(name: keyof typeof CONFIGS): Promise<Files> {
  const checkpoint = await openSafetensorsCheckpoint(family(name));
  const fixture = await ggufOf(checkpoint);
  await checkpoint.close();
  return gguf(buildGguf({ ...fixture, metadata: [...fixture.metadata, ...byteLevel()] }).bytes);
}

/** Several types in a layer: they run apart. */
const MIXED: Readonly<Record<string, BlockType>> = {
  attn_v: "Q6_K",
  attn_output: "Q5_1",
  ffn_gate: "Q3_K",
  ffn_up: "IQ4_XS",
  ffn_down: "Q5_K",
};

/** A chat template in a file of its own, as newer folders have it. */
function withTemplateFile(folder: MemoryFolder): MemoryFolder {
  folder.set("chat_template.jinja", utf8.encode(TEMPLATE));
  return folder;
}

/** The files of sentence-transformers. */
function withPooling(folder: MemoryFolder): MemoryFolder {
  const modules = [{ path: "", type: "x.Transformer" }, { path: "1_Pooling", type: "x.Pooling" }, { path: "2_Normalize", type: "x.Normalize" }]; // prettier-ignore
  folder.set("modules.json", utf8.encode(JSON.stringify(modules)));
  folder.set("1_Pooling/config.json", utf8.encode(JSON.stringify({ pooling_mode_lasttoken: true })));
  return folder;
}

const ROPE_SCALING = { kind: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 32 } as const;

const MAKERS: Readonly<Record<string, () => Files | Promise<Files>>> = {
  llama: () => filesOf(withTemplateFile(llamaLike("llama"))),
  "llama-f16": () => filesOf(llamaLike("llama", { type: "F16" })),
  "llama-bf16": () => filesOf(llamaLike("llama", { type: "BF16", config: { tiedEmbedding: false } })),
  "llama-rope": () => filesOf(llamaLike("llama", { config: { ropeScaling: ROPE_SCALING as ModelConfig["ropeScaling"] } })),
  mistral: () => filesOf(llamaLike("mistral")),
  qwen2: () => filesOf(llamaLike("qwen2")),
  qwen3: () => filesOf(llamaLike("qwen3")),
  gpt2: () => filesOf(family("gpt2")),
  phi: () => filesOf(family("phi")),
  "gpt-neox": () => filesOf(family("gpt_neox")),
  bloom: () => filesOf(family("bloom")),
  stablelm: () => filesOf(family("stablelm_parallel")),
  cohere: () => filesOf(family("cohere_qk_norm")),
  lfm2: () => filesOf(family("lfm2")),
  embedding: () => filesOf(withPooling(llamaLike("qwen3"))),
  sharded: () => filesOf(llamaLike("llama", { shards: 3 })),
  "gguf-f32": () => llamaGguf("F32"),
  "gguf-q4_1": () => llamaGguf("Q4_1"),
  "gguf-q8_0": () => llamaGguf("Q8_0", { architecture: "qwen3", isTied: false }),
  "gguf-q6_k": () => llamaGguf("Q6_K", { architecture: "qwen2" }),
  "gguf-q4_k": () => llamaGguf("Q4_K", { architecture: "llama", size: "small" }),
  "gguf-mixed": () =>
    llamaGguf("Q2_K", { architecture: "llama", size: "small", typeOf: (name) => MIXED[name.split(".")[2] ?? ""] }),
  "gguf-mxfp4": () => llamaGguf("MXFP4", { architecture: "llama", size: "small" }),
  "gguf-gpt2": () => familyGguf("gpt2"),
  "gguf-phi": () => familyGguf("phi"),
  "gguf-neox": () => familyGguf("gpt_neox"),
  "gguf-bloom": () => familyGguf("bloom"),
  "gguf-stablelm": () => familyGguf("stablelm_parallel"),
  "gguf-lfm2": () => familyGguf("lfm2"),
  "split-f32": () => llamaParts("F32", false),
  "split-q8_0": () => llamaParts("Q8_0", true),
  w4a8: () => quantized(llamaLike("llama"), "fptq", {}),
  "w4a8-lorc": () => quantized(llamaLike("qwen2"), "fptq", { lorcRank: 4, embedding: "f16", kvCache: "f32" }),
  "w4a8-online": () => quantized(llamaLike("llama"), "fptquant", { localSteps: 0 }),
  "w4a8-float": () => quantized(llamaLike("qwen3"), "zeroquant-fp", {}),
  "w4a8-minima": () => quantized(llamaLike("llama"), "rtn", { weights: "int4m", scales: "bf16" }),
  "w4a8-gpt2": () => quantized(family("gpt2"), "rtn", {}),
  "int-gptq": () => integers({ method: "gptq", bits: 4, groupSize: 16, symmetric: true, anyOrder: true }),
  "int-gptq-8": () => integers({ method: "gptq_v2", bits: 8, groupSize: 16, symmetric: false }),
  "int-awq": () => integers({ method: "awq", bits: 4, groupSize: 32, symmetric: false }),
  "int-packed": () => integers({ method: "pack-quantized", bits: 4, groupSize: 16, symmetric: false, anyOrder: true }),
  "int-int8": () => integers({ method: "int-quantized", bits: 8, groupSize: "channel", symmetric: false, activations: "static" }),
};

export const BASES: readonly string[] = Object.keys(MAKERS);
export const BASE_GROUPS = {
  folders: BASES.slice(0, BASES.indexOf("sharded")),
  gguf: BASES.filter((name) => name.startsWith("gguf-")),
  splitGguf: BASES.filter((name) => name.startsWith("split-")),
  quantized: BASES.filter((name) => name.startsWith("w4a8")),
  integers: BASES.filter((name) => name.startsWith("int-")),
} as const;

const made = new Map<string, Promise<Files>>();

/** @param name of `BASES` */
export function baseFiles(name: string): Promise<Files> {
  let files = made.get(name);
  if (!files) made.set(name, (files = Promise.resolve(MAKERS[name]!())));
  return files;
}
