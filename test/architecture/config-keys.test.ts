/** Keys of `config.json` that no family asks for: used, noted, refused, or without meaning. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseModelConfig } from "../../src/architecture/families.ts";
import { UnsupportedModelError } from "../../src/errors.ts";
import type { JsonObject } from "../../src/json-object.ts";

const test = suite("config keys");

const LLAMA: JsonObject = {
  architectures: ["LlamaForCausalLM"], model_type: "llama", vocab_size: 320, hidden_size: 64, num_hidden_layers: 2,
  num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 192, max_position_embeddings: 256, rms_norm_eps: 1e-5,
}; // prettier-ignore

function notesOf(json: JsonObject): string[] {
  const notes: string[] = [];
  parseModelConfig(json, "config.json", (note) => notes.push(note));
  return notes;
}

/** What published models of each family have in their files. */
const PUBLISHED: Record<string, JsonObject> = {
  "Llama 3": {
    ...LLAMA, attention_bias: false, attention_dropout: 0, bos_token_id: 128000, eos_token_id: [128001, 128008], head_dim: 16,
    hidden_act: "silu", initializer_range: 0.02, mlp_bias: false, pretraining_tp: 1, rope_theta: 500000, tie_word_embeddings: true,
    rope_scaling: { factor: 32, high_freq_factor: 4, low_freq_factor: 1, original_max_position_embeddings: 64, rope_type: "llama3" },
    torch_dtype: "bfloat16", transformers_version: "4.45.0", use_cache: true, pad_token_id: null,
  },
  SmolLM2: {
    ...LLAMA, is_llama_config: true, rope_interleaved: false, rope_scaling: null, rope_theta: 100000, tie_word_embeddings: true,
    "transformers.js_config": { kv_cache_dtype: { q4f16: "float16" } },
  },
  "Mistral": { ...LLAMA, architectures: ["MistralForCausalLM"], sliding_window: 64, attention_dropout: 0 },
  "Qwen2.5": {
    ...LLAMA, architectures: ["Qwen2ForCausalLM"], sliding_window: 256, use_sliding_window: false, max_window_layers: 2,
    use_mrope: false, rope_theta: 1000000,
  },
  Qwen3: {
    ...LLAMA, architectures: ["Qwen3ForCausalLM"], attention_bias: false, head_dim: 32, max_window_layers: 2,
    sliding_window: null, use_sliding_window: false, layer_types: ["full_attention", "full_attention"],
    rope_parameters: { rope_theta: 1000000, rope_type: "default" }, dtype: "bfloat16",
  },
  GPT2: {
    architectures: ["GPT2LMHeadModel"], activation_function: "gelu_new", attn_pdrop: 0.1, bos_token_id: 50256, embd_pdrop: 0.1,
    initializer_range: 0.02, layer_norm_epsilon: 1e-5, model_type: "gpt2", n_ctx: 1024, n_embd: 64, n_head: 4, n_layer: 2,
    n_positions: 1024, resid_pdrop: 0.1, summary_activation: null, summary_first_dropout: 0.1, summary_proj_to_labels: true,
    summary_type: "cls_index", summary_use_proj: true, vocab_size: 320,
    task_specific_params: { "text-generation": { do_sample: true, max_length: 50 } },
  },
  "Phi-2": {
    ...LLAMA, architectures: ["PhiForCausalLM"], num_key_value_heads: 4, layer_norm_eps: 1e-5, rms_norm_eps: undefined,
    partial_rotary_factor: 0.5, qk_layernorm: false, embd_pdrop: 0, resid_pdrop: 0.1, tie_word_embeddings: false,
  },
  Pythia: {
    architectures: ["GPTNeoXForCausalLM"], bos_token_id: 0, eos_token_id: 0, hidden_act: "gelu", hidden_size: 64,
    initializer_range: 0.02, intermediate_size: 192, layer_norm_eps: 1e-5, max_position_embeddings: 2048, model_type: "gpt_neox",
    num_attention_heads: 4, num_hidden_layers: 2, rotary_emb_base: 10000, rotary_pct: 0.25, tie_word_embeddings: false,
    use_cache: true, use_parallel_residual: true, vocab_size: 320,
  },
  BLOOM: {
    apply_residual_connection_post_layernorm: false, architectures: ["BloomForCausalLM"], attention_softmax_in_fp32: true,
    bias_dropout_fusion: true, masked_softmax_fusion: true, model_type: "bloom", n_embed: 64, n_inner: null, n_layer: 2,
    num_attention_heads: 4, offset_alibi: 100, pretraining_tp: 1, seq_length: 2048, skip_bias_add: true,
    skip_bias_add_qkv: false, unk_token_id: 0, use_cache: false, vocab_size: 320,
  },
}; // prettier-ignore

for (const [model, json] of Object.entries(PUBLISHED)) {
  test(`nothing to say of ${model}`, () => assert.equal(notesOf(JSON.parse(JSON.stringify(json)) as JsonObject), []));
}

/** Key -> values that change nothing, and one that would. */
const VARIANTS: Record<string, { neutral: readonly unknown[]; other: unknown }> = {
  attn_logit_softcapping: { neutral: [null], other: 50 },
  final_logit_softcapping: { neutral: [null], other: 30 },
  query_pre_attn_scalar: { neutral: [16, null], other: 256 },
  attention_multiplier: { neutral: [0.25, 0.250000001], other: 0.0078125 },
  embedding_multiplier: { neutral: [1, 1.0], other: 12 },
  residual_multiplier: { neutral: [1], other: 0.22 },
  logits_scaling: { neutral: [1], other: 8 },
  logit_scale: { neutral: [1], other: 0.0625 },
  lm_head_multiplier: { neutral: [1], other: 0.5 },
  key_multiplier: { neutral: [1], other: 0.5 },
  scale_emb: { neutral: [1], other: 12 },
  embedding_scale: { neutral: [1], other: 2 },
  scale_depth: { neutral: [Math.SQRT2, Math.fround(Math.SQRT2)], other: 1.4 },
  dim_model_base: { neutral: [64], other: 256 },
  normalize_embedding: { neutral: [false], other: true },
  clip_qkv: { neutral: [null], other: 8 },
  qkv_clip: { neutral: [null], other: 8 },
  use_qk_norm: { neutral: [false], other: true },
  qk_norm: { neutral: [false], other: true },
  qk_layernorm: { neutral: [false], other: true },
  num_experts: { neutral: [0, 1, null], other: 8 },
  num_local_experts: { neutral: [1], other: 8 },
  n_routed_experts: { neutral: [null], other: 64 },
  moe_num_experts: { neutral: [0], other: 16 },
  rope_interleaved: { neutral: [false], other: true },
  rope_interleave: { neutral: [false], other: true },
  rotary_interleaved: { neutral: [false], other: true },
  no_rope_layers: { neutral: [[1, 1], null], other: [1, 0] },
  alibi: { neutral: [false], other: true },
  use_alibi: { neutral: [false], other: true },
  is_encoder_decoder: { neutral: [false], other: true },
  add_cross_attention: { neutral: [false], other: true },
  is_causal: { neutral: [true], other: false },
  use_bidirectional_attention: { neutral: [false, null], other: true },
  layer_types: { neutral: [["full_attention", "full_attention"]], other: ["full_attention", "sliding_attention"] },
  multi_query: { neutral: [false], other: true },
  parallel_attn: { neutral: [false], other: true },
  use_parallel_residual: { neutral: [false], other: true },
  pruned_heads: { neutral: [{}], other: { "0": [1] } },
  per_layer_config: { neutral: [{}], other: { "0": { head_dim: 8 } } },
  hidden_activation: { neutral: ["silu", "swish"], other: "gelu_pytorch_tanh" },
  activation_function: { neutral: ["silu"], other: "gelu" },
};

for (const [key, { neutral, other }] of Object.entries(VARIANTS)) {
  test(`${key} is refused by name, unless it means nothing`, () => {
    for (const value of neutral) assert.equal(notesOf({ ...LLAMA, [key]: value }), [], JSON.stringify(value));
    try {
      notesOf({ ...LLAMA, [key]: other });
      assert.unreachable("not refused");
    } catch (error) {
      assert.instance(error, UnsupportedModelError);
      const { message } = error as Error;
      assert.ok(message.startsWith(`config.json: ${key}: got ${JSON.stringify(other)}, need `), message);
    }
  });
}

test("what a file says of something that comes from elsewhere is noted if it is something else", () => {
  for (const [key, same, other] of [
    ["sliding_window", 256, 128],
    ["use_sliding_window", false, true],
    ["n_embd", 64, 128],
    ["layer_norm_eps", 1e-5, 1e-6],
    ["rotary_emb_base", 10000, 500000],
    ["rotary_pct", 1, 0.25],
    ["rotary_dim", 16, 8],
  ] as const) {
    assert.equal(notesOf({ ...LLAMA, [key]: same }), [], key);
    const [note, ...more] = notesOf({ ...LLAMA, [key]: other });
    assert.ok(note!.startsWith(`config.json: ${key}: ${other} is not used in a llama model, `), note);
    assert.equal(more, []);
  }
  const qwen = { ...LLAMA, architectures: ["Qwen2ForCausalLM"] };
  assert.equal(notesOf({ ...qwen, attention_bias: true }), []);
  assert.match(notesOf({ ...qwen, attention_bias: false })[0]!, /attention_bias: false is not used in a qwen2 model, true is$/);
  const layers = ["full_attention", "full_attention"];
  assert.throws(() => notesOf({ ...LLAMA, architectures: ["MistralForCausalLM"], layer_types: layers }), /layer_types: got/);
});

test("both spellings of RoPE: the newer one is used, the older noted if it differs", () => {
  const linear = { rope_type: "linear", factor: 2 };
  const both = { ...LLAMA, rope_parameters: { ...linear, rope_theta: 10000 }, rope_theta: 10000 };
  assert.equal(notesOf({ ...both, rope_scaling: { factor: 2, type: "linear" } }), []);
  assert.equal(notesOf({ ...both, rope_scaling: null }), []);
  const other = { ...both, rope_scaling: { ...linear, factor: 4 }, rope_theta: 500 };
  assert.equal(notesOf(other), [
    "config.json: rope_theta: 500 is not used in a llama model, 10000 is",
    'config.json: rope_scaling: {"rope_type":"linear","factor":4} is not used',
  ]);
  assert.is(parseModelConfig(other, "config.json").ropeTheta, 10000);
});

test("keys of RoPE that its type does not use are noted; a part of a head is refused", () => {
  const json = { ...LLAMA, rope_scaling: { rope_type: "linear", factor: 2, mscale: 1, beta_fast: null } };
  assert.equal(notesOf(json), ["config.json: rope_scaling: keys not used by this type: mscale"]);
  for (const key of ["rope_parameters", "rope_scaling"]) {
    const part = { ...LLAMA, [key]: { rope_type: "default", partial_rotary_factor: 0.5 } };
    assert.throws(() => notesOf(part), new RegExp(`config\\.json: ${key}: partial_rotary_factor: got 0\\.5, supported: 1`));
    assert.equal(notesOf({ ...LLAMA, [key]: { rope_type: "default", partial_rotary_factor: 1 } }), []);
  }
});

test("keys nobody knows are listed once, unless they are switched off", () => {
  const off = { a: null, b: false, c: "", d: [], e: {} };
  assert.equal(notesOf({ ...LLAMA, ...off }), []);
  assert.equal(notesOf({ ...LLAMA, ...off, mup: true, depth: 0 }), ["config.json: keys not known and not used: mup, depth"]);
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`key_${i}`, 1]));
  assert.match(notesOf({ ...LLAMA, ...many })[0]!, /: key_0, .*, key_7 and 12 more$/);
  const long = notesOf({ ...LLAMA, ["x".repeat(10_000)]: 1 });
  assert.ok(long[0]!.length < 200);
  assert.equal(notesOf(JSON.parse(`{"__proto__": 1, ${JSON.stringify(LLAMA).slice(1)}`) as JsonObject).length, 1);
});

test("code of the model's own is noted", () => {
  const json = { ...LLAMA, auto_map: { AutoModelForCausalLM: "modeling_own.Own" } };
  assert.equal(notesOf(json), ["config.json: auto_map: code of the model's own is not run; it is read as llama"]);
});

test.run();
