import { suite } from "uvu";
import * as assert from "uvu/assert";
import { USUAL } from "../../src/architecture/model-config.ts";
import { describeModel } from "../../src/architecture/description.ts";
import { assertRefused, assertUnsupported, assertWritten, parse } from "./family-checks.ts";
import { CONFIGS } from "./family-folder.ts";
import { assertReference } from "./reference-folder.ts";

const test = suite("phi");
const json = CONFIGS.phi;

test("what a file leaves out is what transformers assumes", () =>
  assert.equal(parse({ ...json, intermediate_size: null, num_key_value_heads: null }), {
    ...USUAL, architecture: "phi", vocabSize: 40, hiddenSize: 32, layers: 2, heads: 4, kvHeads: 4, headDim: 8, ffnSize: 128,
    norm: "layer", rmsNormEps: 1e-5, positions: "rope", rotaryDim: 4, ropeTheta: 10_000, ropeScaling: { kind: "none" },
    contextLength: 2048, attentionWindows: [0, 0], tiedEmbedding: false, attentionBias: "qkvo", mlpBias: true, headBias: true,
    activation: "gelu_tanh", gatedMlp: false, parallelResidual: true, qkNorm: "none",
  })); // prettier-ignore

test("a part of each head turns, in the spellings of transformers 4 and 5; the newer one wins", () => {
  const rotaryDim = (changes: object) => parse({ ...json, ...changes }).rotaryDim;
  assert.is(rotaryDim({ partial_rotary_factor: 0.25 }), 2);
  assert.is(
    rotaryDim({ rope_parameters: { rope_type: "default", partial_rotary_factor: 0.75 }, partial_rotary_factor: 0.25 }),
    6,
  );
  assert.is(rotaryDim({ rope_parameters: { rope_type: "default" }, partial_rotary_factor: 1 }), 8);
  assert.is(rotaryDim({ hidden_size: 320, partial_rotary_factor: 0.4 }), 32); // Phi-2: int(80 * 0.4)
  const { ropeTheta, ropeScaling } = parse({ ...json, rope_theta: 500, rope_scaling: { type: "linear", factor: 2 } });
  assert.is(ropeTheta, 500);
  assert.equal(ropeScaling, { kind: "linear", factor: 2 });
});

test("variants that are not run are refused by name", () => {
  assertUnsupported(json, { qk_layernorm: true }, /qk_layernorm: got true, supported: false/);
  assertUnsupported(json, { tie_word_embeddings: true }, /tie_word_embeddings: got true, supported: false/);
  assertUnsupported(json, { hidden_act: "mish" }, /hidden_act: got "mish"/);
  assertUnsupported(
    json,
    { partial_rotary_factor: 0.4 },
    /partial_rotary_factor: got 0\.4, which turns 3 channels of a head of 8/,
  );
  assertUnsupported(json, { partial_rotary_factor: 0.1 }, /turns 0 channels/);
  assertUnsupported(
    json,
    { rope_parameters: { partial_rotary_factor: 0.4 } },
    /rope_parameters: partial_rotary_factor: got 0\.4/,
  );
  assertUnsupported(json, { rope_scaling: { type: "axial", factor: 2 } }, /rope_type: got "axial"/);
  assertRefused(json, { partial_rotary_factor: 1.5 }, /partial_rotary_factor: got 1\.5, need at most 1/);
  assertRefused(json, { partial_rotary_factor: -1 }, /partial_rotary_factor: got -1/);
  assertRefused(json, { num_key_value_heads: 3 }, /4 attention heads, not a multiple of 3/);
  assertRefused(json, { num_attention_heads: 3 }, /head_dim: got 10\.6/);
});

test("what is written is read back the same", () => {
  const config = parse(json);
  assertWritten(config, { ...config, kvHeads: 2, headDim: 32, rotaryDim: 10, ropeTheta: 5e5, activation: "relu" });
  assertWritten({ ...config, ropeScaling: { kind: "factors", factors: [1, 1.5] } });
  const lists = { shortFactors: [1, 1.5], longFactors: [2, 3] };
  assertWritten({
    ...config,
    ropeScaling: { kind: "longrope", ...lists, originalContextLength: 9, attention: { extension: 2 } },
  });
  // Every part of every head size: int(D * factor) of the factor written.
  for (let headDim = 2; headDim <= 256; headDim += 2) {
    for (let rotaryDim = 2; rotaryDim <= headDim; rotaryDim += 2) assertWritten({ ...config, headDim, rotaryDim });
  }
});

test("one norm feeds q, k, v and the MLP, as one input", () => {
  const [block] = describeModel(parse(json)).blocks;
  assert.equal(
    block!.inputs.map(({ name, modules }) => [name, modules.map(({ name: module }) => module.slice("model.layers.0.".length))]),
    [
      ["qkv", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.fc1"]],
      ["o", ["self_attn.dense"]],
      ["down", ["mlp.fc2"]],
    ],
  );
  assert.is(describeModel(parse(json)).head!.bias, true);
});

test("the reference model", () =>
  assertReference("phi", true, {
    ffnSize: 128,
    rotaryDim: 8,
    contextLength: 256,
    activation: "gelu_tanh",
    parallelResidual: true,
  }));

test.run();
