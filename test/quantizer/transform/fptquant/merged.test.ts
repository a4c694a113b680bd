/**
 * FPTQuant's transforms that are merged into weights: whatever their numbers, the float model computes what
 * it did.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Block, describeModel } from "../../../../src/architecture/description.ts";
import type { Checkpoint } from "../../../../src/checkpoint/checkpoint.ts";
import { checkpointView } from "../../../../src/checkpoint/checkpoint-view.ts";
import { NumericError, RecipeError } from "../../../../src/errors.ts";
import { residualTransform } from "../../../../src/quantizer/transform/fptquant/residual.ts";
import { keyTransform, KeyTurn } from "../../../../src/quantizer/transform/fptquant/key.ts";
import { UpScales, upTransform } from "../../../../src/quantizer/transform/fptquant/up.ts";
import { ValueMatrices, valueTransform } from "../../../../src/quantizer/transform/fptquant/value.ts";
import { product, symmetricEigen } from "../../../../src/quantizer/matrix/square-matrix.ts";
import { joinTransforms, type Transform, transformCheckpoint } from "../../../../src/quantizer/transform/transform.ts";
import { assertSameBits } from "../../../oracle/compare.ts";
import { mulberry32, normal } from "../../../random.ts";
import { tinySamples } from "../../tiny-samples.ts";
import { divergence, logitsOf, openReference, openTiny, TINY, worstDifference } from "./float-models.ts";

const SEED = 97;
const test = suite(`merged transforms of FPTQuant (seed ${SEED})`);
const random = mulberry32(SEED);
const gaussian = normal(random);
const [SAMPLE] = tinySamples(SEED, 1, 40) as [Int32Array];
const drawn = (length: number, scale = 1) => Float64Array.from({ length }, () => scale * gaussian());

type Make = (checkpoint: Checkpoint, block: Block) => Transform;

const moments = (D: number, heads: number) =>
  Array.from({ length: heads }, () => {
    const A = drawn(D * D);
    const S = new Float64Array(D * D);
    for (let i = 0; i < D; i++)
      for (let j = 0; j < D; j++) for (let k = 0; k < D; k++) S[i * D + j]! += A[i * D + k]! * A[j * D + k]!;
    return S;
  });

/** Each with random numbers in place of those it starts with. */
const TRANSFORMS: Readonly<Record<string, Make>> = {
  key: ({ config }, block) => {
    const key = new KeyTurn(config, block, new Float32Array(config.kvHeads * config.headDim).fill(1));
    key.parameters.set(drawn(key.parameters.length, 0.5));
    return key.transform();
  },
  value: ({ config }, block) => {
    const { headDim: D, kvHeads } = config;
    const value = new ValueMatrices(config, block, { second: moments(D, kvHeads), output: moments(D, kvHeads) });
    value.parameters.set(drawn(value.parameters.length, 0.3));
    return value.transform();
  },
  up: ({ config }, block) => {
    const up = new UpScales(config, block, new Float64Array(config.ffnSize).fill(1));
    up.parameters.set(drawn(up.parameters.length));
    return up.transform();
  },
};

function transformed(checkpoint: Checkpoint, ...makes: Make[]): Checkpoint {
  const { blocks } = describeModel(checkpoint.config);
  return transformCheckpoint(checkpoint, joinTransforms(blocks.flatMap((block) => makes.map((make) => make(checkpoint, block)))));
}

/** Logits within `WITHIN` of their range, and distributions that nothing tells apart. */
const WITHIN = 1e-4;

async function assertSameFunction(checkpoint: Checkpoint, changed: Checkpoint, what: string): Promise<void> {
  const ids = SAMPLE.map((id) => id % checkpoint.config.vocabSize);
  const [expected, actual] = [await logitsOf(checkpoint, ids), await logitsOf(changed, ids)];
  const worst = worstDifference(actual, expected);
  assert.ok(worst > 0 && worst < WITHIN, `${what}: ${worst}`);
  const kld = divergence(actual, expected, checkpoint.config);
  assert.ok(kld < 1e-7, `${what}: KL divergence ${kld}`);
}

for (const model of Object.keys(TINY)) {
  test(`${model}: logits stay`, async () => {
    const checkpoint = await openTiny(SEED, model);
    for (const [name, make] of Object.entries(TRANSFORMS)) {
      await assertSameFunction(checkpoint, transformed(checkpoint, make), name);
    }
    await assertSameFunction(checkpoint, transformed(checkpoint, ...Object.values(TRANSFORMS)), "all of a layer");
  });
}

for (const model of [
  "llama-tied",
  "mistral-window",
  "qwen2",
  "qwen3",
  "olmo2",
  "glm",
  "glm4",
  "phi3",
  "smollm3",
  "gemma2",
  "gemma3",
  "cohere",
  "stablelm",
  "granite",
  "starcoder2",
  "phi",
  "gpt-neox",
  "bloom",
  "gpt2",
]) {
  test(`${model} of another implementation: logits stay`, async () => {
    const checkpoint = await openReference(model);
    if (!checkpoint) return;
    const { gatedMlp } = checkpoint.config;
    for (const [name, make] of Object.entries(TRANSFORMS)) {
      if (name === "up" && !gatedMlp) continue;
      await assertSameFunction(checkpoint, transformed(checkpoint, make), name);
    }
    await checkpoint.close();
  });
}

test("each transform at one side only changes the logits", async () => {
  const checkpoint = await openTiny(SEED, "grouped heads");
  const expected = await logitsOf(checkpoint, SAMPLE);
  const { blocks } = describeModel(checkpoint.config);
  for (const [name, make] of Object.entries(TRANSFORMS)) {
    const whole = make(checkpoint, blocks[1]!);
    const [first] = whole.modules;
    const half = transformCheckpoint(checkpoint, { modules: new Map([first!]), norms: new Map() });
    const worst = worstDifference(await logitsOf(half, SAMPLE), expected);
    assert.ok(worst > 10 * WITHIN, `${name}: ${worst}`);
  }
});

test("scales that are powers of two change no bit", async () => {
  for (const model of ["grouped heads", "biases", "norms on q and k"]) {
    const checkpoint = await openTiny(SEED, model);
    const { config } = checkpoint;
    const { kvHeads, headDim: D, ffnSize: F } = config;
    const power = () => 2 ** Math.floor(7 * random() - 3);
    const makes: Record<string, Make> = {
      up: (_checkpoint, block) => upTransform(config, block, Float32Array.from({ length: F }, power)),
      value: (_checkpoint, block) => {
        const scales = Array.from({ length: kvHeads }, () =>
          Float64Array.from({ length: D * D }, (_, at) => (at % (D + 1) === 0 ? power() : 0)),
        );
        return valueTransform(config, block, scales);
      },
      key: (_checkpoint, block) => {
        const half = Float32Array.from({ length: D / 2 }, power);
        const head = Float32Array.from({ length: D }, (_, c) => half[c % (D / 2)]!);
        const scales = Float32Array.from({ length: kvHeads * D }, (_, c) => head[c % D]!);
        return keyTransform(config, block, { scales: config.qkNorm === "head" ? head : scales });
      },
    };
    const expected = await logitsOf(checkpoint, SAMPLE);
    for (const [name, make] of Object.entries(makes)) {
      assertSameBits(await logitsOf(transformed(checkpoint, make), SAMPLE), expected, `${model}, ${name}`);
    }
  }
});

test("scores of turned queries and keys stay to the last digits, at any position", () => {
  const D = 64;
  const config = { heads: 3, kvHeads: 1, headDim: D, rotaryDim: D, rotaryPairs: "halves", qkNorm: "none" };
  const turn = new KeyTurn(config as never, { name: "layer", rope: 0 } as never, new Float32Array(D).fill(1));
  turn.parameters.set(drawn(turn.parameters.length));
  let interleaved = 0;
  for (let trial = 0; trial < 200; trial++) {
    const rows = drawn(4 * D);
    const { rows: merged } = turn.merge({ rows, columns: new Float64Array(0) });
    const [q, k] = [Math.floor(8192 * random()), Math.floor(8192 * random())];
    const score = (values: Float64Array, pairs: (c: number) => [number, number]) => {
      let sum = 0;
      for (let c = 0; c < D / 2; c++) {
        const [a, b] = pairs(c);
        const at = (head: number, position: number) => {
          const angle = position * 10000 ** ((-2 * c) / D);
          const [x, y] = [values[head * D + a]!, values[head * D + b]!];
          return [Math.cos(angle) * x - Math.sin(angle) * y, Math.sin(angle) * x + Math.cos(angle) * y] as const;
        };
        const [[qa, qb], [ka, kb]] = [at(0, q), at(3, k)];
        sum += qa * ka + qb * kb;
      }
      return sum;
    };
    const size = Math.sqrt(rows.reduce((sum, value) => sum + value * value, 0)) ** 2;
    const halves = (c: number): [number, number] => [c, c + D / 2];
    assert.ok(Math.abs(score(merged, halves) - score(rows, halves)) < 1e-12 * size);
    const neighbours = (c: number): [number, number] => [2 * c, 2 * c + 1];
    interleaved = Math.max(interleaved, Math.abs(score(merged, neighbours) - score(rows, neighbours)) / size);
  }
  assert.ok(interleaved > 1e-2, "pairs in another order are not those that turn together");
});

/** An f64[n, n] of this condition, with a random basis on either side. */
function ofCondition(n: number, condition: number): Float64Array {
  const basis = () => symmetricEigen(moments(n, 1)[0]!, n).vectors;
  const scales = Float64Array.from({ length: n }, (_, i) => condition ** (i / (n - 1)));
  const [left, right] = [basis(), basis()];
  return product(
    left,
    right.map((value, at) => value * scales[Math.floor(at / n)]!),
    n,
  );
}

test("matrices of values of condition 100 move logits by less than a thousandth", async () => {
  const checkpoint = await openTiny(SEED, "grouped heads");
  const { headDim: D, kvHeads } = checkpoint.config;
  const changed = transformed(checkpoint, ({ config }, block) =>
    valueTransform(
      config,
      block,
      Array.from({ length: kvHeads }, () => ofCondition(D, 100)),
    ),
  );
  const worst = worstDifference(await logitsOf(changed, SAMPLE), await logitsOf(checkpoint, SAMPLE));
  assert.ok(worst > 0 && worst < 1e-3, `${worst}`);
});

test("a matrix that is singular, or nearly, is refused with its layer and head", async () => {
  const { config } = await openTiny(SEED, "grouped heads");
  const { headDim: D } = config;
  const [, block] = describeModel(config).blocks;
  const good = ofCondition(D, 10);
  const refuse = (bad: Float64Array, message: RegExp) => {
    try {
      valueTransform(config, block!, [good, bad]);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, NumericError);
      assert.match((error as Error).message, message);
    }
  };
  refuse(new Float64Array(D * D).fill(1), /^model\.layers\.1: transform "value", head 1: got a singular matrix, need one of/);
  refuse(ofCondition(D, 1e8), /^model\.layers\.1: transform "value", head 1: got a matrix of condition .*e\+\d+, need one of/);
  refuse(
    good.map(() => NaN),
    /singular/,
  );
});

test("rows read in parts are those of the whole, in any order and at once", async () => {
  const tiny = await openTiny(SEED, "biases everywhere, untied");
  const residual = await residualTransform(tiny, describeModel(tiny.config));
  const checkpoint = transformed(transformCheckpoint(tiny, residual), ...Object.values(TRANSFORMS));
  for (const name of ["self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"]) {
    for (const kind of ["weight", "bias"]) {
      const tensor = `model.layers.1.${name}.${kind}`;
      const whole = await checkpoint.readF32(tensor);
      const [N, K = 1] = checkpoint.tensors.get(tensor)!.shape as [number, number?];
      const ranges = [[5, 9], [0, 1], [15, 17], [N - 1, N], [3, 3], [0, N], [8, 16], [16, 24]] as const; // prettier-ignore
      const read = await Promise.all(ranges.map((rows) => checkpoint.readF32(tensor, { rows })));
      for (const [i, [begin, end]] of ranges.entries()) {
        assertSameBits(read[i]!, whole.slice(begin * K, end * K), `${tensor} ${begin}..${end}`);
      }
    }
  }
});

for (const model of ["untied", "biases everywhere, untied"]) {
  test(`a rotated residual stream, ${model}: logits stay, and nothing is left to do online`, async () => {
    const checkpoint = await openTiny(SEED, model);
    const residual = await residualTransform(checkpoint, describeModel(checkpoint.config));
    assert.is(residual.online, undefined);
    const changed = transformCheckpoint(checkpoint, residual);
    await assertSameFunction(checkpoint, changed, model);
    assert.equal(new Set(await changed.readF32("model.layers.0.input_layernorm.weight")), new Set([1]));
  });
}

test("a gain of 0 is refused, since no layer can undo it", async () => {
  const checkpoint = await openTiny(SEED, "untied");
  const zero = checkpointView(checkpoint, {
    readF32: async (tensor, options) => {
      const values = await checkpoint.readF32(tensor, options);
      return tensor === "model.layers.2.input_layernorm.weight" ? values.fill(0, 3, 4) : values;
    },
  });
  try {
    await residualTransform(zero, describeModel(checkpoint.config));
    assert.unreachable();
  } catch (error) {
    assert.instance(error, RecipeError);
    assert.match((error as Error).message, /layers\.2\.input_layernorm\.weight: got 0 at element 3, need gains other than 0/);
  }
});

test.run();
