/** Learned rounding on a tiny model: what it claims to lower is lower, and nothing depends on threads. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { AbortError, RecipeError, UnsupportedModelError } from "../../../src/errors.ts";
import type { WorkOptions } from "../../../src/host/work.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { quantizeModel } from "../../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../../src/quantizer/recipe/resolve-recipe.ts";
import { checkpointView } from "../../../src/checkpoint/checkpoint-view.ts";
import { MemoryOutputFolder } from "../../memory-folder.ts";
import { tinyModel, type TinyModelOptions } from "../../tiny-model.ts";
import { tinySamples } from "../tiny-samples.ts";

const SEED = 97;
const test = suite(`learned rounding (seed ${SEED})`);
const SAMPLES = tinySamples(SEED, 6, 48);

async function quantizeTiny(name: string, recipe: RecipeOptions, work: WorkOptions = {}, model: TinyModelOptions = {}) {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED, model));
  const output = new MemoryOutputFolder("quantized");
  const resolved = resolveRecipe(name, { groupSize: 32, round: "autoround", roundSteps: 60, ...recipe });
  const report = await quantizeModel(source, { samples: SAMPLES }, resolved, output, { host: nodeHost, threads: 1, ...work });
  return { report, folder: output.result };
}

const failure = (work: Promise<unknown>) => work.then(() => undefined).catch((caught: unknown) => caught as Error);

for (const [name, options, model, most = 0.9] of [
  ["rtn", { scales: "bf16" }, {}],
  ["rtn", { weights: "fp4", roundSteps: 200 }, {}, 0.97],
  ["rtn", { weights: "int8", groupSize: "channel", roundSteps: 200 }, {}, 0.97],
  ["fptq", { scales: "f16", lorcRank: 2 }, { architecture: "qwen2" }],
  ["fptq-best", {}, { architecture: "qwen3" }],
  ["gptq", { equalize: "awq" }, {}],
] as const satisfies [string, RecipeOptions, TinyModelOptions, number?][]) {
  test(`${name} ${JSON.stringify({ ...options, ...model })}: every block is nearer to the float one than after a search`, async () => {
    const { report, folder } = await quantizeTiny(name, options, {}, model);
    assert.is(report.blocks!.length, 3);
    for (const { name: block, nearest_output_nmse, searched_output_nmse, learned_output_nmse } of report.blocks!) {
      const found = `${block}: nearest ${nearest_output_nmse}, searched ${searched_output_nmse}, learned ${learned_output_nmse}`;
      assert.ok(learned_output_nmse < most * searched_output_nmse, found);
      assert.ok(learned_output_nmse < nearest_output_nmse, found);
    }
    // The error of a whole model's weights grows for that: only what matters is kept near.
    assert.ok(report.layers.every(({ weight_nmse }) => weight_nmse > 0 && weight_nmse < 0.1));
    await (await openSafetensorsCheckpoint(folder)).verify();
  });
}

test("the same bytes from any number of threads, and again", async () => {
  const [one, two, again] = [
    await quantizeTiny("rtn", { scales: "bf16", roundSteps: 26 }),
    await quantizeTiny("rtn", { scales: "bf16", roundSteps: 26 }, { threads: 2 }),
    await quantizeTiny("rtn", { scales: "bf16", roundSteps: 26 }),
  ];
  for (const file of one.folder.files.keys()) {
    if (!file.endsWith(".safetensors")) continue;
    assert.equal(two.folder.bytes(file), one.folder.bytes(file), file);
    assert.equal(again.folder.bytes(file), one.folder.bytes(file), file);
  }
});

test("progress counts the steps of all blocks; an abort between them leaves nothing behind", async () => {
  const controller = new AbortController();
  const seen: string[] = [];
  const onProgress: WorkOptions["onProgress"] = ({ phase, done, total, unit }) => {
    if (phase !== "learn rounding") return;
    seen.push(`${done}/${total} ${unit}`);
    if (done === 12) controller.abort();
  };
  const error = await failure(quantizeTiny("rtn", { roundSteps: 10 }, { onProgress, signal: controller.signal }));
  assert.instance(error, AbortError);
  assert.is(seen.at(-1), "12/30 steps");
});

test("what cannot be learned is refused before anything is read", async () => {
  for (const [options, message] of [
    [{ round: "nearest", roundSteps: 10 }, /roundSteps: rounding "nearest" has none; "autoround" does/],
    [{ roundSteps: 0 }, /roundSteps: got 0, need a whole number from 1/],
    [{ search: "uniform" }, /search: rounding "autoround" begins with the scales of "search"/],
    [{ damping: 0.1 }, /damping: rounding "autoround" has none; "gptq" does/],
    [{ scaleConstraint: "m1" }, /scale constraint m1: rounding "autoround" searches scales/],
  ] as const satisfies [RecipeOptions, RegExp][]) {
    assert.throws(
      () => resolveRecipe("rtn", { round: "autoround", ...options }),
      (error: unknown) => error instanceof RecipeError && message.test(error.message),
    );
  }
  const phases = new Set<string>();
  const refused = await failure(
    quantizeTiny(
      "rtn",
      { groupSize: "channel" },
      { onProgress: ({ phase }) => phases.add(phase) },
      { config: { headDim: 12, rotaryDim: 12 } },
    ),
  );
  assert.instance(refused, UnsupportedModelError);
  assert.match(refused!.message, /head size: got 12, need a multiple of 8 to differentiate it/);
  assert.equal([...phases], []);
});

test("NaN in a weight is named", async () => {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED));
  const broken = checkpointView(source, {
    async readF32(tensor, range) {
      const values = await source.readF32(tensor, range);
      if (tensor === "model.layers.1.mlp.up_proj.weight") values[65] = Number.NaN;
      return values;
    },
  });
  const recipe = resolveRecipe("rtn", { groupSize: 32, round: "autoround", roundSteps: 2 });
  const error = await failure(
    quantizeModel(broken, { samples: SAMPLES }, recipe, new MemoryOutputFolder("never"), { host: nodeHost, threads: 1 }),
  );
  assert.match(error!.message, /NaN/);
  assert.match(error!.message, /model\.layers\.1/);
});

test.run();
