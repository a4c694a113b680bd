/** FPTQuant's transforms that a model computes online: with them the float model computes what it did. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel } from "../../../../src/architecture/description.ts";
import type { Checkpoint } from "../../../../src/checkpoint/checkpoint.ts";
import { RecipeError } from "../../../../src/errors.ts";
import { nodeHost } from "../../../../src/host/node.ts";
import { Transformer } from "../../../../src/model/transformer.ts";
import { downTransform, residualTransform, TOKEN_SCALES } from "../../../../src/quantizer/transform/fptquant/residual.ts";
import { transformModel } from "../../../../src/quantizer/transform/fptquant/transform-model.ts";
import {
  checkTransforms,
  type TransformName,
  transformObstacle,
  TRANSFORMS,
} from "../../../../src/quantizer/transform/fptquant/transform-names.ts";
import { type Transform, transformCheckpoint } from "../../../../src/quantizer/transform/transform.ts";
import { assertSameBits } from "../../../oracle/compare.ts";
import { tinyConfig } from "../../../tiny-model.ts";
import { tinySamples } from "../../tiny-samples.ts";
import { divergence, logitsOf, openReference, openTiny, worstDifference } from "./float-models.ts";

const SEED = 103;
const test = suite(`online transforms of FPTQuant (seed ${SEED})`);
const SAMPLES = tinySamples(SEED, 4, 40);
const [SAMPLE] = SAMPLES as [Int32Array];
const WITHIN = 1e-4;

const ONLINE: Readonly<Record<string, (checkpoint: Checkpoint) => Promise<Transform>>> = {
  residual: (checkpoint) => residualTransform(checkpoint, describeModel(checkpoint.config)),
  down: async ({ config }) => downTransform(describeModel(config)),
  tokens: async () => TOKEN_SCALES,
};

async function assertSameFunction(checkpoint: Checkpoint, changed: Checkpoint, what: string): Promise<void> {
  const ids = SAMPLE.map((id) => id % checkpoint.config.vocabSize);
  const [expected, actual] = [await logitsOf(checkpoint, ids), await logitsOf(changed, ids)];
  const worst = worstDifference(actual, expected);
  assert.ok(worst > 0 && worst < WITHIN, `${what}: ${worst}`);
  const kld = divergence(actual, expected, checkpoint.config);
  assert.ok(kld < 1e-7, `${what}: KL divergence ${kld}`);
}

for (const model of ["grouped heads", "three query heads for each", "window", "biases", "norms on q and k", "untied"]) {
  test(`${model}: logits stay`, async () => {
    const checkpoint = await openTiny(SEED, model);
    for (const [name, make] of Object.entries(ONLINE)) {
      await assertSameFunction(checkpoint, transformCheckpoint(checkpoint, await make(checkpoint)), name);
    }
  });
}

for (const model of ["phi", "gpt-neox", "bloom", "gpt2"]) {
  test(`${model} of another implementation: a turned input of down, and nothing that its norms would undo`, async () => {
    const checkpoint = await openReference(model);
    if (!checkpoint) return;
    const { config } = checkpoint;
    await assertSameFunction(checkpoint, transformCheckpoint(checkpoint, downTransform(describeModel(config))), model);
    try {
      checkTransforms(["residual", "key", "tokens"], config);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, RecipeError);
      assert.match(
        (error as Error).message,
        /^transforms: "residual": got LayerNorms.*; "tokens": got LayerNorms.*this model can have key, value/,
      );
    }
    await checkpoint.close();
  });
}

for (const model of ["granite", "olmo2", "gemma3", "glm4", "phi3", "smollm3", "qwen3"]) {
  test(`${model} of another implementation: logits stay under every transform that it can have`, async () => {
    const checkpoint = await openReference(model);
    if (!checkpoint) return;
    const names = TRANSFORMS.filter((name) => transformObstacle(name, checkpoint.config) === undefined);
    for (const name of names.filter((possible) => possible in ONLINE)) {
      await assertSameFunction(checkpoint, transformCheckpoint(checkpoint, await ONLINE[name]!(checkpoint)), `${model}, ${name}`);
    }
    await checkpoint.close();
  });
}

test("weights alone, or steps alone, give other logits", async () => {
  const checkpoint = await openTiny(SEED, "grouped heads");
  const expected = await logitsOf(checkpoint, SAMPLE);
  for (const name of ["residual", "down"]) {
    const whole = await ONLINE[name]!(checkpoint);
    const steps: Transform = { modules: new Map(), norms: new Map(), online: whole.online };
    for (const half of [{ ...whole, online: undefined }, steps]) {
      const worst = worstDifference(await logitsOf(transformCheckpoint(checkpoint, half), SAMPLE), expected);
      assert.ok(worst > 10 * WITHIN, `${name}: ${worst}`);
    }
  }
});

test("all transforms with a local stage: logits stay, and the same bits again", async () => {
  for (const model of ["grouped heads", "norms on q and k", "untied"]) {
    const checkpoint = await openTiny(SEED, model);
    const make = () =>
      transformModel(checkpoint, SAMPLES, { transforms: TRANSFORMS, localSteps: 20 }, { host: nodeHost, threads: 1 });
    const { checkpoint: changed, tuned } = await make();
    await assertSameFunction(checkpoint, changed, model);
    assert.is(tuned.length, 9);
    for (const { name, loss, diverged } of tuned) assert.ok(loss < 1 && !diverged, `${name}: ${loss}`);
    const again = (await make()).checkpoint;
    for (const name of ["self_attn.k_proj", "self_attn.o_proj", "mlp.down_proj"]) {
      const tensor = `model.layers.2.${name}.weight`;
      assertSameBits(await again.readF32(tensor), await changed.readF32(tensor), tensor);
    }
  }
});

test("logits of a model with all of them are the same bits in any chunks and by any threads", async () => {
  const original = await openTiny(SEED, "grouped heads");
  const recipe = { transforms: TRANSFORMS, localSteps: 0 };
  const { checkpoint } = await transformModel(original, SAMPLES, recipe, { host: nodeHost, threads: 1 });
  const run = async (chunk: number, threads: number) => {
    const model = await Transformer.load(checkpoint, nodeHost, { threads, contextSize: 64 });
    const { vocabSize: V } = model.config;
    const logits = new Float32Array(SAMPLE.length * V);
    for (let begin = 0; begin < SAMPLE.length; begin += chunk) {
      const give = ({ values, firstRow }: { values: Float32Array; firstRow: number }) =>
        logits.set(values, (begin + firstRow) * V);
      await model.forward(SAMPLE.subarray(begin, begin + chunk), { logits: give });
    }
    await model.dispose();
    return logits;
  };
  const whole = await run(SAMPLE.length, 1);
  for (const [chunk, threads] of [[1, 1], [7, 2]] as const) assertSameBits(await run(chunk, threads), whole, `chunks of ${chunk}`); // prettier-ignore
});

test("each transform is refused for models that cannot have it, with those that they can", () => {
  const refuse = (names: readonly TransformName[], config: Parameters<typeof tinyConfig>, message: RegExp) =>
    assert.throws(() => checkTransforms(names, tinyConfig(...config)), (error: Error) => error instanceof RecipeError && message.test(error.message)); // prettier-ignore
  refuse(["up"], ["llama", { gatedMlp: false, activation: "gelu" }], /^transforms: "up": got an MLP of gelu, need a gated one/);
  refuse(["tokens"], ["llama", { attentionBias: "qkvo" }], /^transforms: "tokens": got biases behind scaled inputs/);
  refuse(["tokens"], ["llama", { parallelResidual: true }], /^transforms: "tokens": got attention and MLP side by side/);
  refuse(["residual"], ["llama", { norm: "layer" }], /^transforms: "residual": got LayerNorms/);
  checkTransforms(TRANSFORMS, tinyConfig("qwen3"));
});

test.run();
