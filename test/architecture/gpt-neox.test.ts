import { suite } from "uvu";
import * as assert from "uvu/assert";
import { USUAL } from "../../src/architecture/model-config.ts";
import { describeModel } from "../../src/architecture/description.ts";
import { assertRefused, assertUnsupported, assertWritten, parse } from "./family-checks.ts";
import { CONFIGS } from "./family-folder.ts";
import { assertReference } from "./reference-folder.ts";

const test = suite("gpt-neox");
const json = CONFIGS.gpt_neox;

test("what a file leaves out is what transformers assumes", () =>
  assert.equal(parse(json), {
    ...USUAL, architecture: "gpt_neox", vocabSize: 40, hiddenSize: 32, layers: 2, heads: 4, kvHeads: 4, headDim: 8, ffnSize: 64,
    norm: "layer", rmsNormEps: 1e-5, positions: "rope", rotaryDim: 2, ropeTheta: 10_000, ropeScaling: { kind: "none" },
    contextLength: 2048, attentionWindows: [0, 0], tiedEmbedding: false, attentionBias: "qkvo", mlpBias: true, headBias: false,
    activation: "gelu", gatedMlp: false, parallelResidual: true, qkNorm: "none",
  })); // prettier-ignore

test("names of its own for RoPE, beside those of transformers 5", () => {
  const own = parse({ ...json, rotary_pct: 0.5, rotary_emb_base: 500 });
  assert.is(own.rotaryDim, 4);
  assert.is(own.ropeTheta, 500);
  assert.equal(parse({ ...json, rope_parameters: { rope_type: "default", rope_theta: 500, partial_rotary_factor: 0.5 } }), own);
});

test("options: sequential residual, no biases in attention, tied head", () => {
  const config = parse({ ...json, use_parallel_residual: false, attention_bias: false, tie_word_embeddings: true });
  assert.is(config.parallelResidual, false);
  assert.is(config.attentionBias, "none");
  assert.is(config.tiedEmbedding, true);
  assertWritten(config, parse(json), {
    ...config,
    rotaryDim: 6,
    activation: "gelu_tanh",
    ropeScaling: { kind: "linear", factor: 2 },
  });
});

test("variants that are not run are refused by name", () => {
  assertUnsupported(json, { hidden_act: "gelu_python" }, /hidden_act: got "gelu_python"/);
  assertUnsupported(json, { rotary_pct: 0.4 }, /rotary_pct: got 0\.4, which turns 3 channels/);
  assertUnsupported(json, { rope_scaling: { type: "axial", factor: 2 } }, /rope_type: got "axial"/);
  assertRefused(json, { intermediate_size: null }, /intermediate_size: got nothing/);
  assertRefused(json, { use_parallel_residual: "yes" }, /use_parallel_residual: got "yes"/);
  assertRefused(json, { num_attention_heads: 5 }, /head dimension: got 6\.4/);
});

test("attention and MLP have a norm each, and rows of q, k and v are stored head by head", () => {
  const [block] = describeModel(parse(json)).blocks;
  assert.equal(block!.inputs.map(({ name, from }) => [name, typeof from === "string" ? from : from.weight.split(".").at(-2)]), [
    ["qkv", "input_layernorm"],
    ["o", "attention"],
    ["up", "post_attention_layernorm"],
    ["down", "activation"],
  ]); // prettier-ignore
  assert.equal(
    block!.inputs.flatMap(({ modules }) => modules.map(({ storedOrder }) => storedOrder)),
    ["by_head", undefined, undefined, undefined],
  );
});

for (const [folder, parallelResidual] of [
  ["gpt-neox", true],
  ["gpt-neox-sequential", false],
] as const) {
  test(`the reference model ${folder}`, () =>
    assertReference(folder, true, { ffnSize: 128, rotaryDim: 4, activation: "gelu", parallelResidual, contextLength: 256 }));
}

test.run();
