/** Distillation as a stage of the quantizer, on a tiny model. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { AbortError, RecipeError, UnsupportedModelError } from "../../src/errors.ts";
import type { OnProgress } from "../../src/progress.ts";
import { calibrate } from "../../src/quantizer/calibrate/calibrate.ts";
import { quantizeModel, quantizeWithStats } from "../../src/quantizer/quantize-model.ts";
import { type RecipeOptions, resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { nodeHost } from "../../src/host/node.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { tinyModel, type TinyModelOptions } from "../tiny-model.ts";
import { tinySamples } from "../quantizer/tiny-samples.ts";

const SEED = 61;
const test = suite(`distillation (seed ${SEED})`);
const SAMPLES = tinySamples(SEED, 6, 48);
const STEPS = 24;

interface Options {
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

async function quantizeTiny(name: string, recipe: RecipeOptions, options: Options = {}, model: TinyModelOptions = {}) {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED, model));
  const output = new MemoryOutputFolder("quantized");
  const settings = { threads: 1, ...options };
  const report = await quantizeModel(source, { samples: SAMPLES }, resolveRecipe(name, { groupSize: 32, ...recipe }), output, {
    host: nodeHost,
    ...settings,
  });
  return { report, folder: output.result };
}

const failure = (work: Promise<unknown>) => work.then(() => undefined).catch((caught: unknown) => caught as Error);

for (const [name, options] of [
  ["fptq", {}],
  ["fptq-best", {}],
  ["fptq+gptq", { weights: "fp4", scales: "bf16", embedding: "f16" }],
] as const satisfies [string, RecipeOptions][]) {
  test(`${name}: predictions come closer to the float model's; codes, sizes and static scales stay`, async () => {
    const without = await quantizeTiny(name, options);
    const tuned = await quantizeTiny(name, { ...options, distillSteps: STEPS });
    assert.is(without.report.distillation, null);
    const { steps, first_kld, last_kld } = tuned.report.distillation!;
    assert.is(steps, STEPS);
    assert.ok(last_kld < 0.97 * first_kld, `${first_kld} nats before, ${last_kld} after`);
    assert.ok(tuned.report.stages["distill"]! > 0);
    assert.is(tuned.report.bits_per_weight, without.report.bits_per_weight);

    const [before, after] = [await openSafetensorsCheckpoint(without.folder), await openSafetensorsCheckpoint(tuned.folder)];
    assert.equal([...after.tensors.values()], [...before.tensors.values()]);
    for (const tensor of before.tensors.keys()) {
      const [a, b] = [await before.readRaw(tensor), await after.readRaw(tensor)];
      const isScale = tensor.startsWith("model.layers") && tensor.endsWith("weight_scale");
      const isNorm = tensor.endsWith("norm.weight");
      assert.is(Buffer.compare(a, b) !== 0, isScale || isNorm, tensor);
    }
    await after.verify();
  });
}

test("the same bytes from any number of threads", async () => {
  const [one, two] = [
    await quantizeTiny("fptq", { distillSteps: 3 }, { threads: 1 }),
    await quantizeTiny("fptq", { distillSteps: 3 }, { threads: 2 }),
  ];
  const shards = (await one.folder.list()).filter((file) => file.endsWith(".safetensors"));
  for (const file of shards) assert.equal(two.folder.bytes(file), one.folder.bytes(file), file);
});

test("progress counts steps; an abort between them leaves nothing behind", async () => {
  const controller = new AbortController();
  const seen: string[] = [];
  const output = new MemoryOutputFolder("aborted");
  const source = await openSafetensorsCheckpoint(tinyModel(SEED));
  const recipe = resolveRecipe("fptq", { groupSize: 32, distillSteps: 9 });
  const error = await failure(
    quantizeModel(source, { samples: SAMPLES }, recipe, output, {
      host: nodeHost,
      threads: 1,
      signal: controller.signal,
      onProgress: ({ phase, done, total, unit }) => {
        if (phase !== "distill") return;
        seen.push(`${done}/${total} ${unit}`);
        if (done === 2) controller.abort();
      },
    }),
  );
  assert.instance(error, AbortError);
  assert.equal(seen, ["1/9 steps", "2/9 steps"]);
  assert.is(output.state, "discarded");
});

test("contradictory recipes are refused before anything is read", () => {
  for (const [name, options, message] of [
    ["smoothquant", {}, /distillation: int8 weights have one scale per channel; it tunes the scales of 4-bit weights/],
    ["gptq", {}, /distillation: none activations; it tunes what the int8 kernels compute/],
    ["zeroquant-fp", {}, /distillation: fp8 activations/],
    ["rtn", { lorcRank: 4 }, /distillation: low-rank terms of rank 4/],
    ["rtn", { scaleConstraint: "m1" }, /distillation: scale constraint m1/],
    ["rtn", { overrides: [{ pattern: "*.down", policy: "none" }] }, /override "\*\.down=none" leaves activations in float/],
    ["rtn", { distillSteps: 1.5 }, /distillSteps: got 1\.5, need a whole number from 0/],
    ["rtn", { distillSteps: -1 }, /distillSteps: got -1/],
  ] as const satisfies [string, RecipeOptions, RegExp][]) {
    assert.throws(
      () => resolveRecipe(name, { distillSteps: 8, ...options }),
      (error: unknown) => error instanceof RecipeError && message.test(error.message),
      name,
    );
  }
});

test("models that cannot be distilled are refused before they are calibrated", async () => {
  const phases = new Set<string>();
  const onProgress: OnProgress = ({ phase }) => phases.add(phase);
  const error = await failure(quantizeTiny("rtn", { distillSteps: 1 }, { onProgress }, { architecture: "qwen3" }));
  assert.instance(error, UnsupportedModelError);
  assert.equal([...phases], []);
});

test("statistics alone are not enough", async () => {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED));
  const stats = await calibrate(source, SAMPLES, { host: nodeHost, threads: 1 });
  const recipe = resolveRecipe("fptq", { groupSize: 32, distillSteps: 1 });
  const error = await failure(quantizeWithStats(source, { stats }, recipe, new MemoryOutputFolder("never"), { host: nodeHost }));
  assert.instance(error, RecipeError);
  assert.match(error!.message, /got statistics of channels, need the samples/);
});

test.run();
