import { suite } from "uvu";
import * as assert from "uvu/assert";
import { USUAL } from "../../src/architecture/model-config.ts";
import { describeModel } from "../../src/architecture/description.ts";
import { assertRefused, assertUnsupported, assertWritten, parse } from "./family-checks.ts";
import { CONFIGS } from "./family-folder.ts";
import { assertReference } from "./reference-folder.ts";

const test = suite("gpt2");
const json = CONFIGS.gpt2;
const { n_inner: _, n_positions: __, ...shortest } = json;

test("what a file leaves out is what transformers assumes", () =>
  assert.equal(parse(shortest), {
    ...USUAL, architecture: "gpt2", vocabSize: 40, hiddenSize: 32, layers: 2, heads: 4, kvHeads: 4, headDim: 8, ffnSize: 128,
    norm: "layer", rmsNormEps: 1e-5, positions: "learned", rotaryDim: 0, ropeTheta: 10_000, ropeScaling: { kind: "none" },
    contextLength: 1024, attentionWindows: [0, 0], tiedEmbedding: true, attentionBias: "qkvo", mlpBias: true, headBias: false,
    activation: "gelu_tanh", gatedMlp: false, parallelResidual: false, qkNorm: "none",
  })); // prettier-ignore

test("sizes under the names that transformers maps to them", () => {
  const { n_embd, n_layer, n_head, n_positions, ...rest } = json;
  const common = {
    hidden_size: n_embd,
    num_hidden_layers: n_layer,
    num_attention_heads: n_head,
    max_position_embeddings: n_positions,
  };
  assert.equal(parse({ ...rest, ...common }), parse(json));
  assert.equal(parse({ ...shortest, n_inner: null }), parse(shortest));
});

test("activations by name", () => {
  const activation = (name: string) => parse({ ...json, activation_function: name }).activation;
  for (const name of ["gelu_new", "gelu_pytorch_tanh", "gelu_fast"]) assert.is(activation(name), "gelu_tanh", name);
  assert.is(activation("gelu"), "gelu");
  assert.is(activation("relu"), "relu");
});

test("variants that are not run are refused by name", () => {
  assertUnsupported(json, { scale_attn_weights: false }, /scale_attn_weights: got false, supported: true/);
  assertUnsupported(
    json,
    { scale_attn_by_inverse_layer_idx: true },
    /scale_attn_by_inverse_layer_idx: got true, supported: false/,
  );
  assertUnsupported(json, { add_cross_attention: true }, /add_cross_attention: got true, supported: false/);
  assertUnsupported(json, { activation_function: "quick_gelu" }, /activation_function: got "quick_gelu", supported: gelu, gelu_new, .*relu/); // prettier-ignore
  assertUnsupported(json, { activation_function: "silu" }, /got "silu"/);
  assertRefused(json, { n_embd: undefined }, /n_embd: got nothing/);
  assertRefused(json, { n_head: 3 }, /head dimension: got 10\.6/);
  assertRefused(json, { n_layer: 1e9 }, /n_layer: got 1000000000/);
  assertRefused(json, { layer_norm_epsilon: 0 }, /layer_norm_epsilon: got 0/);
});

test("what is written is read back the same", () => {
  const config = parse(json);
  assertWritten(config, parse(shortest), { ...config, activation: "gelu", tiedEmbedding: false, rmsNormEps: 1e-6 });
  assertWritten({ ...config, activation: "relu", contextLength: 7 });
});

test("q, k and v are one module; all four of a block are stored transposed", () => {
  const [block] = describeModel(parse(json)).blocks;
  const modules = block!.inputs.flatMap((input) => input.modules);
  assert.equal(
    modules.map(({ name, outFeatures, inFeatures }) => [name, outFeatures, inFeatures]),
    [
      ["transformer.h.0.attn.c_attn", 96, 32],
      ["transformer.h.0.attn.c_proj", 32, 32],
      ["transformer.h.0.mlp.c_fc", 64, 32],
      ["transformer.h.0.mlp.c_proj", 32, 64],
    ],
  );
  assert.ok(modules.every(({ storedOrder }) => storedOrder === "transposed"));
});

test("the reference model", () =>
  assertReference("gpt2", false, {
    hiddenSize: 64,
    ffnSize: 256,
    contextLength: 64,
    activation: "gelu_tanh",
    tiedEmbedding: true,
  }));

test.run();
