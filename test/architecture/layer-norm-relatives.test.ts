/** StarCoder2, StableLM, Cohere and OPT: what `config.json` means where it differs from its neighbours'. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel, type Norm } from "../../src/architecture/description.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { assertRefused, assertUnsupported, assertWritten, parse } from "./family-checks.ts";
import { CONFIGS } from "./family-folder.ts";
import { assertReference } from "./reference-folder.ts";

const test = suite("relatives with LayerNorm");
const { starcoder2, stablelm, stablelm_parallel, cohere, cohere_qk_norm } = CONFIGS;
const opt = {
  architectures: ["OPTForCausalLM"], vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, ffn_dim: 64,
}; // prettier-ignore

const has = (json: JsonObject, expected: object) => {
  const config = parse(json);
  assert.equal({ ...config, ...expected }, config);
};

test("what a file leaves out is what transformers assumes", () => {
  const { sliding_window: _, ...code } = starcoder2;
  has(code, {
    kvHeads: 2, headDim: 8, rotaryDim: 8, rmsNormEps: 1e-5, contextLength: 4096, attentionWindows: [0, 0], tiedEmbedding: true,
    attentionBias: "qkvo", mlpBias: true, activation: "gelu_tanh", gatedMlp: false, norm: "layer", normBias: true, positions: "rope",
  }); // prettier-ignore
  const { use_qkv_bias: __, ...plain } = stablelm;
  has(plain, {
    rotaryDim: 2, rmsNormEps: 1e-5, contextLength: 4096, tiedEmbedding: false, attentionBias: "none", norm: "layer", normBias: true,
    gatedMlp: true, parallelResidual: false, qkNorm: "none",
  }); // prettier-ignore
  const { num_key_value_heads: ___, ...whole } = cohere;
  has(whole, {
    kvHeads: 4, rotaryDim: 8, ropeTheta: 500_000, rotaryPairs: "neighbours", rmsNormEps: 1e-5, contextLength: 8192, tiedEmbedding: true,
    norm: "layer", normBias: false, parallelResidual: true, qkNorm: "none", logitScale: 0.0625,
  }); // prettier-ignore
  has(opt, {
    ffnSize: 64, rmsNormEps: 1e-5, positions: "learned", positionOffset: 2, contextLength: 2048, tiedEmbedding: true, activation: "relu",
    attentionBias: "qkvo", mlpBias: true, postNorm: false, finalNorm: true, embeddingSize: undefined,
  }); // prettier-ignore
});

test("keys of their own", () => {
  has(starcoder2, { attentionWindows: [12, 12] });
  has({ ...starcoder2, use_bias: false }, { attentionBias: "none", mlpBias: false });
  has({ ...starcoder2, norm_epsilon: 1e-3, hidden_act: "relu" }, { rmsNormEps: 1e-3, activation: "relu" });
  has(stablelm, { attentionBias: "qkv", kvHeads: 2 });
  has(stablelm_parallel, { parallelResidual: true, qkNorm: "each" });
  has({ ...stablelm, partial_rotary_factor: 0.5, layer_norm_eps: 1e-3 }, { rotaryDim: 4, rmsNormEps: 1e-3 });
  has(cohere_qk_norm, { qkNorm: "each", logitScale: 0.75, attentionBias: "qkvo" });
  has({ ...opt, do_layer_norm_before: false, word_embed_proj_dim: 16 }, { postNorm: true, finalNorm: false, embeddingSize: 16 });
  has({ ...opt, _remove_final_layer_norm: true, word_embed_proj_dim: 32 }, { finalNorm: false, embeddingSize: undefined });
});

test("variants that are not run are refused by name", () => {
  assertUnsupported(starcoder2, { hidden_act: "mish" }, /hidden_act: got "mish"/);
  assertUnsupported(starcoder2, { partial_rotary_factor: 0.5 }, /partial_rotary_factor: got 0\.5, supported: 1/);
  assertUnsupported(stablelm, { hidden_act: "gelu" }, /hidden_act: got "gelu", supported: silu/);
  assertUnsupported(stablelm, { partial_rotary_factor: 0.4 }, /which turns 3 channels/);
  assertUnsupported(stablelm, { architectures: ["StableLMEpochForCausalLM"] }, /architecture "StableLMEpochForCausalLM"/);
  assertUnsupported(cohere, { architectures: ["Cohere2ForCausalLM"] }, /architecture "Cohere2ForCausalLM"/);
  assertUnsupported(opt, { enable_bias: false }, /enable_bias: got false, supported: true/);
  assertUnsupported(opt, { layer_norm_elementwise_affine: false }, /layer_norm_elementwise_affine: got false/);
  assertRefused(cohere, { logit_scale: 0 }, /logit_scale: got 0, need a finite number above 0/);
  assertRefused(opt, { word_embed_proj_dim: -1 }, /word_embed_proj_dim: got -1/);
  assertRefused(opt, { do_layer_norm_before: "no" }, /do_layer_norm_before: got "no"/);
});

test("what is written is read back the same", () => {
  for (const json of [starcoder2, stablelm, stablelm_parallel, cohere, cohere_qk_norm, opt]) assertWritten(parse(json));
  assertWritten(parse({ ...opt, do_layer_norm_before: false, word_embed_proj_dim: 16 }));
  assertWritten(parse({ ...opt, _remove_final_layer_norm: true }));
});

test("which norm is where", () => {
  const norms = (json: JsonObject) => {
    const { blocks, finalNorm } = describeModel(parse(json));
    const short = (norm: Norm | string | undefined) => (typeof norm === "object" ? norm.weight.split(".").slice(-2)[0] : norm);
    return [...blocks[0]!.inputs.map(({ from, streamNorm }) => [short(from), short(streamNorm)]), short(finalNorm)];
  };
  const [attention, activation] = [["attention", undefined], ["activation", undefined]]; // prettier-ignore
  assert.equal(norms(stablelm_parallel), [["input_layernorm", undefined], attention, activation, "norm"]);
  assert.equal(norms(opt), [
    ["self_attn_layer_norm", undefined], attention, ["final_layer_norm", undefined], activation, "final_layer_norm",
  ]); // prettier-ignore
  assert.equal(norms({ ...opt, do_layer_norm_before: false }), [
    ["stream", undefined], ["attention", "self_attn_layer_norm"], ["stream", undefined], ["activation", "final_layer_norm"], undefined,
  ]); // prettier-ignore
  const { queryNorm, keyNorm } = describeModel(parse(stablelm_parallel)).blocks[1]!;
  assert.equal(queryNorm!.weights.map(({ tensor, shape }) => [tensor, shape]), [0, 1, 2, 3].map((head) => [`model.layers.1.self_attn.q_layernorm.norms.${head}.weight`, [8]])); // prettier-ignore
  assert.equal([keyNorm!.weights.length, keyNorm!.parts, keyNorm!.width], [2, 2, 8]);
});

test("the reference models", async () => {
  await assertReference("starcoder2", true, { kvHeads: 2, attentionWindows: [8, 8, 8], activation: "gelu_tanh" });
  await assertReference("stablelm", true, { rotaryDim: 4, attentionBias: "qkv", parallelResidual: false });
  await assertReference("stablelm-parallel", true, { rotaryDim: 8, parallelResidual: true, qkNorm: "each" });
  await assertReference("cohere", true, { normBias: false, logitScale: 0.5, rotaryPairs: "neighbours" });
  await assertReference("cohere-qk-norm", true, { qkNorm: "each" });
  await assertReference("opt", false, { contextLength: 64, positionOffset: 2 });
  await assertReference("opt-post-norm", false, { postNorm: true, finalNorm: false });
  await assertReference("opt-350m", false, { postNorm: true, embeddingSize: 32 });
});

test.run();
