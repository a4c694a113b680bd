/** RoPE for long contexts in the metadata of a GGUF, as llama.cpp reads it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openGgufCheckpoint } from "../../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { parseModelConfig } from "../../../src/architecture/families.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { type FixtureValue, buildGguf, f32, memoryFile, string, u32 } from "./gguf-fixture.ts";
import { TINY, tinyGguf } from "./tiny-gguf.ts";

const test = suite("RoPE in a GGUF (seed 1)");
const { D } = TINY;

/** The tiny llama, whose context is 128 tokens, with keys of `rope.scaling` and lists of factors. */
function open(keys: Record<string, FixtureValue>, lists: Record<string, readonly number[]> = {}) {
  const { fixture } = tinyGguf({ architecture: "llama" });
  const scaling = Object.entries(keys).map(([key, value]): [string, FixtureValue] => [`llama.rope.scaling.${key}`, value]);
  const factors = Object.entries(lists).map(([name, values]) => ({
    name: `${name}.weight`,
    dims: [values.length],
    typeId: 0,
    data: new Uint8Array(Float32Array.from(values).buffer),
  }));
  const tensors = [...factors, ...fixture.tensors];
  return openGgufCheckpoint(memoryFile(buildGguf({ ...fixture, metadata: [...fixture.metadata, ...scaling], tensors }).bytes));
}

/** The scaling, after a look at what a quantized folder of this file would say. */
async function scalingOf(keys: Record<string, FixtureValue>, lists?: Record<string, readonly number[]>) {
  const { config, configJson, tensors } = await open(keys, lists);
  assert.equal(parseModelConfig(JSON.parse(JSON.stringify(configJson)), "config.json"), config);
  assert.is(tensors.size, tinyGguf({ architecture: "llama" }).expected.size);
  return config.ropeScaling;
}

const YARN = { type: string("yarn"), factor: f32(4), original_context_length: u32(32) };
const EXPECTED = {
  kind: "yarn",
  factor: 4,
  originalContextLength: 32,
  betaFast: 32,
  betaSlow: 1,
  truncate: true,
  attention: { mscale: 1, mscaleAllDim: 0 },
};

test("yarn", async () => {
  assert.equal(await scalingOf(YARN), EXPECTED);
  const { original_context_length: _, ...short } = YARN;
  assert.equal(await scalingOf(short), { ...EXPECTED, originalContextLength: 128 });
  const betas = { yarn_beta_fast: f32(20.1), yarn_beta_slow: f32(2) };
  assert.equal(await scalingOf({ ...YARN, ...betas }), { ...EXPECTED, betaFast: 20.1, betaSlow: 2 });
  assert.equal(await scalingOf({ ...YARN, yarn_log_multiplier: f32(0.7) }), {
    ...EXPECTED,
    attention: { mscale: 1, mscaleAllDim: 0.7 },
  });
  const neutral = {
    yarn_ext_factor: f32(1),
    attn_factor: f32(1),
    finetuned: { type: 7, bytes: Uint8Array.of(1) } as FixtureValue,
  };
  assert.equal(await scalingOf({ ...YARN, ...neutral }), EXPECTED);
  // A factor of 1 or none scales nothing.
  for (const factor of [1, 0]) assert.equal(await scalingOf({ ...YARN, factor: f32(factor) }), { kind: "none" });
});

const short = Array.from({ length: D / 2 }, (_, i) => Math.fround(1 + i / 10));
const long = Array.from({ length: D / 2 }, (_, i) => Math.fround(1.3 + i));
const lists = { rope_factors_long: long, rope_factors_short: short };
const LONGROPE = { type: string("longrope"), original_context_length: u32(32), attn_factor: f32(1.19) };

test("longrope: its lists become configuration and are no tensors", async () => {
  const expected = {
    kind: "longrope",
    shortFactors: short,
    longFactors: long,
    originalContextLength: 32,
    attention: { factor: 1.19 },
  };
  assert.equal(await scalingOf(LONGROPE, lists), expected);
  const { attn_factor: _, original_context_length: __, ...bare } = LONGROPE;
  assert.equal(await scalingOf(bare, lists), { ...expected, originalContextLength: 128, attention: { factor: 1 } });
  assert.equal(await scalingOf({ ...bare, factor: f32(1) }, { ...lists, rope_factors_short: long }), {
    kind: "factors",
    factors: long,
  });
});

for (const [what, keys, factors, Kind, pattern] of [
  ["a type of its own", { type: string("su") }, {}, UnsupportedModelError, /type: got "su", need "none", "linear", "yarn" or "longrope"/],
  ["a mix of ramps", { ...YARN, yarn_ext_factor: f32(0.5) }, {}, UnsupportedModelError, /yarn_ext_factor: got 0\.5, need 1/],
  ["a factor that is read in two ways", { ...YARN, yarn_attn_factor: f32(1) }, {}, UnsupportedModelError, /yarn_attn_factor: got 1, need no/],
  ["another temperature", { ...YARN, attn_factor: f32(0.8) }, {}, UnsupportedModelError, /attn_factor: got 0\.8, need 1/],
  ["betas that cross", { ...YARN, yarn_beta_fast: f32(1) }, {}, CheckpointError, /yarn_beta_fast: got 1, need a number above yarn_beta_slow, 1/],
  ["a negative beta", { ...YARN, yarn_beta_slow: f32(-1) }, {}, CheckpointError, /yarn_beta_fast: got 32, need/],
  ["a negative multiplier", { ...YARN, yarn_log_multiplier: f32(-1) }, {}, CheckpointError, /yarn_log_multiplier: got -1/],
  ["no context", { ...YARN, original_context_length: u32(0) }, {}, CheckpointError, /original_context_length: got 0, need at least 1/],
  ["a negative factor", { ...YARN, factor: f32(-4) }, {}, CheckpointError, /scaling\.factor: got -4/],
  ["yarn over divisors", YARN, { rope_freqs: long }, UnsupportedModelError, /both rope_freqs\.weight and a yarn factor/],
  ["yarn with two lists", YARN, lists, UnsupportedModelError, /rope_factors_long\.weight.* of type "yarn"/],
  ["lists nobody asks for", {}, { rope_factors_short: short }, UnsupportedModelError, /rope_factors_short\.weight.* of type "linear"/],
  ["longrope without lists", LONGROPE, {}, CheckpointError, /"rope_factors_long\.weight" is missing/],
  ["longrope with one list", LONGROPE, { rope_factors_long: long }, CheckpointError, /"rope_factors_short\.weight" is missing/],
  ["longrope over divisors", LONGROPE, { ...lists, rope_freqs: long }, UnsupportedModelError, /rope_freqs\.weight.* of type "longrope"/],
  ["a list too short", LONGROPE, { ...lists, rope_factors_long: long.slice(1) }, CheckpointError, /rope_factors_long\.weight.*got 7 values, need 8/],
  ["a divisor of 0", LONGROPE, { ...lists, rope_factors_short: short.with(2, 0) }, CheckpointError, /rope_factors_short\.weight.*above 0/],
  ["longrope and a factor", { ...LONGROPE, factor: f32(4) }, lists, UnsupportedModelError, /scaling\.factor: got 4, need 1/],
  ["longrope turned around", { ...LONGROPE, attn_factor: f32(-1) }, lists, CheckpointError, /attn_factor: got -1/],
] as const) {
  test(`refused: ${what}`, async () => {
    try {
      await open(keys, factors);
    } catch (error) {
      assert.instance(error, Kind, String(error));
      assert.match((error as Error).message, pattern);
      return;
    }
    assert.unreachable("not refused");
  });
} // prettier-ignore

test.run();
