/** Gemma 2 and 3, and Granite: what `config.json` means, what is refused, how norms are stored. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel } from "../../src/architecture/description.ts";
import { parseLlamaConfig } from "../../src/architecture/families/llama.ts";
import { textPartOf } from "../../src/architecture/text-part.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CheckpointError } from "../../src/errors.ts";
import { JsonFields, type JsonObject } from "../../src/json-object.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { assertRefused, assertUnsupported, assertWritten, parse } from "./family-checks.ts";
import { CONFIGS, familyFolder } from "./family-folder.ts";
import { assertReference } from "./reference-folder.ts";

const SEED = 71;
const test = suite(`gemma and granite (seed ${SEED})`);
const { granite, gemma2, gemma3_text: gemma3 } = CONFIGS;
/** Without keys that have defaults. */
const SIZES = { vocab_size: 40, hidden_size: 32, num_hidden_layers: 6, num_attention_heads: 4, intermediate_size: 64 };

test("what a file leaves out is what transformers assumes", () => {
  const json = { ...SIZES, architectures: ["Gemma2ForCausalLM"] };
  const llama = parseLlamaConfig(new JsonFields(json, "config.json"), { architecture: "gemma2", contextLength: 8192 });
  const gemma = {
    ...llama,
    kvHeads: 4, headDim: 256, rotaryDim: 256, tiedEmbedding: true, activation: "gelu_tanh",
    scoreDivisor: 16, embeddingScale: Math.sqrt(32),
  } as const; // prettier-ignore
  const windows2 = [4096, 0, 4096, 0, 4096, 0];
  assert.equal(parse(json), { ...gemma, attentionWindows: windows2, scoreCap: 50, logitCap: 30 });
  assert.equal(parse({ ...json, architectures: ["Gemma3ForCausalLM"] }), {
    ...gemma,
    architecture: "gemma3_text",
    contextLength: 131_072,
    qkNorm: "head",
    ropeTheta: 1e6,
    windowRope: { ropeTheta: 1e4, ropeScaling: { kind: "none" } },
    attentionWindows: [4096, 4096, 4096, 4096, 4096, 0],
  });
  const { architectures, ...sizes } = granite;
  assert.equal(parse({ ...SIZES, architectures }), {
    ...parseLlamaConfig(new JsonFields(SIZES, "config.json"), { architecture: "granite", contextLength: 2048 }),
    scoreDivisor: 1,
  });
  const { scoreDivisor, embeddingScale, residualScale, logitScale } = parse({ ...sizes, architectures });
  assert.equal([scoreDivisor, embeddingScale, residualScale, logitScale], [1 / 0.15, 12, 0.22, 1 / 13]);
});

test("keys of their own, in both spellings", () => {
  const off = parse({ ...gemma2, attn_logit_softcapping: null, final_logit_softcapping: null, attention_bias: true });
  assert.equal([off.scoreCap, off.logitCap, off.attentionBias], [0, 0, "qkvo"]);
  assert.equal(parse({ ...gemma2, layer_types: ["full_attention", "sliding_attention", "full_attention"] }).attentionWindows, [0, 8, 0]); // prettier-ignore
  assert.equal(parse({ ...gemma3, sliding_window_pattern: 3 }).attentionWindows, [8, 8, 0, 8, 8, 0, 8]);
  assert.equal(parse({ ...gemma3, _sliding_window_pattern: 2 }).attentionWindows, [8, 0, 8, 0, 8, 0, 8]);
  assert.is(parse({ ...gemma3, final_logit_softcapping: 20 }).logitCap, 20);
  const scaled = { ropeTheta: 5e5, ropeScaling: { kind: "linear", factor: 8 } };
  const old = parse({ ...gemma3, rope_theta: 5e5, rope_local_base_freq: 2e4, rope_scaling: { rope_type: "linear", factor: 8 } });
  const kinds = {
    full_attention: { rope_type: "linear", factor: 8, rope_theta: 5e5 },
    sliding_attention: { rope_type: "default", rope_theta: 2e4 },
  };
  assert.equal(parse({ ...gemma3, rope_parameters: kinds }), old);
  assert.equal({ ropeTheta: old.ropeTheta, ropeScaling: old.ropeScaling }, scaled);
  assert.equal(old.windowRope, { ropeTheta: 2e4, ropeScaling: { kind: "none" } });
});

test("variants that are not run are refused by name", () => {
  assertUnsupported(gemma2, { hidden_activation: "gelu" }, /hidden_activation: got "gelu", supported: gelu_pytorch_tanh/);
  assertUnsupported(gemma2, { use_bidirectional_attention: true }, /use_bidirectional_attention: got true, need false/);
  assertUnsupported(gemma3, { attn_logit_softcapping: 50 }, /attn_logit_softcapping: got 50/);
  assertUnsupported(gemma2, { layer_types: ["full_attention", "chunked_attention", "full_attention"] }, /"chunked_attention" is not supported/); // prettier-ignore
  assertUnsupported(granite, { num_local_experts: 8 }, /num_local_experts: got 8/);
  assertRefused(gemma2, { layer_types: ["full_attention"] }, /layer_types: 1 entries for 3 layers/);
  assertRefused(gemma2, { sliding_window: null, layer_types: ["full_attention", "sliding_attention", "full_attention"] }, /no sliding_window/); // prettier-ignore
  assertRefused(gemma2, { query_pre_attn_scalar: 0 }, /query_pre_attn_scalar: got 0/);
  assertRefused(gemma2, { attn_logit_softcapping: -1 }, /attn_logit_softcapping: got -1/);
  assertRefused(granite, { attention_multiplier: 0 }, /attention_multiplier: got 0/);
});

test("what is written is read back the same", () => {
  const [two, three, stone] = [parse(gemma2), parse(gemma3), parse(granite)];
  assertWritten(two, { ...two, scoreCap: 0, logitCap: 0, attentionWindows: [0, 0, 0] });
  for (const scalar of [24, 168, 224, 144, 7.3]) assertWritten({ ...two, scoreDivisor: Math.sqrt(scalar) });
  assertWritten(three, { ...three, ropeScaling: { kind: "linear", factor: 8 }, attentionBias: "qkvo", logitCap: 30 });
  assertWritten(stone, { ...stone, mlpBias: true, attentionBias: "qkvo" });
  for (const multiplier of [0.0078125, 0.015625, 1 / Math.sqrt(80), 0.22, 3]) {
    assertWritten({ ...stone, scoreDivisor: 1 / multiplier, logitScale: 1 / (100 * multiplier) });
  }
});

test("norms around both branches, and a rotation for each kind of layer", () => {
  const { blocks } = describeModel(parse(gemma3));
  const norms = blocks[0]!.inputs.map(({ from, outputNorm }) => [typeof from === "string" ? from : from.weight, outputNorm?.weight]); // prettier-ignore
  const layer = "model.layers.0.";
  assert.equal(norms, [
    [`${layer}input_layernorm.weight`, undefined],
    ["attention", `${layer}post_attention_layernorm.weight`],
    [`${layer}pre_feedforward_layernorm.weight`, undefined],
    ["activation", `${layer}post_feedforward_layernorm.weight`],
  ]);
  assert.equal(blocks.map(({ rope, window }) => [rope, window]), [[1, 8], [1, 8], [1, 8], [1, 8], [1, 8], [0, 0], [1, 8]]); // prettier-ignore
});

test("transformers' two spellings of one pattern in a file are nothing to note", async () => {
  const { folder } = familyFolder({ ...gemma3, sliding_window_pattern: 3, _sliding_window_pattern: 3 }, 5);
  const checkpoint = await openSafetensorsCheckpoint(folder);
  assert.equal(checkpoint.notes, []);
  assert.equal(checkpoint.config.attentionWindows, [8, 8, 0, 8, 8, 0, 8]);
});

test("weights of norms are read with the 1 that files leave out", async () => {
  for (const json of [gemma2, gemma3]) {
    const { folder, tensors } = familyFolder(json, SEED);
    const checkpoint = await openSafetensorsCheckpoint(folder);
    for (const [name, { values }] of tensors) {
      assertSameBits(await checkpoint.readF32(name), values, name);
      assertSameBits(await checkpoint.readF32(name, { rows: [1, 3] }), values.slice(values.length / checkpoint.tensors.get(name)!.shape[0]!).subarray(0, (2 * values.length) / checkpoint.tensors.get(name)!.shape[0]!), name); // prettier-ignore
    }
    await checkpoint.close();
  }
});

const WHOLE: JsonObject = {
  architectures: ["Gemma3ForConditionalGeneration"],
  model_type: "gemma3",
  eos_token_id: [1, 106],
  image_token_index: 39,
  vision_config: { hidden_size: 16 },
};

test("the text part of a model for images too: configuration under a key, tensors beside others", async () => {
  const { architectures: _, ...own } = gemma3;
  const { folder, config, tensors } = familyFolder(gemma3, SEED);
  for (const [before, others] of [
    ["language_model.model.", ["vision_tower.x.weight", "multi_modal_projector.y"]],
    ["model.language_model.", ["model.vision_tower.x.weight", "model.multi_modal_projector.y"]],
  ] as const) {
    const whole = familyFolder(gemma3, SEED, {
      change: (stored) => {
        for (const [name, tensor] of Array.from(stored)) {
          stored.delete(name);
          stored.set(name.replace(/^model\./, before), tensor);
        }
        for (const other of others) stored.set(other, { shape: [2], values: Float32Array.of(1, 2) });
      },
    }).folder;
    whole.set("config.json", JSON.stringify({ ...WHOLE, text_config: { model_type: "gemma3_text", ...own } }));
    const checkpoint = await openSafetensorsCheckpoint(whole);
    assert.equal(checkpoint.config, config);
    assert.equal(checkpoint.generation.eosTokenIds, [1, 106]);
    assert.equal([...checkpoint.tensors.keys()].toSorted(), [...tensors.keys()].toSorted());
    for (const [name, { values }] of tensors) assertSameBits(await checkpoint.readF32(name), values, name);
    assert.match(checkpoint.notes.join("\n"), /model_type: got "gemma3"; its text part is run, images are not/);
    assert.equal(parse(JSON.parse(JSON.stringify(checkpoint.configJson)) as JsonObject), config);
    await checkpoint.close();
  }
  await (await openSafetensorsCheckpoint(folder)).close();
  const wrong = (changes: JsonObject, pattern: RegExp) =>
    assert.throws(
      () => textPartOf({ ...WHOLE, ...changes }, "config.json"),
      (error: unknown) => error instanceof CheckpointError && pattern.test(error.message),
    );
  wrong({}, /text_config: got nothing, need an object/);
  wrong({ text_config: { model_type: "llama" } }, /text_config: model_type: got "llama", need "gemma3_text" in a gemma3 model/);
  assert.is(textPartOf({ ...gemma3 }, "config.json"), undefined);
});

for (const [name, expected] of [
  ["granite", { scoreDivisor: 1 / 0.15, embeddingScale: 6, residualScale: 0.4, logitScale: 1 / 3 }],
  ["gemma2", { attentionWindows: [8, 0, 8], scoreCap: 2.5, logitCap: 3, scoreDivisor: Math.sqrt(24) }],
  ["gemma3", { attentionWindows: [8, 8, 8, 8, 8, 0], ropeScaling: { kind: "linear", factor: 8 }, qkNorm: "head" }],
] as const) {
  test(`the reference model ${name}`, () => assertReference(name, true, expected));
}

test.run();
