/** OLMo 2, GLM-4, Phi-3 and SmolLM3: what `config.json` means where it differs from LLaMA's. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel } from "../../src/architecture/description.ts";
import { parseLlamaConfig } from "../../src/architecture/families/llama.ts";
import type { Architecture, ModelConfig } from "../../src/architecture/model-config.ts";
import { JsonFields, type JsonObject } from "../../src/json-object.ts";
import { assertRefused, assertUnsupported, assertWritten, parse } from "./family-checks.ts";
import { CONFIGS } from "./family-folder.ts";
import { assertReference } from "./reference-folder.ts";

const test = suite("llama's relatives");
const { olmo2, glm, glm4, phi3, smollm3 } = CONFIGS;

/** What LLaMA would make of the configuration. */
function asLlama(json: JsonObject, architecture: Architecture, contextLength: number): ModelConfig {
  return parseLlamaConfig(new JsonFields(json, "config.json"), { architecture, contextLength });
}

test("what a file leaves out is what transformers assumes", () => {
  assert.equal(parse(olmo2), { ...asLlama(olmo2, "olmo2", 2048), rmsNormEps: 1e-5, qkNorm: "all" });
  assert.equal(parse(phi3), { ...asLlama(phi3, "phi3", 4096), rmsNormEps: 1e-5, attentionWindows: [12, 12] });
  const { head_dim: _, ...shortest } = glm;
  for (const [json, architecture] of [[shortest, "glm"], [{ ...shortest, architectures: glm4.architectures }, "glm4"]] as const) {
    const config = asLlama(json, architecture, 131_072);
    const differs = { headDim: 128, kvHeads: 2, rotaryDim: 64, rmsNormEps: 1.5625e-7, rotaryPairs: "neighbours", attentionBias: "qkv" };
    assert.equal(parse(json), { ...config, ...differs });
  } // prettier-ignore
  const { num_key_value_heads: __, ...whole } = smollm3;
  const differs = { kvHeads: 4, ropeTheta: 2e6, tiedEmbedding: true, unrotatedLayers: [3] };
  assert.equal(parse(whole), { ...asLlama(whole, "smollm3", 32_768), ...differs });
});

test("keys of their own", () => {
  assert.is(parse({ ...olmo2, attention_bias: true }).attentionBias, "qkvo");
  assert.equal(parse({ ...phi3, sliding_window: null }).attentionWindows, [0, 0]);
  assert.is(parse({ ...phi3, partial_rotary_factor: 0.75 }).rotaryDim, 6);
  const lists = { short_factor: [1, 1, 1, 1], long_factor: [1, 2, 3, 4] };
  const long = { ...phi3, original_max_position_embeddings: 1024, rope_scaling: { type: "su", ...lists } };
  assert.equal(parse(long).ropeScaling, {
    kind: "longrope",
    shortFactors: lists.short_factor,
    longFactors: lists.long_factor,
    originalContextLength: 1024,
    attention: { extension: 4 },
  });
  assert.is(parse({ ...glm, attention_bias: false }).attentionBias, "none");
  assert.is(parse({ ...glm4, partial_rotary_factor: 1 }).rotaryDim, 16);
  assert.equal(parse({ ...smollm3, no_rope_layer_interval: 2 }).unrotatedLayers, [1, 3]);
  assert.equal(parse({ ...smollm3, no_rope_layers: [0, 1, 1, 0], no_rope_layer_interval: 2 }).unrotatedLayers, [0, 3]);
  assert.equal(parse({ ...smollm3, no_rope_layers: [1, 1, 1, 1] }).unrotatedLayers, []);
});

test("variants that are not run are refused by name", () => {
  assertUnsupported(olmo2, { partial_rotary_factor: 0.5 }, /partial_rotary_factor: got 0\.5, supported: 1/);
  assertUnsupported(olmo2, { clip_qkv: 8 }, /clip_qkv: got 8/);
  assertUnsupported(glm, { hidden_act: "gelu" }, /hidden_act: got "gelu", supported: silu/);
  assertUnsupported(glm4, { partial_rotary_factor: 0.2 }, /partial_rotary_factor: got 0\.2, which turns 3 channels/);
  assertUnsupported(smollm3, { use_sliding_window: true }, /use_sliding_window: got true, supported: false/);
  assertRefused(smollm3, { no_rope_layers: [1, 1] }, /no_rope_layers: got \[1,1\], need an array of 4 finite numbers/);
  assertRefused(smollm3, { no_rope_layers: [1, 1, 2, 1] }, /no_rope_layers: got 2, need 0 or 1/);
  assertRefused(phi3, { rope_scaling: { type: "longrope", short_factor: [1], long_factor: [1, 1, 1, 1] } }, /short_factor/);
});

test("what is written is read back the same", () => {
  assertWritten(parse(olmo2), { ...parse(olmo2), attentionBias: "qkvo", tiedEmbedding: true });
  assertWritten(parse(glm), parse(glm4), { ...parse(glm4), rotaryDim: 14, attentionBias: "none" });
  assertWritten(parse(phi3), { ...parse(phi3), attentionWindows: [0, 0], rotaryDim: 6 });
  assertWritten(parse(smollm3), { ...parse(smollm3), unrotatedLayers: [0, 2], mlpBias: true, tiedEmbedding: false });
});

test("blocks as the model has them", () => {
  const inputsOf = (json: JsonObject) =>
    describeModel(parse(json)).blocks[0]!.inputs.map(({ name, from, modules, outputNorm }) => [
      name,
      typeof from === "string" ? from : from.weight.slice("model.layers.0.".length),
      modules.map(({ name: module, outFeatures }) => `${module.slice("model.layers.0.".length)} ${outFeatures}`),
      outputNorm?.weight.slice("model.layers.0.".length),
    ]);
  assert.equal(inputsOf(olmo2), [
    ["qkv", "stream", ["self_attn.q_proj 32", "self_attn.k_proj 16", "self_attn.v_proj 16"], undefined],
    ["o", "attention", ["self_attn.o_proj 32"], "post_attention_layernorm.weight"],
    ["up", "stream", ["mlp.gate_proj 64", "mlp.up_proj 64"], undefined],
    ["down", "activation", ["mlp.down_proj 32"], "post_feedforward_layernorm.weight"],
  ]);
  assert.equal(inputsOf(phi3), [
    ["qkv", "input_layernorm.weight", ["self_attn.qkv_proj 64"], undefined],
    ["o", "attention", ["self_attn.o_proj 32"], undefined],
    ["up", "post_attention_layernorm.weight", ["mlp.gate_up_proj 128"], undefined],
    ["down", "activation", ["mlp.down_proj 32"], undefined],
  ]);
  const [{ queryNorm, keyNorm }] = describeModel(parse(olmo2)).blocks as [ReturnType<typeof describeModel>["blocks"][0]];
  assert.equal([queryNorm!.parts, queryNorm!.width, keyNorm!.parts, keyNorm!.width], [1, 32, 1, 16]);
  assert.equal(describeModel(parse(smollm3)).blocks.map(({ rope }) => rope), [0, 0, 0, undefined]); // prettier-ignore
});

for (const [name, expected] of [
  ["llama-bias", { attentionBias: "qkvo", mlpBias: true }],
  ["olmo2", { qkNorm: "all" }],
  ["glm", { rotaryDim: 8, rotaryPairs: "neighbours", attentionBias: "qkv" }],
  ["glm4", { rotaryDim: 8, rotaryPairs: "neighbours", attentionBias: "qkv" }],
  ["phi3", { attentionWindows: [8, 8, 8] }],
  ["phi3-longrope-long", { rotaryDim: 12, tiedEmbedding: true }],
  ["smollm3", { unrotatedLayers: [3], ropeTheta: 2e6 }],
] as const) {
  test(`the reference model ${name}`, () => assertReference(name, true, expected));
}

test.run();
