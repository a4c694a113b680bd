/**
 * Every stage with every other on a tiny model: what is written opens, says what was decided, and computes
 * what the report says.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { allInputs, blockModules, describeModel } from "../../../src/architecture/description.ts";
import { isFloat8 } from "../../../src/checkpoint/formats/float8.ts";
import { RecipeError } from "../../../src/errors.ts";
import { Transformer } from "../../../src/model/transformer.ts";
import { calibrate } from "../../../src/quantizer/calibrate/calibrate.ts";
import { parsePolicyOverride } from "../../../src/quantizer/decide/policy.ts";
import { quantizeModel, quantizeWithStats } from "../../../src/quantizer/quantize-model.ts";
import { ACTIVATION_TYPES } from "../../../src/quantizer/recipe/recipe.ts";
import { POLICY_RULES, type RecipeOptions } from "../../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../../src/quantizer/recipe/resolve-recipe.ts";
import { RECIPE_NAMES } from "../../../src/quantizer/recipe/recipe-presets.ts";
import { SCALE_CONSTRAINTS } from "../../../src/quantizer/round/scale-constraint.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { MemoryOutputFolder } from "../../memory-folder.ts";
import { simulate } from "../../oracle/float-simulation.ts";
import { tinyModel, type TinyModelOptions } from "../../tiny-model.ts";
import { tinySamples } from "../tiny-samples.ts";

const SEED = 79;
const test = suite(`combinations of stages (seed ${SEED})`);
const SAMPLES = tinySamples(SEED, 6, 32);
const IDS = SAMPLES[0]!.subarray(0, 24);

async function quantizeTiny(name: string, options: RecipeOptions = {}, model: TinyModelOptions = {}, threads = 1) {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED, model));
  const output = new MemoryOutputFolder("quantized");
  const recipe = resolveRecipe(name, options);
  const report = await quantizeModel(source, { samples: SAMPLES }, recipe, output, { host: nodeHost, threads });
  const written = await openSafetensorsCheckpoint(output.result);
  return { source, output, report, written, recipe };
}

type Quantized = Awaited<ReturnType<typeof quantizeTiny>>;

/**
 * Energy of the error of a written model's logits over that of its source's, by the format's rules in double
 * precision.
 */
async function logitError({ source, written }: Quantized): Promise<number> {
  const expected = await simulate(source, IDS);
  const actual = await simulate(written, IDS, { head: "q8", kCache: "q8", vCache: "q8" });
  const energy = expected.reduce((sum, value) => sum + value * value, 0);
  return expected.reduce((sum, value, i) => sum + (value - actual[i]!) ** 2, 0) / energy;
}

/** The model runs in the kernels: finite logits. */
async function runs({ written }: Quantized): Promise<void> {
  const model = await Transformer.load(written, nodeHost, { contextSize: 32, threads: 1 });
  try {
    const logits = await model.forward(IDS, { logits: "last" });
    assert.ok(logits!.every(Number.isFinite));
  } finally {
    await model.dispose();
  }
}

const GROUPS = { groupSize: 32 } as const;

/** Every linear module of a checkpoint's blocks, with the path of its input. */
function modulesOf({ config }: Checkpoint) {
  return allInputs(describeModel(config)).flatMap((input) => input.modules.map((module) => ({ module, path: input.path })));
}

for (const weights of ["int4", "int4m", "fp4", "int8"] as const) {
  for (const activations of ACTIVATION_TYPES) {
    const float8 = isFloat8(activations);
    const isInt4 = activations === "int4";
    const only = activations === "none" ? undefined : float8 ? ("dynamic" as const) : ("static" as const);
    const policies = activations === "int8" ? POLICY_RULES : [only];
    test(`${weights} weights, ${activations} activations: every equalization, policy and rounding`, async () => {
      const size = weights === "int8" ? {} : GROUPS;
      for (const equalize of ["lae", "smoothquant", "awq", "none"] as const) {
        for (const policy of policies) {
          if (equalize === "awq" && policy === "range") continue;
          for (const round of ["nearest", "search", "gptq"] as const) {
            const what = `${weights} ${activations} ${equalize} ${policy} ${round}`;
            const given = policy === "range" ? { v0: 2 } : {};
            const result = await quantizeTiny(
              "fptq",
              { weights, activations, equalize, policy, round, ...size, ...given },
              { config: { layers: 1 } },
            );
            const { report, written } = result;
            // Random weights are the worst case for 4 bits; unrelated logits would differ by twice their
            // energy.
            const error = await logitError(result);
            assert.ok(error < (isInt4 ? 1.8 : weights === "int8" ? 0.05 : 0.6), `${what}: ${error}`);
            if (round === "search") await runs(result);
            for (const {
              module: { name },
              path,
            } of modulesOf(written)) {
              const row = report.layers.find((candidate) => candidate.name === path)!;
              const kind = row.policy.split("+").at(-1)!;
              const scheme = {
                weights,
                groupSize: weights === "int8" ? "channel" : 32,
                activations: { kind: float8 ? activations : kind, ...(isInt4 && { bits: 4 }) },
              };
              assert.equal(written.quantization!.linear(name), scheme, `${what}: ${name}`);
              if (row.policy.includes("+")) assert.match(row.policy, new RegExp(String.raw`^${equalize}\+`));
            }
            const measured = equalize === "awq" || policy === "auto" || round === "gptq";
            assert.is(report.layers.every((row) => row.output_nmse !== null), measured, what); // prettier-ignore
            assert.is(report.layers.every((row) => row.static_output_nmse !== null), policy === "auto", what); // prettier-ignore
            assert.is(report.static_share === null, activations !== "int8" && !isInt4);
            assert.is(report.simulated !== null, float8 || isInt4);
          }
        }
      }
    });
  }
}

test("every preset runs as it is", async () => {
  for (const name of RECIPE_NAMES) {
    const local = name.startsWith("fptquant") ? { localSteps: 2 } : {}; // few of them are as good for this
    const result = await quantizeTiny(name, local);
    await runs(result);
    assert.is(result.report.recipe.name, name);
    assert.ok((await logitError(result)) < (name === "fptquant-w4a4" ? 1.2 : 0.6), name);
    assert.ok(Object.values(result.report.stages).reduce((sum, seconds) => sum + seconds, 0) <= result.report.seconds);
  }
});

test("every preset without online transforms runs with learned rounding", async () => {
  for (const name of RECIPE_NAMES.filter((preset) => !preset.startsWith("fptquant"))) {
    const result = await quantizeTiny(name, { round: "autoround", roundSteps: 2 });
    await runs(result);
    assert.equal(result.report.recipe.round, { kind: "autoround", steps: 2 });
    assert.ok(
      result.report.blocks!.every((block) => block.learned_output_nmse <= block.searched_output_nmse),
      name,
    );
    assert.ok(
      result.report.layers.every(({ output_nmse }) => output_nmse === null),
      "of inputs alone nothing is known",
    );
    assert.ok((await logitError(result)) < 0.6, name);
  }
  const refused = () => resolveRecipe("fptquant", { round: "autoround" });
  assert.throws(refused, /^round autoround: got transforms .*down.*, which are computed online/);
});

test("scales of 16 bits are stored as such: bits per weight, tensor type, values", async () => {
  for (const [scales, type, bits] of [
    ["bf16", "BF16", 16],
    ["f16", "F16", 16],
    ["f32", "F32", 32],
  ] as const) {
    // prettier-ignore
    for (const round of ["nearest", "search", "gptq"] as const) {
      for (const groupSize of [32, 64] as const) {
        const { report, written } = await quantizeTiny("rtn", { scales, round, groupSize });
        assert.is(report.bits_per_weight, 4 + bits / groupSize);
        for (const { name } of blockModules(describeModel(written.config))) {
          const info = written.tensors.get(`${name}.weight_scale`)!;
          assert.is(info.type, type);
          assert.is(info.bytes, (info.shape[0]! * info.shape[1]! * bits) / 8);
        }
      }
    }
  }
});

test("scales keep to a constraint in whatever type they are stored, and cost little beside none", async () => {
  for (const round of ["nearest", "gptq"] as const) {
    for (const equalize of ["none", "lae", "awq"] as const) {
      for (const scales of ["f32", "bf16", "f16"] as const) {
        const errors = new Map<string, number>();
        for (const scaleConstraint of SCALE_CONSTRAINTS) {
          const options = { ...GROUPS, round, equalize, scales, scaleConstraint, policy: "dynamic" } as const;
          const result = await quantizeTiny("fptq", options, { config: { layers: 1 } });
          errors.set(scaleConstraint, await logitError(result));
          if (scaleConstraint === "none") continue;
          for (const { name } of blockModules(describeModel(result.written.config))) {
            const tensor = `${name}.weight_scale`;
            const stored = await result.written.readF32(tensor);
            const groups = result.written.tensors.get(tensor)!.shape[1]!;
            stored.forEach((step, i) => {
              const row = stored.subarray(i - (i % groups), i - (i % groups) + groups);
              const base = scaleConstraint === "m1" ? 1 : Math.max(...row);
              assert.ok(
                Number.isInteger(Math.log2(base / step)),
                `${scaleConstraint} ${round} ${equalize} ${scales} ${name}: ${step}`,
              );
            });
          }
        }
        const what = `${round} ${equalize} ${scales} ${JSON.stringify([...errors])}`;
        for (const error of errors.values()) assert.ok(error < 0.8, what);
        assert.ok(errors.get("m1") !== errors.get("none") && errors.get("m2") !== errors.get("none"), what);
      }
    }
  }
});

test("a scale for each row of 4-bit weights", async () => {
  for (const weights of ["int4", "fp4"] as const) {
    for (const round of ["nearest", "search", "gptq"] as const) {
      const result = await quantizeTiny("smoothquant", { weights, groupSize: "channel", round });
      await runs(result);
      assert.is(result.written.quantization!.linear("model.layers.0.mlp.down_proj")!.groupSize, "channel");
    }
  }
});

test("on one Hessian no method leaves more at the output than round to nearest, and refinement never adds", async () => {
  for (const weights of ["int4", "fp4"] as const)
    await noMoreThanNearest({ ...GROUPS, weights, equalize: "lae", policy: "dynamic" });
});

async function noMoreThanNearest(options: RecipeOptions): Promise<void> {
  const [plain, searched, refined] = await Promise.all([
    quantizeTiny("fptq+gptq", options),
    quantizeTiny("fptq+gptq", { ...options, search: "hessian" }),
    quantizeTiny("fptq+gptq", { ...options, search: "hessian", refine: 2 }),
  ]);
  plain.report.layers.forEach((row, i) => {
    assert.ok(row.output_nmse! < row.nearest_output_nmse!, row.name);
    assert.ok(searched.report.layers[i]!.output_nmse! < row.output_nmse!, row.name);
    assert.ok(refined.report.layers[i]!.output_nmse! <= searched.report.layers[i]!.output_nmse! * 1.001, row.name);
  });
}

test("files are the same for any number of threads", async () => {
  const options = { ...GROUPS, scales: "bf16" } as const;
  for (const name of ["fptq-best", "awq"]) {
    const [one, two] = [await quantizeTiny(name, options), await quantizeTiny(name, options, {}, 2)];
    for (const fileName of one.output.result.files.keys()) {
      if (fileName === "quantization-report.json") continue;
      assert.equal(two.output.result.bytes(fileName), one.output.result.bytes(fileName), `${name}: ${fileName}`);
    }
  }
});

test("later layers may see what rounded ones give, whatever the architecture", async () => {
  for (const architecture of ["llama", "qwen2", "qwen3"] as const) {
    for (const equalize of ["lae", "none"] as const) {
      const options = { ...GROUPS, equalize, policy: "dynamic", propagate: "quantized" } as const;
      const result = await quantizeTiny("fptq+gptq", options, { architecture });
      const float = await quantizeTiny("fptq+gptq", { ...options, propagate: "float" }, { architecture });
      const [a, b] = [result.report.layers, float.report.layers];
      assert.is(a[0]!.range, b[0]!.range, "nothing is rounded before the first input");
      assert.is.not(a[1]!.range, b[1]!.range, "everything is before the second");
      assert.ok(Math.abs(a.at(-1)!.range / b.at(-1)!.range - 1) < 0.5, "and still the same model");
      assert.ok((await logitError(result)) < 0.6);
    }
  }
});

test("the measured policy keeps to its tolerance, and to what is set by hand", async () => {
  const kinds = async (options: RecipeOptions) =>
    (await quantizeTiny("rtn", { ...GROUPS, policy: "auto", ...options })).report.layers;
  for (const row of await kinds({ tolerance: 1e-5 })) {
    const added = row.static_output_nmse! - row.dynamic_output_nmse!;
    assert.is(row.policy, added <= 1e-5 ? "static" : "dynamic", row.name);
  }
  assert.ok((await kinds({ tolerance: 1e6 })).every(({ policy }) => policy === "static"));
  const overridden = await kinds({ tolerance: 1e6, overrides: [parsePolicyOverride("*.down=dynamic")] });
  for (const { name, policy } of overridden) assert.is(policy, name.endsWith(".down") ? "dynamic" : "static");
});

test("searched ranges: static scales and those of the cache are at most the largest magnitude's, nothing else changes", async () => {
  for (const name of ["rtn-static", "fptq", "fptq-best"]) {
    const plain = await quantizeTiny(name);
    for (const ranges of ["l2", "l4"] as const) {
      const searched = await quantizeTiny(name, { ranges });
      assert.is(searched.report.recipe.ranges, ranges);
      let smaller = 0;
      for (const [tensor, { shape }] of plain.written.tensors) {
        if (!/input_scale$|[kv]_scale$/.test(tensor)) continue;
        const found = searched.written.tensors.has(tensor) ? (await searched.written.readF32(tensor))[0]! : 0;
        const before = (await plain.written.readF32(tensor))[0]!;
        assert.equal(shape, [1], tensor);
        assert.ok(found <= before, `${tensor}: ${found} is more than ${before}`);
        if (found > 0 && found < before) smaller++;
      }
      assert.ok(smaller > 0, `${name}, ${ranges}`);
      const packed = "model.layers.0.self_attn.q_proj.weight_packed";
      if (name !== "fptq-best") assert.equal(await searched.written.readRaw(packed), await plain.written.readRaw(packed));
      await runs(searched);
    }
  }
});

test("ranges are the same for any number of threads", async () => {
  const files = await Promise.all([1, 3].map((threads) => quantizeTiny("fptq", { ranges: "l3" }, {}, threads)));
  const [one, three] = files.map(({ written }) => written);
  for (const tensor of one!.tensors.keys()) assert.equal(await one!.readRaw(tensor), await three!.readRaw(tensor), tensor);
});

test("statistics alone cannot serve a recipe that needs Hessians", async () => {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED));
  const stats = await calibrate(source, SAMPLES, { host: nodeHost, threads: 1 });
  for (const name of ["gptq", "awq", "fptq-best"]) {
    const output = new MemoryOutputFolder("out");
    const recipe = resolveRecipe(name, name === "gptq" ? GROUPS : {});
    const error = await quantizeWithStats(source, { stats }, recipe, output, { host: nodeHost }).catch(
      (reason: unknown) => reason,
    );
    assert.instance(error, RecipeError);
    assert.match((error as Error).message, /need the samples/);
    assert.is(output.state, "discarded");
  }
});

test.run();
