import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseGenerationConfig } from "../../src/checkpoint/generation-config.ts";
import { writeRecommendedSampling } from "../../src/checkpoint/recommended-sampling.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { parseModelConfig, writeModelConfig } from "../../src/architecture/families.ts";
import type { ModelConfig } from "../../src/architecture/model-config.ts";
import { CheckpointError, UnsupportedModelError } from "../../src/errors.ts";
import { tinyConfig } from "../tiny-model.ts";

const test = suite("model config");

/** The shortest `config.json` of an architecture. */
function minimal(className: string, changes: JsonObject = {}): JsonObject {
  return {
    architectures: [className],
    vocab_size: 320,
    hidden_size: 64,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    intermediate_size: 192,
    ...changes,
  };
}

const parse = (json: JsonObject) => parseModelConfig(json, "config.json");

test("what a file leaves out is what transformers assumes", () => {
  const llama = parse(minimal("LlamaForCausalLM"));
  assert.equal(llama, {
    ...tinyConfig("llama", { layers: 4 }),
    kvHeads: 4,
    rmsNormEps: 1e-6,
    contextLength: 2048,
    tiedEmbedding: false,
  });
  const mistral = parse(minimal("MistralForCausalLM", { num_attention_heads: 8, hidden_size: 128 }));
  assert.is(mistral.kvHeads, 8);
  assert.equal(mistral.attentionWindows, [4096, 4096, 4096, 4096]);
  assert.is(mistral.contextLength, 131_072);
  const qwen2 = parse(minimal("Qwen2ForCausalLM", { num_key_value_heads: 2 }));
  assert.is(qwen2.attentionBias, "qkv");
  assert.equal(qwen2.attentionWindows, [0, 0, 0, 0]);
  const qwen3 = parse(minimal("Qwen3ForCausalLM", { num_key_value_heads: 2 }));
  assert.is(qwen3.headDim, 128);
  assert.is(qwen3.qkNorm, "head");
});

test("null is as good as missing, but a null number of kv heads means as many as heads", () => {
  const config = parse(minimal("Qwen2ForCausalLM", { num_key_value_heads: null, head_dim: null, rope_scaling: null }));
  assert.is(config.kvHeads, 4);
  assert.is(config.headDim, 16);
  assert.equal(config.ropeScaling, { kind: "none" });
});

test("model_type stands in for missing architectures", () => {
  const { architectures: _, ...json } = minimal("", { model_type: "qwen3", num_key_value_heads: 2 });
  assert.is(parse(json).architecture, "qwen3");
});

const LLAMA3 = { factor: 32, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
for (const [spelling, changes, ropeTheta, ropeScaling] of [
  ["rope_theta alone", { rope_theta: 1e6 }, 1e6, { kind: "none" }],
  ["rope_parameters default", { rope_parameters: { rope_type: "default", rope_theta: 1e6 } }, 1e6, { kind: "none" }],
  ["rope_scaling type linear", { rope_scaling: { type: "linear", factor: 2 } }, 10_000, { kind: "linear", factor: 2 }],
  ["rope_parameters linear", { rope_parameters: { rope_type: "linear", factor: 2, rope_theta: 5 } }, 5, { kind: "linear", factor: 2 }],
  ["rope_scaling llama3", { rope_theta: 5e5, rope_scaling: { rope_type: "llama3", ...LLAMA3 } }, 5e5,
    { kind: "llama3", factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 }],
  ["rope_parameters llama3", { rope_parameters: { rope_type: "llama3", rope_theta: 5e5, ...LLAMA3 } }, 5e5,
    { kind: "llama3", factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 }],
  ["both, the newer one wins", { rope_theta: 1, rope_scaling: { type: "yarn" }, rope_parameters: { rope_type: "default", rope_theta: 7 } }, 7, { kind: "none" }],
] as const) {
  test(`RoPE: ${spelling}`, () => {
    const config = parse(minimal("LlamaForCausalLM", changes));
    assert.is(config.ropeTheta, ropeTheta);
    assert.equal(config.ropeScaling, ropeScaling);
  });
} // prettier-ignore

for (const [what, className, changes, windows] of [
  ["Mistral, null", "MistralForCausalLM", { sliding_window: null }, [0, 0, 0, 0]],
  ["Mistral, all layers", "MistralForCausalLM", { sliding_window: 9 }, [9, 9, 9, 9]],
  ["Qwen2, not used", "Qwen2ForCausalLM", { sliding_window: 9, max_window_layers: 0 }, [0, 0, 0, 0]],
  ["Qwen2, from max_window_layers on", "Qwen2ForCausalLM", { use_sliding_window: true, sliding_window: 9, max_window_layers: 3 }, [0, 0, 0, 9]],
  ["Qwen3, by layer_types", "Qwen3ForCausalLM", { use_sliding_window: true, sliding_window: 9,
    layer_types: ["full_attention", "sliding_attention", "full_attention", "sliding_attention"] }, [0, 9, 0, 9]],
] as const) {
  test(`windows: ${what}`, () =>
    assert.equal(parse(minimal(className, { num_key_value_heads: 2, ...changes })).attentionWindows, windows));
} // prettier-ignore

for (const [changes, pattern] of [
  [{ architectures: ["MptForCausalLM"] }, /"MptForCausalLM" is not supported; supported: LlamaForCausalLM, Mistral/],
  [{ architectures: [], model_type: "mamba" }, /"mamba" is not supported/],
  [{ hidden_act: "gelu" }, /hidden_act: got "gelu", supported: silu/],
  [{ rope_scaling: { rope_type: "proportional" } }, /rope_type: got "proportional"/],
  [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
] as const) {
  test(`not supported: ${JSON.stringify(changes)}`, () =>
    assert.throws(
      () => parse(minimal("LlamaForCausalLM", changes)),
      (error: unknown) =>
        error instanceof UnsupportedModelError && pattern.test(error.message) && error.message.startsWith("config.json"),
    ));
}

for (const [changes, pattern] of [
  [{ hidden_size: undefined }, /hidden_size: got nothing, need an integer from 1/],
  [{ hidden_size: -64 }, /hidden_size: got -64/],
  [{ hidden_size: 64.5 }, /hidden_size: got 64\.5/],
  [{ hidden_size: "64" }, /hidden_size: got "64"/],
  [{ vocab_size: 2 ** 53 }, /vocab_size/],
  [{ num_hidden_layers: 1e9 }, /num_hidden_layers/],
  [{ num_key_value_heads: 3 }, /4 attention heads, not a multiple of 3/],
  [{ num_attention_heads: 5 }, /head_dim: got 12\.8/],
  [{ head_dim: 15 }, /head dimension 15, need an even one/],
  [{ rms_norm_eps: 0 }, /rms_norm_eps/],
  [{ rms_norm_eps: null, rope_theta: "x" }, /rope_theta/],
  [{ rope_scaling: { type: "linear" } }, /rope_scaling: factor: got nothing/],
  [{ rope_scaling: { type: "llama3", ...LLAMA3, high_freq_factor: 1 } }, /low_freq_factor 1, need less/],
  [{ rope_scaling: [] }, /rope_scaling: got \[\], need an object/],
  [{ tie_word_embeddings: "yes" }, /tie_word_embeddings: got "yes"/],
  [{ architectures: "LlamaForCausalLM" }, /architectures.*array of strings/],
] as const) {
  test(`refused: ${JSON.stringify(changes)}`, () =>
    assert.throws(
      () => parse(minimal("LlamaForCausalLM", changes)),
      (error: unknown) => error instanceof CheckpointError && pattern.test(error.message),
    ));
}

const qwen = (changes: JsonObject) => () => parse(minimal("Qwen3ForCausalLM", { num_key_value_heads: 2, ...changes }));

test("layer types that do not fit are refused", () => {
  assert.throws(qwen({ layer_types: ["full_attention"] }), /layer_types: 1 entries for 4 layers/);
  const sliding = Array.from({ length: 4 }, () => "sliding_attention");
  assert.throws(qwen({ layer_types: sliding }), /layer 0 has sliding attention, but there is no sliding_window/);
  assert.throws(
    qwen({ layer_types: sliding.with(2, "linear_attention"), use_sliding_window: true }),
    /"linear_attention" is not supported/,
  );
});

test("what is written is read back the same", () => {
  const factors = Array.from({ length: 8 }, (_, i) => Math.fround(1 + i / 3));
  const configs: ModelConfig[] = [
    tinyConfig("llama"),
    tinyConfig("llama", {
      attentionBias: "qkvo",
      mlpBias: true,
      tiedEmbedding: false,
      ropeScaling: { kind: "linear", factor: 4 },
    }),
    tinyConfig("llama", { ropeScaling: { kind: "factors", factors }, ropeTheta: 5e5 }),
    tinyConfig("llama", {
      ropeScaling: { kind: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
    }),
    tinyConfig("mistral"),
    tinyConfig("mistral", { attentionWindows: [0, 0, 0], headDim: 32 }),
    tinyConfig("qwen2"),
    tinyConfig("qwen2", { attentionWindows: [0, 16, 0] }),
    tinyConfig("qwen3", { headDim: 32, attentionBias: "qkvo" }),
  ];
  for (const config of configs) {
    const json = JSON.parse(JSON.stringify(writeModelConfig(config))) as JsonObject;
    assert.equal(parse(json), config);
  }
});

const ids = (generation: JsonObject | undefined, config: JsonObject) => parseGenerationConfig(generation, config).eosTokenIds;

test("end tokens: one, several, or those of config.json", () => {
  assert.equal(ids({ eos_token_id: 2 }, { eos_token_id: 7 }), [2]);
  assert.equal(ids({ eos_token_id: [2, 5] }, {}), [2, 5]);
  assert.equal(ids({}, { eos_token_id: [7] }), [7]);
  assert.equal(ids(undefined, { eos_token_id: null }), []);
  for (const bad of ["</s>", -2, 1.5, [2, "x"], {}]) {
    assert.throws(() => ids({ eos_token_id: bad }, {}), (error: unknown) => error instanceof CheckpointError); // prettier-ignore
  }
});

test("recommended sampling: every key by its name, none for what is absent or null, the penalty over all tokens", () => {
  const sampling = (json: JsonObject) => parseGenerationConfig(json, {}).sampling;
  assert.equal(sampling({ do_sample: true }), {});
  assert.equal(sampling({ temperature: 0.6, top_k: 20, top_p: 0.95, min_p: null }), { temperature: 0.6, topK: 20, topP: 0.95 });
  assert.equal(sampling({ min_p: 0.1, repetition_penalty: 1.05 }), { minP: 0.1, repeatPenalty: 1.05, repeatLastN: -1 });
  assert.equal(sampling({ repetition_penalty: 1.05, repeat_last_n: 32 }), { repeatPenalty: 1.05, repeatLastN: 32 });
  for (const bad of [
    { temperature: -1 },
    { temperature: "0.7" },
    { top_k: 1.5 },
    { top_p: 2 },
    { repetition_penalty: 0 },
    { min_p: [] },
  ]) {
    const key = Object.keys(bad)[0]!;
    assert.throws(
      () => sampling(bad),
      (error: unknown) => error instanceof CheckpointError && error.message.startsWith(`generation_config.json: ${key}: got`),
    );
  }
});

test("recommended sampling is written as it was read", () => {
  for (const json of [
    {},
    { temperature: 0, top_k: 0 },
    { top_p: 0.5, repetition_penalty: 1.2 },
    { repetition_penalty: 1.2, repeat_last_n: 7 },
  ]) {
    const { sampling } = parseGenerationConfig(json, {});
    const written = writeRecommendedSampling(sampling);
    assert.equal(parseGenerationConfig(written, {}).sampling, sampling);
    assert.equal(written, { ...(Object.keys(json).length > 0 && { do_sample: true }), ...json });
  }
});

test.run();
