/** The preset fptquant through the whole quantizer: what is written is opened and run as it was meant. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CheckpointError, RecipeError, UnsupportedModelError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import type { MemoryFolder } from "../memory-folder.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { tinySamples } from "./tiny-samples.ts";
import { divergence, logitsOf, openTiny } from "./transform/fptquant/float-models.ts";

const SEED = 107;
const test = suite(`preset fptquant (seed ${SEED})`);
const SAMPLES = tinySamples(SEED, 6, 48);
const IDS = tinySamples(SEED + 1, 1, 40)[0]!;

async function quantized(source: Checkpoint, preset: string, options: RecipeOptions = {}) {
  const output = new MemoryOutputFolder("quantized");
  const work = { host: nodeHost, threads: 1 };
  const recipe = resolveRecipe(preset, { groupSize: 32, ...options });
  const report = await quantizeModel(source, { samples: SAMPLES }, recipe, output, work);
  return { report, folder: output.result };
}

for (const model of ["grouped heads", "window", "biases", "norms on q and k", "untied"]) {
  test(`${model}: as near to the float model as static rounding without transforms, or nearer`, async () => {
    const source = await openTiny(SEED, model);
    const expected = await logitsOf(source, IDS);
    const losses: number[] = [];
    for (const options of [{ localSteps: 10 }, { transforms: [] }] as const) {
      const { report, folder } = await quantized(source, "fptquant", options);
      const written = await openSafetensorsCheckpoint(folder);
      assert.is(report.static_share, 1);
      assert.is(report.local_stage?.length, "localSteps" in options ? 9 : undefined);
      losses.push(divergence(await logitsOf(written, IDS), expected, source.config));
    }
    const [transformed, plain] = losses as [number, number];
    console.log(
      `\nfigure: ${model}: KL divergence ${transformed.toExponential(1)}, ${plain.toExponential(1)} without transforms`,
    );
    // Random weights have few outliers for transforms to take away; they must not bring any.
    assert.ok(transformed < 1.25 * plain, `${transformed}, ${plain}`);
  });
}

test("the checkpoint says what is computed online, in every group too, and is run by it", async () => {
  const source = await openTiny(SEED, "grouped heads");
  const { folder } = await quantized(source, "fptquant", { localSteps: 0 });
  const json = configOf(folder);
  const { transform_config, config_groups } = json["quantization_config"] as { transform_config: unknown; config_groups: Record<string, { weights: JsonObject }> }; // prettier-ignore
  assert.equal(transform_config, { fptq: { residual_hadamard: 64, down_hadamard: 64, residual_scaling: true } });
  for (const { weights } of Object.values(config_groups)) assert.is(weights["online_transforms"], true);
  const opened = await openSafetensorsCheckpoint(folder);
  assert.equal(opened.config.online, { residualHadamard: 64, downHadamard: 64, residualScaling: true });
});

test("a checkpoint without online transforms has none of their keys", async () => {
  const { folder } = await quantized(await openTiny(SEED, "grouped heads"), "fptquant", { transforms: ["key", "value", "up"], localSteps: 0 }); // prettier-ignore
  assert.not.match(JSON.stringify(configOf(folder)["quantization_config"]), /fptq|online_transforms/);
  assert.is((await openSafetensorsCheckpoint(folder)).config.online, undefined);
});

function configOf(folder: MemoryFolder): JsonObject {
  return JSON.parse(new TextDecoder().decode(folder.bytes("config.json"))) as JsonObject;
}

test("keys that do not fit the model, each other or what is known are refused", async () => {
  const source = await openTiny(SEED, "grouped heads");
  const { folder } = await quantized(source, "fptquant", { localSteps: 0 });
  const text = new TextDecoder().decode(folder.bytes("config.json"));
  const open = async (from: string | RegExp, to: string) => {
    const edited = text.replace(from, to);
    assert.not.equal(edited, text, `${from}`);
    folder.set("config.json", edited);
    return openSafetensorsCheckpoint(folder);
  };
  const refused = async (
    from: string | RegExp,
    to: string,
    kind: typeof CheckpointError | typeof UnsupportedModelError,
    message: RegExp,
  ) => {
    try {
      await open(from, to);
      assert.unreachable(`${from} to ${to}`);
    } catch (error) {
      assert.instance(error, kind);
      assert.match((error as Error).message, message);
    }
  };
  await refused(
    '"down_hadamard": 64',
    '"down_hadamard": 48',
    CheckpointError,
    /transform_config: downHadamard: got 48, need a power of two that divides 192/,
  );
  await refused(
    '"down_hadamard": 64',
    '"down_hadamard": 128',
    CheckpointError,
    /downHadamard: got 128, need a power of two that divides 192/,
  );
  await refused('"residual_hadamard": 64', '"residual_hadamard": 0', CheckpointError, /residual_hadamard/);
  await refused(
    '"residual_hadamard": 64',
    '"residual_rotation": 64',
    UnsupportedModelError,
    /key: got "residual_rotation", need one of/,
  );
  await refused(
    '"online_transforms": true',
    '"online_transforms": false',
    UnsupportedModelError,
    /online_transforms: got false, need true/,
  );
  await refused(
    /"transform_config": {[^}]*}[^}]*}/,
    '"transform_config": {}',
    UnsupportedModelError,
    /online_transforms: got true, need false/,
  );
  await refused(
    /"transform_config": {/,
    '"transform_config": { "R1": { "type": "hadamard" },',
    UnsupportedModelError,
    /transform_config: got/,
  );
});

test("what was distilled or given beforehand cannot be transformed online", async () => {
  const steps = { distillSteps: 2, weights: "int4" } as const;
  assert.throws(
    () => resolveRecipe("fptquant", steps),
    /distillation: transforms residual, down, tokens, which are computed online/,
  );
  assert.is(resolveRecipe("fptquant", { ...steps, transforms: ["value"] }).distillSteps, 2);
  assert.throws(() => resolveRecipe("fptquant", { transforms: ["down"], localSteps: 5 }), /^localSteps: got 5 without a transform of key, value or up/); // prettier-ignore
  assert.throws(
    () => resolveRecipe("fptq", { transforms: ["rotation" as "key"] }),
    /transforms: got "rotation", need one of residual/,
  );
  assert.throws(() => resolveRecipe("fptquant", { localSteps: 1.5 }), /^localSteps: got 1.5, need a whole number from 0 to/);
  try {
    await quantized(await openTiny(SEED, "biases everywhere, untied"), "fptquant");
    assert.unreachable();
  } catch (error) {
    assert.instance(error, RecipeError);
    assert.match(
      (error as Error).message,
      /^transforms: "tokens": got biases .*; this model can have residual, key, value, up, down$/,
    );
  }
});

test("the same recipe gives the same bytes for any number of threads", async () => {
  const source = await openTiny(SEED, "grouped heads");
  const bytes: Uint8Array[] = [];
  for (const threads of [1, 2]) {
    const output = new MemoryOutputFolder("quantized");
    const recipe = resolveRecipe("fptquant", { groupSize: 32, localSteps: 5 });
    await quantizeModel(source, { samples: SAMPLES }, recipe, output, { host: nodeHost, threads });
    bytes.push(output.result.bytes("model-00001-of-00001.safetensors"));
  }
  assert.equal(bytes[1], bytes[0]);
});

test.run();
