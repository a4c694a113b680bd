/** Distillation as a stage of the quantizer, on a tiny model. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import { AbortError, NumericError, RecipeError, UnsupportedModelError } from "../../src/errors.ts";
import type { OnProgress } from "../../src/progress.ts";
import { calibrate } from "../../src/quantizer/calibrate/calibrate.ts";
import { quantizeModel, quantizeWithStats } from "../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { nodeHost } from "../../src/host/node.ts";
import { distill, type DistillationTask, PATIENCE, STEPS_BETWEEN } from "../../src/training/distill.ts";
import { calibrationSamples } from "../../src/quantizer/calibrate/calibration-source.ts";
import { type MemoryFolder, MemoryOutputFolder } from "../memory-folder.ts";
import { tinyModel, type TinyModelOptions } from "../tiny-model.ts";
import { tinySamples } from "../quantizer/tiny-samples.ts";

const SEED = 61;
const test = suite(`distillation (seed ${SEED})`);
/** As many as the report takes means over. */
const SAMPLES = tinySamples(SEED, 8, 48);
const STEPS = 24;

interface Options {
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  readonly onWarning?: (message: string) => void;
  /** Where unfinished work is kept; nowhere if undefined. */
  readonly kept?: Map<string, Uint8Array>;
}

async function quantizeTiny(name: string, recipe: RecipeOptions, options: Options = {}, model: TinyModelOptions = {}) {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED, model));
  const output = new MemoryOutputFolder("quantized");
  const { kept, ...given } = options;
  output.kept = kept;
  const settings = { threads: 1, ...given };
  const resolved = resolveRecipe(name, { groupSize: 32, ...recipe });
  const validationSamples = VALIDATION.slice(0, resolved.distillValidation);
  const report = await quantizeModel(source, { samples: SAMPLES, validationSamples }, resolved, output, {
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
    const { steps, first_loss, last_loss } = tuned.report.distillation!;
    assert.is(steps, STEPS);
    assert.ok(last_loss < 0.97 * first_loss, `${first_loss} nats before, ${last_loss} after`);
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

function assertSameTensors(actual: MemoryFolder, expected: MemoryFolder): void {
  for (const file of expected.files.keys()) {
    if (file.endsWith(".safetensors")) assert.equal(actual.bytes(file), expected.bytes(file), file);
  }
}

test("the same bytes from any number of threads", async () => {
  const [one, two] = [
    await quantizeTiny("fptq", { distillSteps: 3 }, { threads: 1 }),
    await quantizeTiny("fptq", { distillSteps: 3 }, { threads: 2 }),
  ];
  assertSameTensors(two.folder, one.folder);
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

test("an interrupted run goes on from what was kept of it, to the bytes of one that was not interrupted", async () => {
  const steps = 2 * STEPS_BETWEEN + 3;
  const options: RecipeOptions = { distillSteps: steps, distillTrain: ["norms", "scales", "ranges"], distillValidation: 2 };
  const whole = await quantizeTiny("rtn-static", options);
  const kept = new Map<string, Uint8Array>();
  const done: number[] = [];
  const warnings: string[] = [];
  const interrupted = async (last: number) => {
    const controller = new AbortController();
    const onProgress: OnProgress = ({ phase, done: step }) => {
      if (phase !== "distill") return;
      done.push(step);
      if (step === last) controller.abort();
    };
    const onWarning = (message: string) => void warnings.push(message);
    return failure(quantizeTiny("rtn-static", options, { kept, onProgress, onWarning, signal: controller.signal }));
  };
  assert.instance(await interrupted(STEPS_BETWEEN - 1), AbortError);
  assert.is(kept.size, 0, "nothing is kept before the first time it is due");
  assert.instance(await interrupted(STEPS_BETWEEN + 5), AbortError);
  assert.is(kept.size, 1);
  done.length = 0;
  assert.instance(await interrupted(2 * STEPS_BETWEEN + 1), AbortError);
  assert.is(done[0], STEPS_BETWEEN + 1);
  assert.match(warnings.at(-1)!, new RegExp(`^distillation: goes on behind step ${STEPS_BETWEEN}, kept in quantized\\.unfinished-[0-9a-f]{16}$`)); // prettier-ignore
  const resumed = await quantizeTiny("rtn-static", options, { kept });
  assertSameTensors(resumed.folder, whole.folder);
  const { stages: _, seconds: __, ...report } = resumed.report;
  const { stages: _a, seconds: _b, ...expected } = whole.report;
  assert.equal(report, expected);

  // Another recipe, or other text, is another run; what is damaged is not used.
  const others = new Map(kept);
  await quantizeTiny("rtn-static", { ...options, distillLoss: "jsd" }, { kept: others });
  assert.is(others.size, 2);
  for (const damage of [
    (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 4),
    (bytes: Uint8Array) => bytes.fill(0x20, 0, 40),
    () => new Uint8Array(2),
  ]) {
    // prettier-ignore
    const damaged = new Map([...kept].map(([key, bytes]) => [key, damage(bytes.slice())]));
    const told: string[] = [];
    const again = await quantizeTiny("rtn-static", options, { kept: damaged, onWarning: (message) => void told.push(message) });
    assert.match(told[0]!, /got another version's or damaged, starts from the beginning/);
    assertSameTensors(again.folder, whole.folder);
  }
});

test("ranges: static scales of inputs and cache are tuned, and the report has them", async () => {
  const [without, tuned] = [
    await quantizeTiny("rtn-static", {}),
    await quantizeTiny("rtn-static", { distillSteps: STEPS, distillTrain: ["ranges"] }),
  ];
  assert.equal(tuned.report.distillation!.trained, ["ranges"]);
  const [before, after] = [await openSafetensorsCheckpoint(without.folder), await openSafetensorsCheckpoint(tuned.folder)];
  for (const tensor of before.tensors.keys()) {
    const same = Buffer.compare(await before.readRaw(tensor), await after.readRaw(tensor)) === 0;
    assert.is(same, !/(input|k|v)_scale$/.test(tensor), tensor);
  }
  for (const { name, input_scale } of tuned.report.layers) {
    const [layer, input] = name.split(/\.(?=\w+$)/) as [string, keyof typeof FIRST_MODULE];
    assert.is((await after.readF32(`${layer}.${FIRST_MODULE[input]}.input_scale`))[0], input_scale);
  }
  for (const { name, k_scale, v_scale } of tuned.report.kv_cache!) {
    assert.is((await after.readF32(`${name}.k_scale`))[0], k_scale);
    assert.is((await after.readF32(`${name}.v_scale`))[0], v_scale);
  }
});

const FIRST_MODULE = { qkv: "self_attn.q_proj", o: "self_attn.o_proj", up: "mlp.gate_proj", down: "mlp.down_proj" };

for (const [name, options, model] of [
  ["rtn", { distillLoss: "jsd" }, {}],
  ["smoothquant", { groupSize: "channel" }, {}],
  ["fptq", { bits: 6 }, {}],
  ["rtn", { lorcRank: 4, distillTrain: ["lorc"] }, {}],
  ["rtn", { overrides: [{ pattern: "*.down", policy: "none" }] }, {}],
  ["rtn", { distillTrain: ["biases", "norms"] }, { architecture: "qwen2" }],
  ["rtn", { distillTrain: ["norms", "scales", "ranges"] }, { architecture: "qwen3" }],
] as const satisfies [string, RecipeOptions, TinyModelOptions][]) {
  test(`${name} ${JSON.stringify({ ...options, ...model })}: predictions come closer`, async () => {
    const { report } = await quantizeTiny(name, { ...options, distillSteps: STEPS }, {}, model);
    const { first_loss, last_loss } = report.distillation!;
    assert.ok(last_loss < first_loss, `${first_loss} nats before, ${last_loss} after`);
  });
}

/** A run by itself: rounded to nearest, with a rate of the test's. */
async function distillTiny(task: Partial<DistillationTask>, quantized?: Checkpoint) {
  const teacher = await openSafetensorsCheckpoint(tinyModel(SEED));
  const student = quantized ?? (await openSafetensorsCheckpoint((await quantizeTiny("rtn", {})).folder));
  const warnings: string[] = [];
  const work = { host: nodeHost, threads: 1, onWarning: (message: string) => void warnings.push(message) };
  const trained = ["norms", "scales"] as const;
  const full = {
    steps: STEPS,
    loss: "kl" as const,
    trained,
    round: Math.fround,
    samples: SAMPLES,
    validation: VALIDATION,
    ...task,
  };
  return { ...(await distill(teacher, student, full, work)), student, warnings };
}

const VALIDATION = tinySamples(SEED + 1, 2, 32);

test("ranges that are far too narrow, or too wide, find back", async () => {
  const fitted = await openSafetensorsCheckpoint((await quantizeTiny("rtn-static", {})).folder);
  const isRange = (tensor: string) => /\.(input|k|v)_scale$/.test(tensor);
  for (const factor of [0.2, 8]) {
    const student = checkpointView(fitted, {
      async readF32(tensor, range) {
        const values = await fitted.readF32(tensor, range);
        return isRange(tensor) ? values.map((scale) => scale * factor) : values;
      },
    });
    const { losses, tuned } = await distillTiny({ trained: ["ranges"], steps: 80, rate: 0.03, validation: [] }, student);
    const mean = (some: readonly number[]) => some.reduce((sum, loss) => sum + loss, 0) / some.length;
    const [first, last] = [mean(losses.slice(0, 8)), mean(losses.slice(-8))];
    assert.ok(last < 0.6 * first, `${factor}: ${first} nats before, ${last} after`);
    let [nearer, all] = [0, 0];
    for (const [tensor, [scale]] of tuned) {
      const fit = (await fitted.readF32(tensor))[0]!;
      if (Math.abs(Math.log(scale! / fit)) < Math.abs(Math.log(factor))) nearer++;
      all++;
    }
    assert.ok(nearer > (2 / 3) * all, `${factor}: ${nearer} of ${all} scales are nearer to the calibrated ones`);
  }
});

test("of the validation samples' looks, the best one's numbers are kept", async () => {
  const { validation, kept, stopped } = await distillTiny({ steps: 40 });
  assert.is(stopped, undefined);
  assert.equal(validation.map(({ step }) => step), [0, 16, 32, 40]); // prettier-ignore
  assert.is(kept, validation.toSorted((a, b) => a.loss - b.loss)[0]!.step);
  assert.ok(kept > 0);
});

test("training that diverges keeps the best and says so", async () => {
  for (const rate of [0.4, 1e9]) {
    const { validation, kept, stopped, warnings, tuned, student } = await distillTiny({ steps: 64, rate });
    assert.is(kept, 0, `${JSON.stringify(validation)}`);
    assert.match(stopped!, /^diverged (at|by) step \d+/);
    assert.match(warnings.at(-1)!, /^distillation: diverged .*; kept what step 0 left$/);
    for (const [tensor, values] of tuned) assert.equal(values, await student.readF32(tensor), tensor);
  }
  const error = await failure(distillTiny({ steps: 64, rate: 1e9, validation: [] }));
  assert.instance(error, NumericError);
});

test("training ends where nothing gets better", async () => {
  const { validation, kept, stopped, losses } = await distillTiny({ steps: 1000, rate: 0.02 });
  assert.match(stopped!, new RegExp(`^no better since step ${kept}, ${PATIENCE} looks`));
  assert.is(losses.length, kept + PATIENCE * STEPS_BETWEEN);
  assert.ok(validation.every(({ loss, step }) => step === kept || loss >= validation.find((look) => look.step === kept)!.loss));
});

test("a teacher of another vocabulary or size is refused by name", async () => {
  const own = await openSafetensorsCheckpoint((await quantizeTiny("rtn", {})).folder);
  const other = async (options: TinyModelOptions) => openSafetensorsCheckpoint(tinyModel(SEED, options));
  const larger = await other({ config: { vocabSize: 328 } });
  const wider = await other({ config: { hiddenSize: 72, headDim: 18, rotaryDim: 18 } });
  const same = await other({});
  const json = structuredClone(same.tokenizer!.tokenizerJson) as { model: { vocab: Record<string, number> } };
  const [first, second] = Object.keys(json.model.vocab).slice(10, 12) as [string, string];
  [json.model.vocab[first], json.model.vocab[second]] = [json.model.vocab[second]!, json.model.vocab[first]!];
  const renamed = checkpointView(same, { tokenizer: { ...same.tokenizer!, tokenizerJson: json } });
  for (const [teacher, message] of [
    [larger, /^teacher tiny-llama-61: vocabulary: got 328, need 320 as quantized has$/],
    [wider, /^teacher tiny-llama-61: hidden size: got 72, need 64/],
    [renamed, /^teacher tiny-llama-61: vocabulary: got other tokens than quantized has, need the same$/],
  ] as const) {
    const task = { steps: 1, loss: "kl", trained: ["norms"], round: Math.fround, samples: SAMPLES, validation: [] } as const;
    const error = await failure(distill(teacher, own, task, { host: nodeHost, threads: 1 }));
    assert.instance(error, RecipeError);
    assert.match(error!.message, message);
  }
});

test("too little text behind the calibration's is refused", async () => {
  const checkpoint = await openSafetensorsCheckpoint(tinyModel(SEED));
  const text = "the cat sat on the mat and the dog ran to the house ".repeat(40);
  const options = { calibration: { kind: "text", text, name: "cats.txt" }, samples: 2, contextSize: 32 } as const;
  const enough = calibrationSamples(checkpoint, options, { distillSteps: 8, distillValidation: 3 });
  assert.is(enough.validationSamples.length, 3);
  assert.ok(enough.distillationSamples.length > 0);
  assert.is(
    new Set([...enough.samples, ...enough.distillationSamples, ...enough.validationSamples]).size,
    enough.samples.length + enough.distillationSamples.length + 3,
  );
  assert.throws(
    () => calibrationSamples(checkpoint, options, { distillSteps: 5000, distillValidation: 4 }),
    (error: unknown) =>
      error instanceof RecipeError &&
      /^calibration text cats\.txt: got \d+ sequences behind those calibrated on, need 629 for 5000 steps of distillation \(each at most 8 times\) and 4 held out/.test(
        error.message,
      ),
  );
});

test("contradictory recipes are refused before anything is read", () => {
  for (const [name, options, message] of [
    ["gptq", {}, /distillation: none activations; it tunes what the int8 kernels compute/],
    ["zeroquant-fp", {}, /distillation: fp8 activations/],
    ["rtn", { scaleConstraint: "m1" }, /distillation: scale constraint m1/],
    ["rtn", { distillTrain: ["lorc"] }, /distillation: lorc to train, but no low-rank terms/],
    ["rtn", { distillTrain: ["ranges"], kvCache: "q8t" }, /distillation: ranges to train, but every scale is one per token/],
    ["rtn", { distillTrain: [] }, /distillation: nothing to train; it tunes one of norms, scales, ranges, biases, lorc/],
    ["rtn", { distillTrain: ["codes" as "norms"] }, /distillTrain: got "codes", need one of norms, scales/],
    ["rtn", { distillLoss: "mse" as "kl" }, /distillLoss: got "mse", need one of kl, jsd/],
    ["rtn", { distillSteps: 0, distillLoss: "jsd" }, /distillLoss: got it without distillation, need distillSteps above 0/],
    ["rtn", { distillValidation: -1 }, /distillValidation: got -1/],
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
  const error = await failure(
    quantizeTiny("rtn", { distillSteps: 1, groupSize: "channel" }, { onProgress }, { config: { ffnSize: 164 } }),
  );
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
