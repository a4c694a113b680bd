import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel } from "../../src/architecture/description.ts";
import { assertRefused, assertUnsupported, assertWritten, parse } from "./family-checks.ts";
import { CONFIGS } from "./family-folder.ts";
import { assertReference } from "./reference-folder.ts";

const test = suite("lfm2");
const { lfm2 } = CONFIGS;
const { layer_types: _, intermediate_size: __, ...older } = lfm2;

test("what a file leaves out is what transformers assumes", () => {
  const config = parse(older);
  const expected = {
    kvHeads: 2, ropeTheta: 1e6, rmsNormEps: 1e-5, contextLength: 128_000, tiedEmbedding: true, qkNorm: "head", convolutionLayers: [],
    convolutionLength: 3, convolutionBias: false, ffnSize: 8192,
  }; // prettier-ignore
  assert.equal({ ...config, ...expected }, config);
  assert.is(parse({ ...older, tie_embedding: false }).tiedEmbedding, false);
});

test("layers by their types, or the indices of those with attention", () => {
  assert.equal(parse(lfm2).convolutionLayers, [0, 2]);
  assert.equal(parse({ ...older, full_attn_idxs: [2, 0] }).convolutionLayers, [1]);
  assert.equal(parse({ ...older, full_attn_idxs: [] }).convolutionLayers, [0, 1, 2]);
  assertUnsupported(lfm2, { layer_types: ["conv", "mamba", "conv"] }, /layer_types: "mamba" is not supported/);
  assertRefused(lfm2, { layer_types: ["conv"] }, /layer_types: 1 entries for 3 layers/);
  assertRefused(older, { full_attn_idxs: [3] }, /full_attn_idxs: got \[3\], need numbers of layers below 3/);
  assertRefused(lfm2, { conv_L_cache: 65 }, /conv_L_cache: got 65, need an integer from 1 to 64/);
});

test("the size of the MLP, as transformers makes it", () => {
  const size = (changes: object) => parse({ ...older, ...changes }).ffnSize;
  assert.is(size({ block_ff_dim: 100, block_multiple_of: 16 }), 80); // int(66.7) = 66
  assert.is(size({ block_ff_dim: 100, intermediate_size: 50, block_multiple_of: 1 }), 66);
  assert.is(size({ block_ff_dim: 96, block_ffn_dim_multiplier: 1.3, block_multiple_of: 8 }), 88); // int(83.2) = 83
  assert.is(size({ block_ff_dim: 100, block_ffn_dim_multiplier: null }), 66);
  assert.is(size({ block_ff_dim: 100, block_auto_adjust_ff_dim: false }), 100);
  assertRefused(older, { block_ff_dim: 2 ** 20, block_ffn_dim_multiplier: 1e6 }, /block_ffn_dim_multiplier: got an MLP of/);
});

test("what is written is read back the same", () =>
  assertWritten(parse(lfm2), parse({ ...lfm2, conv_bias: true, conv_L_cache: 4 }), parse({ ...older, full_attn_idxs: [] })));

test("a convolution in place of attention", () => {
  const [first, second] = describeModel(parse({ ...lfm2, conv_bias: true })).blocks;
  const inputs = (block: typeof first) =>
    block!.inputs.map(({ name, width, from, modules }) => [
      name, width, typeof from, modules.map((module) => [module.name.slice(block!.name.length + 1), module.outFeatures]),
    ]); // prettier-ignore
  assert.equal(inputs(first).slice(0, 2), [
    ["qkv", 32, "object", [["conv.in_proj", 96]]], ["o", 32, "string", [["conv.out_proj", 32]]],
  ]); // prettier-ignore
  assert.equal(first!.convolution, {
    weight: "model.layers.0.conv.conv.weight", bias: "model.layers.0.conv.conv.bias", length: 3,
  }); // prettier-ignore
  assert.equal([first!.queryNorm, first!.rope, second!.convolution], [undefined, undefined, undefined]);
  assert.is(second!.rope, 0);
  assert.equal(inputs(second)[1], ["o", 32, "string", [["self_attn.out_proj", 32]]]);
});

test("the reference model", () =>
  assertReference("lfm2", true, { ffnSize: 128, convolutionLayers: [0, 1, 3], convolutionLength: 3, qkNorm: "head" }));

test.run();
