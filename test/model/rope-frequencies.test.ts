/**
 * Rotary frequencies for long contexts against the papers' formulas in double precision, which were checked
 * against transformers (`golden/rope-frequencies.py`), and the tables made of them.
 */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseModelConfig } from "../../src/architecture/families.ts";
import type { ModelConfig } from "../../src/architecture/model-config.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { fillFrequencies } from "../../src/model/layers/rope-frequencies.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { nodeHost } from "../../src/host/node.ts";
import { CheckpointError, OptionError } from "../../src/errors.ts";
import { onBothBuilds } from "../kernels/both-builds.ts";
import { assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { simulate } from "../oracle/float-simulation.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 23;
const test = suite(`RoPE for long contexts (seed ${SEED})`);

interface Golden {
  readonly rotaryDim: number;
  readonly theta: number;
  readonly contextLength: number;
  readonly positions: number;
  readonly scaling: JsonObject;
  readonly frequencies: readonly number[];
  readonly attention: number;
}

const golden = JSON.parse(readFileSync(new URL("golden/rope-frequencies.json", import.meta.url), "utf8")) as Golden[];

function configOf({ rotaryDim, theta, contextLength, scaling }: Golden): ModelConfig {
  return parseModelConfig(
    {
      model_type: "llama",
      vocab_size: 320,
      hidden_size: 4 * rotaryDim,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      intermediate_size: 64,
      max_position_embeddings: contextLength,
      rope_parameters: { rope_theta: theta, ...scaling },
    },
    "config.json",
  );
}

/** The attention factor, then the frequencies: of every build and of the scalar twins, the same bits. */
function frequenciesOf(config: ModelConfig, positions: number): Float64Array {
  const half = config.rotaryDim / 2;
  return onBothBuilds("frequencies", (kernels) => {
    const at = kernels.region(4 * half);
    const factor = fillFrequencies(kernels.run, config, at, new Float32Array(kernels.memory.buffer, at, half), positions);
    return Float64Array.of(factor, ...kernels.f32(at, half));
  });
}

for (const kind of ["yarn", "dynamic", "longrope"]) {
  test(`${kind}: frequencies and attention factor are those of the papers`, () => {
    const cases = golden.filter(({ scaling }) => scaling["rope_type"] === kind);
    assert.ok(cases.length > 20, `${cases.length} cases`);
    for (const expected of cases) {
      const { positions, attention, frequencies, scaling, rotaryDim } = expected;
      const what = `${JSON.stringify({ ...scaling, short_factor: undefined, long_factor: undefined })} R ${rotaryDim}, ${positions} tokens`;
      const [factor, ...found] = frequenciesOf(configOf(expected), positions);
      // A few units in the last place of a double: a logarithm, a product, a sum.
      assertWithin([factor!], [attention], () => 4 * 2 ** -52 * attention, what);
      // Rounded to float32 when made and when changed, and ten digits in the file; nothing more.
      assertWithin(found, frequencies, (i) => frequencies[i]! * 3 * F32_EPSILON, what);
    }
  });
}

const HALF = 8;
const LONGROPE = {
  kind: "longrope",
  shortFactors: Array.from({ length: HALF }, (_, i) => 1 + i / 16),
  longFactors: Array.from({ length: HALF }, (_, i) => 1.5 + i),
  originalContextLength: 32,
  attention: { extension: 8 },
} as const;
const YARN = {
  kind: "yarn",
  factor: 4,
  originalContextLength: 64,
  betaFast: 32,
  betaSlow: 1,
  truncate: true,
  attention: { mscale: 1, mscaleAllDim: 0 },
} as const;

async function checkpointWith(config: Partial<ModelConfig>) {
  return openSafetensorsCheckpoint(tinyModel(SEED, { config }));
}

const IDS = Array.from({ length: 30 }, (_, i) => 3 + ((i * 37) % 290));

async function logitsOf(checkpoint: Awaited<ReturnType<typeof checkpointWith>>, contextSize: number): Promise<Float32Array> {
  const model = await Transformer.load(checkpoint, nodeHost, { threads: 1, contextSize });
  const logits = new Float32Array(IDS.length * model.config.vocabSize);
  await model.forward(IDS, { logits: ({ values, firstRow }) => logits.set(values, firstRow * model.config.vocabSize) });
  await model.dispose();
  return logits;
}

for (const [what, ropeScaling, contextSizes] of [
  ["yarn", YARN, [30, 256]],
  ["yarn with a factor given", { ...YARN, attention: { factor: 0.8 } }, [256]],
  ["yarn with a ramp between channels", { ...YARN, truncate: false, betaFast: 5 }, [256]],
  ["longrope", LONGROPE, [30, 32, 33, 256]],
  ["dynamic", { kind: "dynamic", factor: 4 }, [30, 256, 257, 1000]],
] as const) {
  test(`${what}: logits are the oracle's, by the context that was loaded`, async () => {
    const checkpoint = await checkpointWith({ ropeScaling });
    for (const contextSize of contextSizes) {
      const expected = await simulate(checkpoint, IDS, { contextSize });
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      // As in reference-architectures.test.ts: sums of three layers in another order.
      assertWithin(await logitsOf(checkpoint, contextSize), expected, () => 1e-5 * largest, `${contextSize} tokens`);
    }
  });
}

test("lengths choose: long factors beyond the original context, a larger base beyond the model's", async () => {
  const longrope = await checkpointWith({ ropeScaling: LONGROPE });
  assert.equal(await logitsOf(longrope, 30), await logitsOf(longrope, 32));
  assert.not.equal(await logitsOf(longrope, 32), await logitsOf(longrope, 33));
  assert.equal(await logitsOf(longrope, 33), await logitsOf(longrope, 256));
  const dynamic = await checkpointWith({ ropeScaling: { kind: "dynamic", factor: 4 } });
  assert.equal(await logitsOf(dynamic, 256), await logitsOf(await checkpointWith({}), 256));
  assert.not.equal(await logitsOf(dynamic, 256), await logitsOf(dynamic, 257));
});

test("the context ends where the scaling ends", async () => {
  const load = async (config: Partial<ModelConfig>, contextSize?: number) => {
    const model = await Transformer.load(await checkpointWith(config), nodeHost, { threads: 1, contextSize });
    await model.dispose();
    return model.contextSize;
  };
  // YaRN: factor times original where that is more than the context the configuration states.
  assert.is(await load({ ropeScaling: { ...YARN, factor: 8 } }), 256);
  assert.is(await load({ ropeScaling: { ...YARN, factor: 8 } }, 512), 512);
  for (const [ropeScaling, contextSize] of [
    [{ ...YARN, factor: 8 }, 513],
    [YARN, 257],
    [LONGROPE, 257],
  ] as const) {
    try {
      await load({ ropeScaling }, contextSize);
      assert.unreachable("loaded");
    } catch (error) {
      assert.instance(error, OptionError);
      assert.match((error as Error).message, new RegExp(`contextSize: got ${contextSize}, need an integer from 1 to`));
    }
  }
});

test("a saved sequence goes on only where keys are turned alike", async () => {
  const saved = async (config: Partial<ModelConfig>, from: number, to: number) => {
    const checkpoint = await checkpointWith(config);
    const [a, b] = await Promise.all(
      [from, to].map((contextSize) => Transformer.load(checkpoint, nodeHost, { threads: 1, contextSize })),
    );
    const sequence = a!.createSequence();
    await sequence.forward(
      Array.from({ length: 32 }, (_, i) => 3 + i),
      { logits: "last" },
    );
    const bytes = await sequence.save();
    try {
      await b!.createSequence().restore(bytes);
    } finally {
      await Promise.all([a!.dispose(), b!.dispose()]);
    }
  };
  await saved({ ropeScaling: YARN }, 64, 128);
  await saved({ ropeScaling: LONGROPE }, 64, 128);
  try {
    await saved({ ropeScaling: LONGROPE }, 32, 64);
    assert.unreachable("restored");
  } catch (error) {
    assert.instance(error, CheckpointError);
  }
});

test.run();
