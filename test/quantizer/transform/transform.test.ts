/** Transforms: the float model computes what it did, whatever is moved from one of its tensors to another. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { allInputs, describeModel, type LinearInput, precedingNorm } from "../../../src/architecture/description.ts";
import type { Checkpoint } from "../../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { calibrate } from "../../../src/quantizer/calibrate/calibrate.ts";
import { collectWeightStats } from "../../../src/quantizer/calibrate/weight-stats.ts";
import { analyzeInputs } from "../../../src/quantizer/decide/analyze-inputs.ts";
import { equalization, type EqualizationMethod } from "../../../src/quantizer/transform/equalize.ts";
import {
  joinTransforms,
  type ModuleFactors,
  type Transform,
  transformCheckpoint,
} from "../../../src/quantizer/transform/transform.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { simulate } from "../../oracle/float-simulation.ts";
import { mulberry32, normal } from "../../random.ts";
import { tinyModel } from "../../tiny-model.ts";
import { tinySamples } from "../tiny-samples.ts";

const SEED = 89;
const test = suite(`transforms (seed ${SEED})`);
const SAMPLES = tinySamples(SEED, 2, 24);
const IDS = SAMPLES[0]!;

const open = () => openSafetensorsCheckpoint(tinyModel(SEED));
const nothing: Transform = { modules: new Map(), norms: new Map() };

/** Every input that a norm makes, with factors from `make`. */
function equalized(checkpoint: Checkpoint, make: (input: LinearInput) => Float32Array): Checkpoint {
  const inputs = allInputs(describeModel(checkpoint.config)).filter(precedingNorm);
  return transformCheckpoint(checkpoint, joinTransforms(inputs.map((input) => equalization(input, make(input)))));
}

/** Root of the relative energy of the difference of logits, in double precision. */
async function difference(a: Checkpoint, b: Checkpoint): Promise<number> {
  const [expected, actual] = [await simulate(a, IDS), await simulate(b, IDS)];
  const energy = expected.reduce((sum, value) => sum + value * value, 0);
  return Math.sqrt(expected.reduce((sum, value, i) => sum + (value - actual[i]!) ** 2, 0) / energy);
}

for (const method of [
  { kind: "lae", alpha: 1 },
  { kind: "smoothquant", alpha: 0.5 },
] as const satisfies EqualizationMethod[]) {
  test(`${method.kind}: logits within float error`, async () => {
    const checkpoint = await open();
    const stats = await calibrate(checkpoint, SAMPLES, { host: nodeHost, threads: 1 });
    const weights = await collectWeightStats(checkpoint);
    const analysis = analyzeInputs(describeModel(checkpoint.config), stats, method, weights);
    const factors = new Map(analysis.map((row) => [row.name, row.factors!]));
    const changed = equalized(checkpoint, ({ path }) => factors.get(path)!);
    const found = await difference(checkpoint, changed);
    // Two roundings of 2^-24 in each term of two inputs in each of three layers, which grow little on their
    // way.
    assert.ok(found > 0 && found < 12 * 2 ** -24 * 4, `${found}`);
  });
}

test("powers of two: not one bit of the logits changes", async () => {
  const checkpoint = await open();
  const random = mulberry32(SEED);
  const changed = equalized(checkpoint, ({ width }) =>
    Float32Array.from({ length: width }, () => 2 ** Math.floor(9 * random() - 4)),
  );
  const [expected, actual] = [await simulate(checkpoint, IDS), await simulate(changed, IDS)];
  assertSameBits(Float32Array.from(actual), Float32Array.from(expected), "logits");
  assert.not.equal(await changed.readF32("model.layers.0.input_layernorm.weight"), await checkpoint.readF32("model.layers.0.input_layernorm.weight")); // prettier-ignore
});

test("factors at one side only change the logits", async () => {
  const checkpoint = await open();
  const [input] = allInputs(describeModel(checkpoint.config));
  const { modules, norms } = equalization(input!, new Float32Array(input!.width).fill(2));
  const wholly = await difference(checkpoint, transformCheckpoint(checkpoint, { modules, norms }));
  assert.ok(wholly < 1e-12, `${wholly}`);
  for (const half of [
    { ...nothing, modules },
    { ...nothing, norms },
  ]) {
    assert.ok((await difference(checkpoint, transformCheckpoint(checkpoint, half))) > 0.01);
  }
});

test("a LayerNorm's bias is divided as its weight is: values times a weight stay", async () => {
  const random = normal(mulberry32(SEED + 1));
  const [N, K] = [5, 24];
  const floats = (length: number) => Float32Array.from({ length }, random);
  const tensors = new Map([
    ["norm.weight", floats(K)],
    ["norm.bias", floats(K)],
    ["fc.weight", floats(N * K)],
    ["fc.bias", floats(N)],
  ]);
  const shapes = [["norm.weight", [K]], ["norm.bias", [K]], ["fc.weight", [N, K]], ["fc.bias", [N]]] as const; // prettier-ignore
  const checkpoint = {
    tensors: new Map(shapes.map(([name, shape]) => [name, { name, shape }])),
    readF32: (name: string, { rows: [begin, end] = [0, Infinity] }: { rows?: readonly [number, number] } = {}) => {
      const width = name === "fc.weight" ? K : 1;
      return Promise.resolve(tensors.get(name)!.slice(begin * width, end * width));
    },
  } as unknown as Checkpoint;
  const input: LinearInput = {
    name: "up",
    layer: 0,
    path: "h.0.up",
    width: K,
    from: { kind: "layer", eps: 1e-5, weight: "norm.weight", bias: "norm.bias" },
    modules: [{ name: "fc", outFeatures: N, inFeatures: K, bias: true }],
    outputNorm: undefined,
    streamNorm: undefined,
  };
  const factors = Float32Array.from({ length: K }, () => Math.exp(random()));
  const changed = transformCheckpoint(checkpoint, equalization(input, factors));

  const unit = floats(K); // a row without mean and of variance 1 would do as well
  const output = async ({ readF32 }: Checkpoint) => {
    const [weight, bias, fc, own] = await Promise.all(
      ["norm.weight", "norm.bias", "fc.weight", "fc.bias"].map((name) => readF32(name)),
    );
    return Array.from(own!, (b, n) =>
      unit.reduce((sum, value, k) => sum + (value * weight![k]! + bias![k]!) * fc![n * K + k]!, b),
    );
  };
  const [expected, actual] = [await output(checkpoint), await output(changed)];
  // Each term has three roundings of 2^-24; terms are below 30 here, and there are 24.
  expected.forEach((value, n) => assert.ok(Math.abs(actual[n]! - value) < 3 * 2 ** -24 * 30 * K, `${actual[n]} for ${value}`));
  assert.equal(
    await changed.readF32("norm.bias"),
    tensors.get("norm.bias")!.map((value, k) => value / factors[k]!),
  );
  assert.equal(await changed.readF32("norm.bias", { rows: [3, 9] }), (await changed.readF32("norm.bias")).slice(3, 9));
  assert.equal(await changed.readF32("fc.bias"), tensors.get("fc.bias"));
});

test("transforms of one thing are multiplied; none gives the checkpoint itself", async () => {
  const rows = Float32Array.of(2, 3);
  const transform = (factors: ModuleFactors): Transform => ({ modules: new Map([["m", factors]]), norms: new Map() });
  const [a, b] = [transform({ rows }), transform({ rows: Float32Array.of(5, 7), columns: Float32Array.of(11) })];
  assert.equal(joinTransforms([a, b]).modules.get("m"), { rows: Float32Array.of(10, 21), columns: Float32Array.of(11) });
  assert.equal([...rows], [2, 3]);
  const checkpoint = await open();
  assert.is(transformCheckpoint(checkpoint, joinTransforms([])), checkpoint);
});

test.run();
