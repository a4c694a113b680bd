/** RoPE for long contexts in `config.json`: three spellings, transformers' defaults, refusals by name. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseModelConfig, writeModelConfig } from "../../src/architecture/families.ts";
import type { ModelConfig, RopeScaling } from "../../src/architecture/model-config.ts";
import { longestContext } from "../../src/architecture/rope-scaling.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { CheckpointError, UnsupportedModelError } from "../../src/errors.ts";
import { tinyConfig } from "../tiny-model.ts";

const test = suite("RoPE scaling");

/** A LLaMA of 8 frequencies and a context of 1024. */
const parse = (changes: JsonObject): ModelConfig =>
  parseModelConfig(
    {
      architectures: ["LlamaForCausalLM"],
      vocab_size: 320,
      hidden_size: 64,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      intermediate_size: 192,
      max_position_embeddings: 1024,
      rope_theta: 5e5,
      ...changes,
    },
    "config.json",
  );

const SHORT = [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7];
const LONG = [1, 2, 3, 4, 5, 6, 7, 8];
const YARN: RopeScaling = {
  kind: "yarn",
  factor: 4,
  originalContextLength: 256,
  betaFast: 32,
  betaSlow: 1,
  truncate: true,
  attention: { mscale: 1, mscaleAllDim: 0 },
};
const LONGROPE: RopeScaling = {
  kind: "longrope",
  shortFactors: SHORT,
  longFactors: LONG,
  originalContextLength: 256,
  attention: { extension: 4 },
};
const yarn = { factor: 4, original_max_position_embeddings: 256 };
const longrope = { short_factor: SHORT, long_factor: LONG, original_max_position_embeddings: 256 };

for (const [kind, keys, expected] of [
  ["yarn", yarn, YARN],
  ["longrope", longrope, LONGROPE],
  ["dynamic", { factor: 3 }, { kind: "dynamic", factor: 3 }],
] as const) {
  test(`${kind}: every spelling`, () => {
    for (const [changes, theta] of [
      [{ rope_scaling: { type: kind, ...keys } }, 5e5],
      [{ rope_scaling: { rope_type: kind, ...keys } }, 5e5],
      [{ rope_scaling: { type: "linear", rope_type: kind, ...keys } }, 5e5],
      [{ rope_parameters: { rope_type: kind, rope_theta: 7, ...keys } }, 7],
      [{ rope_parameters: { rope_type: kind, rope_theta: 7, ...keys }, rope_scaling: { type: "linear", factor: 2 } }, 7],
    ] as const) {
      const { ropeTheta, ropeScaling } = parse(changes);
      assert.is(ropeTheta, theta);
      assert.equal(ropeScaling, expected);
    }
  });
}

test("yarn: what is left out is what transformers assumes", () => {
  const scaling = (keys: JsonObject, changes: JsonObject = {}) =>
    parse({ rope_scaling: { rope_type: "yarn", ...yarn, ...keys }, ...changes }).ropeScaling;
  assert.equal(scaling({ original_max_position_embeddings: null }), { ...YARN, originalContextLength: 1024 });
  assert.equal(scaling({ factor: null, original_max_position_embeddings: 512 }), {
    ...YARN,
    factor: 2,
    originalContextLength: 512,
  });
  assert.equal(scaling({ beta_fast: 20, beta_slow: 2, truncate: false }), {
    ...YARN,
    betaFast: 20,
    betaSlow: 2,
    truncate: false,
  });
  assert.equal(scaling({ beta_fast: null, beta_slow: 0, truncate: null, finetuned: true }), YARN);
  assert.equal(scaling({ attention_factor: 0.7, mscale: 1, mscale_all_dim: 2 }), { ...YARN, attention: { factor: 0.7 } });
  assert.equal(scaling({ mscale: 0.7, mscale_all_dim: 2 }), { ...YARN, attention: { mscale: 0.7, mscaleAllDim: 2 } });
  // One of the two is none.
  assert.equal(scaling({ mscale: 0.7 }), YARN);
  assert.equal(scaling({ mscale: 0.7, mscale_all_dim: 0 }), YARN);
  assert.equal(scaling({}, { original_max_position_embeddings: 128 }), { ...YARN, originalContextLength: 128 });
});

test("longrope: the first name, and the original context beside it", () => {
  const { original_max_position_embeddings: _, ...lists } = longrope;
  const scaling = (keys: JsonObject, changes: JsonObject = {}) =>
    parse({ rope_scaling: { type: "su", ...lists, ...keys }, ...changes }).ropeScaling;
  assert.equal(scaling({}, { original_max_position_embeddings: 256 }), LONGROPE);
  assert.equal(scaling({ original_max_position_embeddings: 1 }, { original_max_position_embeddings: 256 }), LONGROPE);
  assert.equal(scaling({}), { ...LONGROPE, originalContextLength: 1024, attention: { extension: 1 } });
  assert.equal(scaling({ factor: 6 }), { ...LONGROPE, originalContextLength: 1024, attention: { extension: 6 } });
  assert.equal(scaling({ attention_factor: 1.2 }, { original_max_position_embeddings: 256 }), {
    ...LONGROPE,
    attention: { factor: 1.2 },
  });
  assert.equal(scaling({ short_factor: LONG, attention_factor: 1 }), { kind: "factors", factors: LONG });
});

test("what is written is read back the same", () => {
  const scalings: RopeScaling[] = [
    YARN,
    { ...YARN, betaFast: 20, betaSlow: 2.5, truncate: false, attention: { factor: 0.7 } },
    { ...YARN, attention: { mscale: 0.7, mscaleAllDim: 2 } },
    LONGROPE,
    { ...LONGROPE, attention: { factor: 1.2 } },
    { ...LONGROPE, longFactors: SHORT },
    { kind: "dynamic", factor: 2.5 },
  ];
  for (const architecture of ["llama", "mistral", "qwen2", "qwen3"] as const) {
    for (const ropeScaling of scalings) {
      const config = tinyConfig(architecture, { ropeScaling });
      assert.equal(parseModelConfig(JSON.parse(JSON.stringify(writeModelConfig(config))) as JsonObject, "config.json"), config);
    }
  }
});

test("how long a sequence can be", () => {
  const longest = (ropeScaling: RopeScaling) => longestContext(tinyConfig("llama", { ropeScaling, contextLength: 1024 }));
  assert.is(longest({ kind: "none" }), 1024);
  assert.is(longest({ kind: "linear", factor: 4 }), 1024);
  assert.is(longest(YARN), 1024);
  assert.is(longest({ ...YARN, factor: 10.01 }), 2562);
  assert.is(longest(LONGROPE), 1024);
  // Positions whose angles the tables still have.
  assert.is(longest({ kind: "dynamic", factor: 2 }), 2 ** 24);
  assert.is(longest({ ...YARN, factor: 1e300 }), 2 ** 24);
});

for (const [scaling, pattern] of [
  [{ rope_type: "axial" }, /rope_type: got "axial", supported: default, linear, llama3, dynamic, yarn, longrope$/],
  [{ rope_type: "constructor" }, /rope_type: got "constructor"/],
  [
    { rope_type: "yarn", ...yarn, llama_4_scaling_beta: 0.1 },
    /llama_4_scaling_beta: got 0\.1, need no such key for rope_type "yarn"/,
  ],
  [{ rope_type: "yarn", ...yarn, attn_factor: 1 }, /attn_factor: got 1/],
  // Phi-3's first files: YaRN's attention factor over LongRoPE's lists.
  [{ type: "yarn", ...longrope }, /short_factor: got \[1,/],
  [{ type: "longrope", ...longrope, long_mscale: 1.2 }, /long_mscale: got 1\.2/],
  [{ type: "dynamic", factor: 2, alpha: 1000 }, /alpha: got 1000/],
  [{ type: "dynamic", factor: 2, original_max_position_embeddings: 512 }, /original_max_position_embeddings: got 512 .*1024/],
  [{ rope_type: "default", mrope_section: [2, 3, 3] }, /mrope_section: got \[2,3,3\]/],
  [{ full_attention: { rope_type: "default" } }, /full_attention: got/],
] as const) {
  test(`not supported: ${JSON.stringify(scaling)}`, () =>
    assert.throws(
      () => parse({ rope_scaling: scaling }),
      (error: unknown) =>
        error instanceof UnsupportedModelError &&
        pattern.test(error.message) &&
        error.message.startsWith("config.json: rope_scaling: "),
    ));
}

for (const [scaling, pattern, changes] of [
  [{ type: "yarn", original_max_position_embeddings: 256 }, /rope_scaling: factor: got nothing/],
  [{ type: "yarn", ...yarn, factor: -1 }, /factor: got -1/],
  [{ type: "yarn", ...yarn, beta_fast: 1 }, /beta_fast: got 1, need more than beta_slow, 1/],
  [{ type: "yarn", ...yarn, attention_factor: 0 }, /attention_factor: got 0/],
  [{ type: "yarn", ...yarn, truncate: 1 }, /truncate: got 1/],
  [{ type: "yarn", ...yarn, original_max_position_embeddings: 2 ** 40 }, /original_max_position_embeddings: got 1099511627776/],
  [{ type: "yarn", ...yarn }, /RoPE base: got 1 with YaRN, need more than 1/, { rope_theta: 1 }],
  [{ type: "dynamic" }, /factor: got nothing/],
  [{ type: "dynamic", factor: 2 }, /rotary dimension: got 2 with dynamic RoPE, need at least 4/, { head_dim: 2 }],
  [{ type: "longrope", ...longrope, long_factor: LONG.slice(1) }, /long_factor: got .*need an array of 8 finite numbers/],
  [{ type: "longrope", ...longrope, short_factor: SHORT.with(3, 0) }, /RoPE factors: got 8, need 8 .* above 0/],
  [
    { type: "longrope", ...longrope, original_max_position_embeddings: 1 },
    /original_max_position_embeddings: got 1, need at least 2/,
  ],
] as readonly (readonly [JsonObject, RegExp, JsonObject?])[]) {
  test(`refused: ${JSON.stringify({ ...scaling, ...changes })}`, () =>
    assert.throws(
      () => parse({ rope_scaling: scaling, ...changes }),
      (error: unknown) => error instanceof CheckpointError && pattern.test(error.message),
    ));
}

test.run();
