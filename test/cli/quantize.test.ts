import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { QuantizeOptions } from "../../src/index.ts";
import { RECIPE_OPTIONS, type RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import type { QuantizationReport } from "../../src/quantizer/write/quantization-report.ts";
import { runCli } from "./command-harness.ts";

const test = suite("quantize");
const folder = mkdtempSync(join(tmpdir(), "fptq-quantize-"));
const errors = (weight: number, nearest: number, output: number | null = null, nearestOutput: number | null = null) => ({
  weight_nmse: weight,
  nearest_weight_nmse: nearest,
  output_nmse: output,
  nearest_output_nmse: nearestOutput,
  kept_share: null,
});
const LAYERS = [
  { name: "model.layers.0.qkv", range: 12.5, policy: "static" as const, input_scale: 0.0984, ...errors(0.0061, 0.0061) },
  { name: "model.layers.0.down", range: 3384.7, policy: "dynamic" as const, input_scale: null, ...errors(0.0072, 0.0072) },
];
/** What is printed, and some of what only the report file carries. */
const PRINTED = {
  recipe: resolveRecipe("fptq"),
  bits_per_weight: 4.876,
  kept: null,
  distillation: null,
  simulated: null,
  static_share: 0.5,
  seconds: 41.23,
  stages: { calibrate: 40, "round and write": 1.23 },
};
const REPORT = {
  ...PRINTED,
  format_version: 1,
  source: "model.gguf",
  blocks: null,
  layers: LAYERS.map((layer) => Object.assign({ group_size: 64, weight_sqnr_db: 22 }, layer)),
} as unknown as QuantizationReport;

async function quantize(words: string[], report = REPORT) {
  const calls: { source: string; options: QuantizeOptions }[] = [];
  const outcome = await runCli(["quantize", "model.gguf", "-o", "out", ...words], {
    library: {
      quantize: (source, options) => {
        calls.push({ source: source as string, options });
        return Promise.resolve(report);
      },
    },
  });
  return { ...outcome, calls };
}

test("prints the table on stdout and what to do next on stderr", async () => {
  const { code, stdout, stderr } = await quantize([]);
  assert.is(code, 0);
  assert.equal(stdout.trimEnd().split("\n"), [
    "layer input          range  policy   input scale  weight NMSE",
    "model.layers.0.qkv    12.5  static        0.0984      0.00610",
    "model.layers.0.down   3385  dynamic    per token      0.00720",
  ]);
  assert.match(stderr, /wrote out\nrecipe fptq: int4 weights, int8 activations, equalize lae, policy range, round nearest\n/);
  assert.match(
    stderr,
    /4\.88 bits per weight in the layers, 50 % of layer inputs static\ntook 41\.2 s: calibrate 40\.0 s, round and write 1\.2/,
  );
});

test("errors before and after stand beside each other where rounding did better, output errors where they were measured", async () => {
  const layers = [{ ...LAYERS[0]!, ...errors(0.0061, 0.0071, 0.0012, 0.0034) }, { ...LAYERS[1]!, policy: "none", ...errors(0.005, 0.0072, 0.001, 0.003) }]; // prettier-ignore
  const { stdout } = await quantize([], { ...REPORT, layers } as unknown as QuantizationReport);
  assert.equal(stdout.trimEnd().split("\n"), [
    "layer input          range  policy  input scale  weight NMSE  of nearest  output NMSE  of nearest",
    "model.layers.0.qkv    12.5  static       0.0984      0.00610     0.00710      0.00120     0.00340",
    "model.layers.0.down   3385  none          float      0.00500     0.00720      0.00100     0.00300",
  ]);
});

test("what is simulated is said so", async () => {
  const simulated = "fp8 activations (E4M3) are simulated: rounded exactly, multiplied in float32";
  const report = { ...REPORT, recipe: resolveRecipe("rtn", { activations: "fp8" }), simulated, static_share: null };
  const { stderr, stdout } = await quantize(["--json"], report);
  assert.ok(
    stderr.includes(`int4 weights, fp8 activations, equalize none, policy uniform, round nearest\n${simulated}\n`),
    stderr,
  );
  assert.is(JSON.parse(stdout).simulated, simulated);
  assert.not.match((await quantize([])).stderr, /simulated/);
});

test("a constraint on scales stands in the summary", async () => {
  const constrained = { ...REPORT, recipe: resolveRecipe("rtn", { scaleConstraint: "m2" }) };
  assert.match((await quantize([], constrained)).stderr, /round nearest, scale constraint m2\n/);
});

test("what became of codes that were to be kept stands in the summary", async () => {
  const all = { ...REPORT, kept: { share: 0.99994, rounded: [] } };
  assert.match((await quantize([], all)).stderr, /round nearest\n99\.99 % of the weights keep their codes\n4\.88 bits/);
  const rounded = ["a", "b", "c", "d", "e", "f"].map((name) => `model.layers.0.${name}`);
  const { stderr } = await quantize([], { ...REPORT, kept: { share: 0.5, rounded } });
  assert.match(stderr, /50\.00 % .*\non no grid of 4 bits, rounded: model\.layers\.0\.a, .*model\.layers\.0\.d and 2 more\n/);
});

test("what distillation did stands in the summary", async () => {
  const trained = ["norms", "scales"] as const;
  const distillation = { loss: "kl", trained, steps: 64, first_loss: 0.0731, last_loss: 0.0612, validation: null, stopped: null } as const; // prettier-ignore
  const { stderr, calls } = await quantize(["--distill-steps", "64"], { ...REPORT, distillation });
  assert.match(stderr, /distilled in 64 steps: KL divergence to the float model from 0\.0731 to 0\.0612 nats on the samples\n/);
  assert.is(calls[0]!.options.distillSteps, 64);
});

test("what was held out and why training ended stand in the summary; flags are handed on", async () => {
  const trained = ["ranges", "lorc"] as const;
  const validation = { first_loss: 0.08, kept_loss: 0.06, kept_step: 32 };
  const distillation = { loss: "jsd", trained, steps: 96, first_loss: 0.02, last_loss: 0.01, validation, stopped: "no better since step 32" } as const; // prettier-ignore
  const flags = [
    "--distill-steps",
    "400",
    "--distill-loss",
    "jsd",
    "--distill-train",
    "ranges,lorc",
    "--distill-validation",
    "8",
  ];
  const { stderr, calls } = await quantize(flags, { ...REPORT, distillation });
  assert.match(
    stderr,
    /distilled in 96 steps: Jensen-Shannon divergence to the float model from 0\.02\d* to 0\.01\d* nats on the samples, 0\.08\d* to 0\.06\d* on those held out, kept after step 32; stopped: no better since step 32\n/,
  );
  const { distillSteps, distillLoss, distillTrain, distillValidation } = calls[0]!.options;
  assert.equal([distillSteps, distillLoss, distillTrain, distillValidation], [400, "jsd", trained, 8]);
  assert.match((await quantize(["--distill-train", "codes"])).stderr, /--distill-train <list>' argument 'codes' is invalid/);
});

test("what learned rounding did stands in the summary; its flags are handed on", async () => {
  const block = (name: string, learned: number) => ({ name, nearest_output_nmse: 0.04, searched_output_nmse: 0.02, learned_output_nmse: learned }); // prettier-ignore
  const blocks = [block("model.layers.0", 0.01), block("model.layers.1", 0.006)];
  const { stderr, calls } = await quantize(["--round", "autoround", "--round-steps", "50"], { ...REPORT, blocks });
  assert.match(stderr, /learned rounding: mean output NMSE of blocks 0\.008\d*; nearest 0\.04\d*, searched 0\.02\d*\n/);
  assert.equal([calls[0]!.options.round, calls[0]!.options.roundSteps], ["autoround", 50]);
});

test("--json is the report with the keys that are promised", async () => {
  const { stdout } = await quantize(["--json"]);
  assert.equal(JSON.parse(stdout), { ...PRINTED, layers: LAYERS });
});

test("without a calibration file: random tokens from a seed, and stderr says so", async () => {
  const { stderr, calls } = await quantize(["-s", "7"]);
  assert.match(stderr, /no --calibration FILE: calibrating with random tokens, seed 7 .*\na text like what the model will see/);
  assert.equal(calls[0]!.options.calibration, { kind: "random", seed: 7 });
});

test("a calibration file is handed on with its name, which says whether it is JSON lines", async () => {
  const text = join(folder, "valid.txt");
  const lines = join(folder, "valid.jsonl");
  writeFileSync(text, "Some text.\n");
  writeFileSync(lines, '{"text":"One."}\n{"text":"Two."}\n');
  assert.equal((await quantize(["--calibration", text])).calls[0]!.options.calibration, { kind: "text", text: "Some text.\n", name: "valid.txt" }); // prettier-ignore
  assert.equal((await quantize(["--calibration", lines])).calls[0]!.options.calibration, { kind: "text", text: '{"text":"One."}\n{"text":"Two."}\n', name: "valid.jsonl" }); // prettier-ignore
});

test("a calibration file that is missing is named, and nothing is quantized", async () => {
  const { code, stdout, stderr, calls } = await quantize(["--calibration", join(folder, "missing.txt")]);
  assert.is(code, 1);
  assert.is(stdout, "");
  assert.match(stderr, /--calibration .*missing\.txt: cannot be read: there is no such file/);
  assert.is(calls.length, 0);
});

const given = (options: object) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

test("every option of a recipe has a flag that reaches the library", async () => {
  const words: Record<string, string> = {
    overrides: "--override *.down=dynamic", actOrder: "--act-order", groupSize: "--group-size 32", weights: "--weights fp4",
    activations: "--activations int8", equalize: "--equalize lae", folds: "--folds key,up", policy: "--policy auto", round: "--round gptq",
    search: "--search hessian", propagate: "--propagate float", scales: "--scales bf16", scaleConstraint: "--scale-constraint m1",
    embedding: "--embedding f16", ranges: "--ranges l2", kvCache: "--kv-cache q8t", transforms: "--transforms key",
    distillLoss: "--distill-loss jsd", distillTrain: "--distill-train norms",
  }; // prettier-ignore
  const hyphens = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  for (const name of RECIPE_OPTIONS) {
    const { code, calls, stderr } = await quantize((words[name] ?? `--${hyphens(name)} 1`).split(" "));
    assert.is(code, 0, stderr);
    assert.ok(calls[0]!.options[name as keyof RecipeOptions] !== undefined, name);
  }
});

test("recipe options reach the library as given, and are left to the recipe where not", async () => {
  const { calls } = await quantize(["--recipe", "rtn", "--group-size", "64", "--embedding", "f16", "--samples", "3", "-c", "128", "--force"]); // prettier-ignore
  const {
    signal: _signal,
    onProgress: _onProgress,
    onWarning: _onWarning,
    calibration: _calibration,
    ...options
  } = calls[0]!.options;
  assert.equal(given(options), {
    output: "out",
    force: true,
    recipe: "rtn",
    groupSize: 64,
    embedding: "f16",
    samples: 3,
    contextSize: 128,
  });
  const stages = await quantize(
    (
      "--weights int4 --activations int8 --scales bf16 --group-size channel --equalize smoothquant --policy auto --tolerance 0.2 " +
      "--override *.down=dynamic --override *.qkv=static --round gptq --search uniform --damping 0.1 --act-order --refine 2 " +
      "--propagate quantized --scale-constraint m1 --kv-cache q8t"
    ).split(" "),
  );
  const { recipe, weights, activations, scales, groupSize, equalize, policy, tolerance, overrides } = stages.calls[0]!.options;
  assert.is(stages.calls[0]!.options.scaleConstraint, "m1");
  assert.is(stages.calls[0]!.options.kvCache, "q8t");
  assert.equal(
    { recipe, weights, activations, scales, groupSize, equalize, policy, tolerance, overrides },
    {
      recipe: "fptq",
      weights: "int4",
      activations: "int8",
      scales: "bf16",
      groupSize: "channel",
      equalize: "smoothquant",
      policy: "auto",
      tolerance: 0.2,
      overrides: [
        { pattern: "*.down", policy: "dynamic" },
        { pattern: "*.qkv", policy: "static" },
      ],
    },
  );
  const { round, search, damping, actOrder, refine, propagate } = stages.calls[0]!.options;
  assert.equal(
    { round, search, damping, actOrder, refine, propagate },
    { round: "gptq", search: "uniform", damping: 0.1, actOrder: true, refine: 2, propagate: "quantized" },
  );
  const thresholds = await quantize(["--v0", "10", "--v1", "1e2", "--alpha", ".5"]);
  const { v0, v1, alpha } = thresholds.calls[0]!.options;
  assert.equal({ v0, v1, alpha }, { v0: 10, v1: 100, alpha: 0.5 });
});

test.run();
