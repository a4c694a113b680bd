/** RoPE for long contexts through the quantizer: what is written turns queries and keys as its source did. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ModelConfig, RopeScaling } from "../../src/architecture/model-config.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { nodeHost } from "../../src/host/node.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { simulate } from "../oracle/float-simulation.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { tinyModel } from "../tiny-model.ts";
import { tinySamples } from "./tiny-samples.ts";

const SEED = 29;
const test = suite(`quantizing RoPE for long contexts (seed ${SEED})`);

const SCALINGS: readonly RopeScaling[] = [
  {
    kind: "yarn",
    factor: 4,
    originalContextLength: 64,
    betaFast: 16,
    betaSlow: 1,
    truncate: false,
    attention: { mscale: 0.7, mscaleAllDim: 1.5 },
  },
  {
    kind: "longrope",
    shortFactors: Array.from({ length: 8 }, (_, i) => 1 + i / 10),
    longFactors: Array.from({ length: 8 }, (_, i) => 1 + i),
    originalContextLength: 32,
    attention: { extension: 8 },
  },
  { kind: "dynamic", factor: 4 },
];

const IDS = Array.from(tinySamples(SEED + 1, 1, 30)[0]!);

/** Logits of the oracle, of the weights that were written turned by a configuration's RoPE. */
async function simulated(written: Checkpoint, config: ModelConfig, contextSize: number): Promise<Float32Array> {
  const { tensors, quantization, name } = written;
  const readF32: Checkpoint["readF32"] = (tensor, options) => written.readF32(tensor, options);
  const readRaw: Checkpoint["readRaw"] = (tensor, options) => written.readRaw(tensor, options);
  const checkpoint = { tensors, quantization, name, config, readF32, readRaw } as Checkpoint;
  return Float32Array.from(await simulate(checkpoint, IDS, { contextSize, head: "f32" }));
}

async function logitsOf(checkpoint: Checkpoint, contextSize: number): Promise<Float32Array> {
  const model = await Transformer.load(checkpoint, nodeHost, { threads: 1, contextSize, head: "f32", kvCache: "f32" });
  const logits = new Float32Array(IDS.length * model.config.vocabSize);
  await model.forward(IDS, { logits: ({ values, firstRow }) => logits.set(values, firstRow * model.config.vocabSize) });
  await model.dispose();
  return logits;
}

const energy = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
const distance = (a: Float32Array, b: Float32Array) => energy(a.map((value, i) => value - b[i]!)) / energy(a);

for (const ropeScaling of SCALINGS) {
  test(`${ropeScaling.kind}: the same scaling in the folder, logits of the oracle at any context`, async () => {
    const source = await openSafetensorsCheckpoint(tinyModel(SEED, { config: { ropeScaling } }));
    const output = new MemoryOutputFolder("quantized");
    const recipe = resolveRecipe("fptq", { groupSize: 32, v0: 2, v1: 40 });
    await quantizeModel(source, { samples: tinySamples(SEED, 4, 48) }, recipe, output, { host: nodeHost, threads: 1 });
    const written = await openSafetensorsCheckpoint(output.result);
    assert.equal(written.config.ropeScaling, ropeScaling);
    assert.equal(written.config, source.config);
    const unscaled = { ...source.config, ropeScaling: { kind: "none" } as const };
    for (const contextSize of [30, 256, ...(ropeScaling.kind === "dynamic" ? [2000] : [])]) {
      const found = await logitsOf(written, contextSize);
      const off = distance(await simulated(written, source.config, contextSize), found);
      // A code of an activation on the other side of a tie moves its layer's output by 1/127 of it, and that
      // seldom.
      assert.ok(off < 1e-4, `${contextSize} tokens: ${off}`);
      const isScaled = ropeScaling.kind !== "dynamic" || contextSize > 256;
      const others = distance(await simulated(written, unscaled, contextSize), found);
      assert.is(others > 1e-2, isScaled, `${contextSize} tokens: ${others} without scaling`);
    }
  });
}

test.run();
