import { suite } from "uvu";
import * as assert from "uvu/assert";
import { USUAL } from "../../src/architecture/model-config.ts";
import { describeModel } from "../../src/architecture/description.ts";
import { assertRefused, assertUnsupported, assertWritten, parse } from "./family-checks.ts";
import { CONFIGS } from "./family-folder.ts";
import { assertReference } from "./reference-folder.ts";

const test = suite("bloom");
const json = CONFIGS.bloom;

test("what a file leaves out is what transformers assumes, and the length it was trained with", () =>
  assert.equal(parse(json), {
    ...USUAL, architecture: "bloom", vocabSize: 40, hiddenSize: 32, layers: 2, heads: 4, kvHeads: 4, headDim: 8, ffnSize: 128,
    norm: "layer", rmsNormEps: 1e-5, positions: "alibi", rotaryDim: 0, ropeTheta: 10_000, ropeScaling: { kind: "none" },
    contextLength: 2048, attentionWindows: [0, 0], tiedEmbedding: true, attentionBias: "qkvo", mlpBias: true, headBias: false,
    activation: "gelu_tanh", gatedMlp: false, parallelResidual: false, qkNorm: "none",
  })); // prettier-ignore

test("BigScience's spelling, with keys that change the order of sums only", () => {
  const { hidden_size, n_head, ...rest } = json;
  const old = {
    ...rest,
    n_embed: hidden_size,
    num_attention_heads: n_head,
    seq_length: 512,
    pretraining_tp: 4,
    slow_but_exact: true,
  };
  assert.equal(parse(old), { ...parse(json), contextLength: 512 });
});

test("variants that are not run are refused by name", () => {
  assertUnsupported(json, { apply_residual_connection_post_layernorm: true }, /apply_residual_connection_post_layernorm: got true, supported: false/); // prettier-ignore
  assertRefused(json, { n_layer: null }, /n_layer: got nothing/);
  assertRefused(json, { n_head: 5 }, /head dimension: got 6\.4/);
  assertRefused(json, { layer_norm_epsilon: "1e-5" }, /layer_norm_epsilon: got "1e-5"/);
});

test("what is written is read back the same", () => {
  const config = parse(json);
  assertWritten(config, { ...config, contextLength: 512, tiedEmbedding: false, rmsNormEps: 1e-6 });
});

test("the embedded tokens have a norm", () => {
  const { embeddingNorm, blocks } = describeModel(parse(json));
  assert.is(embeddingNorm?.weight, "transformer.word_embeddings_layernorm.weight");
  assert.is(embeddingNorm?.bias, "transformer.word_embeddings_layernorm.bias");
  assert.is(blocks[1]!.inputs[0]!.modules[0]!.storedOrder, "by_head");
});

test("the reference model", () => assertReference("bloom", true, { hiddenSize: 64, heads: 4, ffnSize: 256, positions: "alibi" }));
test("the reference model whose heads are no power of two", () =>
  assertReference("bloom-odd-heads", true, { hiddenSize: 96, heads: 6, headDim: 16 }));

test.run();
