/** Gradients of tunable transforms against differences of a loss in double precision. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel } from "../../../../src/architecture/description.ts";
import type { ModelConfig } from "../../../../src/architecture/model-config.ts";
import { KeyTurn } from "../../../../src/quantizer/transform/fptquant/key.ts";
import {
  boundedScale,
  boundedScaleArgument,
  boundedScaleSlope,
  type Sides,
  type TunableTransform,
} from "../../../../src/quantizer/transform/fptquant/tunable.ts";
import { UpScales } from "../../../../src/quantizer/transform/fptquant/up.ts";
import { ValueMatrices } from "../../../../src/quantizer/transform/fptquant/value.ts";
import { mulberry32, normal } from "../../../random.ts";
import { tinyConfig } from "../../../tiny-model.ts";

const SEED = 101;
const test = suite(`gradients of transforms (seed ${SEED})`);
const gaussian = normal(mulberry32(SEED));
const drawn = (length: number, scale = 1) => Float64Array.from({ length }, () => scale * gaussian());

/** Sum of c * (w + w^3 / 3): a loss whose gradient is known. */
const loss = (weights: Float64Array, c: Float64Array) => weights.reduce((sum, w, i) => sum + c[i]! * (w + w ** 3 / 3), 0);
const lossGradient = (weights: Float64Array, c: Float64Array) => weights.map((w, i) => c[i]! * (1 + w * w));

function assertGradient(transform: TunableTransform): void {
  const { parameters, N, K } = transform;
  const sides: Sides = { rows: drawn(N * 3), columns: drawn(2 * K) };
  const c: Sides = { rows: drawn(N * 3), columns: drawn(2 * K) };
  const total = () => {
    const { rows, columns } = transform.merge(sides);
    return loss(rows, c.rows) + loss(columns, c.columns);
  };
  const merged = transform.merge(sides);
  const gradients = { rows: lossGradient(merged.rows, c.rows), columns: lossGradient(merged.columns, c.columns) };
  const found = transform.gradient(sides, merged, gradients);
  const size = Math.sqrt(found.reduce((sum, value) => sum + value * value, 0) / found.length);
  assert.ok(size > 0);
  for (let i = 0; i < parameters.length; i += 1 + Math.floor(parameters.length / 60)) {
    const [x, h] = [parameters[i]!, 1e-5];
    const at = (value: number) => {
      parameters[i] = value;
      const result = total();
      parameters[i] = x;
      return result;
    };
    // A difference of order 4, so that its own error is below the bound.
    const expected = (8 * (at(x + h) - at(x - h)) - (at(x + 2 * h) - at(x - 2 * h))) / (12 * h);
    assert.ok(
      Math.abs(found[i]! - expected) < 1e-6 * (Math.abs(expected) + size),
      `${transform.name} ${i}: ${found[i]}, ${expected}`,
    );
  }
}

const block = (config: ModelConfig) => describeModel(config).blocks[0]!;

for (const [what, config] of [
  ["grouped heads", tinyConfig()],
  ["as many key heads", tinyConfig("llama", { kvHeads: 4 })],
  ["one key head", tinyConfig("llama", { kvHeads: 1 })],
  ["half of a head turns", tinyConfig("phi", { rotaryDim: 8 })],
  ["nothing turns", tinyConfig("gpt2", { rotaryDim: 0, positions: "learned" })],
  ["gains carry it", tinyConfig("qwen3")],
] as const) {
  test(`keys, ${what}`, () => {
    const key = new KeyTurn(config, block(config), Float32Array.from(drawn(config.kvHeads * config.headDim), Math.abs));
    key.parameters.forEach((value, i) => (key.parameters[i] = value + 0.3 * gaussian()));
    assertGradient(key);
  });
}

test("values", () => {
  const config = tinyConfig("llama", { headDim: 12 });
  const { headDim: D, kvHeads } = config;
  const identity = () => Float64Array.from({ length: D * D }, (_, at) => (at % (D + 1) === 0 ? 1 + (at % 5) : 0));
  const some = () => Array.from({ length: kvHeads }, identity);
  const values = new ValueMatrices(config, block(config), { second: some(), output: some() });
  values.parameters.forEach((value, i) => (values.parameters[i] = value + 0.3 * gaussian()));
  assertGradient(values);
});

test("up", () => {
  const config = tinyConfig();
  const up = new UpScales(config, block(config), drawn(config.ffnSize).map((value) => value * value)); // prettier-ignore
  assertGradient(up);
});

test("scales stay within bounds, have an inverse, and the slope of their logarithm", () => {
  for (const x of [-1e300, -30, -1, -1e-3, 0, 0.2, 5, 1e300]) {
    const scale = boundedScale(x);
    assert.ok(scale >= Math.exp(-3) * (1 - 1e-12) && scale <= Math.exp(3) * (1 + 1e-12), `${x}: ${scale}`);
    const h = 1e-6;
    if (Math.abs(x) < 100) {
      const slope = (Math.log(boundedScale(x + h)) - Math.log(boundedScale(x - h))) / (2 * h);
      assert.ok(Math.abs(slope - boundedScaleSlope(x)) < 1e-8, `${x}`);
    }
  }
  for (const scale of [0.1, 0.5, 1, 3, 10]) assert.ok(Math.abs(boundedScale(boundedScaleArgument(scale)) / scale - 1) < 1e-12);
  for (const scale of [0, 1e-30, 1e30]) assert.ok(Number.isFinite(boundedScaleArgument(scale)));
});

test.run();
