/**
 * Gradients of the whole model against finite differences of an independent one in double precision. The
 * student rounds activations to int8 where that model does not, so the two agree to a few percent, and a
 * factor or a sign that is wrong anywhere stands out.
 */
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { Architecture } from "../../src/architecture/model-config.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { UnsupportedModelError } from "../../src/errors.ts";
import { Student } from "../../src/training/student.ts";
import { finalHiddenStates } from "../../src/training/teacher.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import { type RecipeOptions, resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { Pointer } from "../../src/kernels/pointer.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { simulate, simulateLogits } from "../oracle/float-simulation.ts";
import { type Layer, type Linear, loadSimulation, type Simulation } from "../oracle/simulated-model.ts";
import { tinyModel } from "../tiny-model.ts";
import { tinySamples } from "../quantizer/tiny-samples.ts";

const SEED = 53;
const test = suite(`gradients of a model (seed ${SEED})`);
const IDS = tinySamples(SEED, 1, 40)[0]!;
const SAMPLES = tinySamples(SEED + 1, 4, 32);

async function quantizeTiny(architecture: Architecture, options: RecipeOptions): Promise<Checkpoint> {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED, { architecture, outlier: 2 }));
  const output = new MemoryOutputFolder("quantized");
  const recipe = resolveRecipe("rtn", { groupSize: 32, ...options });
  await quantizeModel(source, { samples: SAMPLES }, recipe, output, { host: nodeHost, threads: 1 });
  return openSafetensorsCheckpoint(output.result);
}

/**
 * The student's embedding and head, and the blocks of another model: the loss is large beside what rounding
 * activations does.
 */
async function stranger(architecture: Architecture): Promise<Checkpoint> {
  const own = await openSafetensorsCheckpoint(tinyModel(SEED, { architecture, outlier: 2 }));
  const other = await openSafetensorsCheckpoint(tinyModel(SEED + 2, { architecture, outlier: 2 }));
  return checkpointView(other, {
    readF32: (tensor, range) => (tensor.startsWith("model.layers") ? other : own).readF32(tensor, range),
  });
}

const withoutRounding = (linear: Linear): Linear => ({ ...linear, input: { kind: "none" } });

/** The same weights, with every activation a float. */
async function inFloats(checkpoint: Checkpoint): Promise<Simulation> {
  const model = await loadSimulation(checkpoint);
  const layers = model.layers.map((layer): Layer => {
    const { q, k, v, o, gate, up, down } = layer;
    const linears = Object.fromEntries(Object.entries({ q, k, v, o, gate, up, down }).map(([name, linear]) => [name, withoutRounding(linear)])); // prettier-ignore
    return { ...layer, ...linears };
  });
  return { ...model, layers };
}

/** Mean KL(teacher || model) over positions, in nats. */
function loss(teacher: Float64Array, model: Simulation): number {
  const logits = simulateLogits(model, IDS);
  const V = model.config.vocabSize;
  const logProbabilities = (row: Float64Array) => {
    const largest = Math.max(...row);
    const log = largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
    return row.map((value) => value - log);
  };
  let sum = 0;
  for (let m = 0; m < IDS.length; m++) {
    const p = logProbabilities(teacher.subarray(m * V, (m + 1) * V));
    const q = logProbabilities(logits.subarray(m * V, (m + 1) * V));
    sum += p.reduce((total, value, v) => total + Math.exp(value) * (value - q[v]!), 0);
  }
  return sum / IDS.length;
}

/** Some numbers of the model, and the gradient of their logarithms. */
interface Group {
  readonly what: string;
  readonly values: readonly Float32Array[];
  readonly gradient: Float32Array;
}

/** Along its own gradient, a group changes the loss by the gradient's length: (L(+h) - L(-h)) / 2h. */
function slopeAlong({ values, gradient }: Group, evaluate: () => number): number {
  const h = 1e-2;
  const length = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
  const originals = values.map((array) => array.slice());
  const moved = (sign: number) => {
    let at = 0;
    for (const [i, array] of values.entries()) {
      for (let j = 0; j < array.length; j++) array[j] = originals[i]![j]! * Math.exp((sign * h * gradient[at++]!) / length);
    }
    return evaluate();
  };
  const slope = (moved(1) - moved(-1)) / (2 * h);
  for (const [i, array] of values.entries()) array.set(originals[i]!);
  return slope / length;
}

const CASES: readonly [Architecture, RecipeOptions][] = [
  ["llama", {}],
  ["llama", { weights: "fp4", scales: "bf16", kvCache: "f32" }],
  ["llama", { policy: "static", groupSize: "channel", embedding: "f16", kvCache: "q8t" }],
  ["mistral", {}], // a window of 8 tokens
  ["qwen2", {}], // biases
];
for (const [architecture, options] of CASES) {
  test(`${architecture} ${JSON.stringify(options)}: every norm and every scale`, async () => {
    const teacher = await stranger(architecture);
    const written = await quantizeTiny(architecture, options);
    const model = await inFloats(written);
    const expected = await simulate(teacher, IDS);
    const [target] = await finalHiddenStates(teacher, [IDS], { host: nodeHost, threads: 1 });
    const student = await Student.load(written, teacher, IDS.length, { host: nodeHost, threads: 1 });
    const groups: Group[] = [];
    try {
      const { kernels, gradients } = student;
      const { hiddenSize: E, layers: L } = written.config;
      const relative = (gradient: Pointer, weight: Float32Array) => kernels.f32(gradient, E).map((g, i) => g * weight[i]!);
      student.forward(IDS);
      const found = student.backwardHead(target!);
      const exact = loss(expected, model);
      assert.ok(Math.abs(found - exact) < 0.03 * exact, `loss ${found}, in floats ${exact}`);
      groups.push({ what: "final norm", values: [model.finalNorm], gradient: relative(gradients.norms.final, model.finalNorm) });
      for (let l = L - 1; l >= 0; l--) {
        student.backwardLayer(l, IDS.length);
        const { attentionNorm, mlpNorm, q, k, v, o, gate, up, down } = model.layers[l]!;
        const norm = (what: string, weight: Float32Array, gradient: Pointer) =>
          groups.push({ what: `layer ${l}: ${what}`, values: [weight], gradient: relative(gradient, weight) });
        norm("norm before attention", attentionNorm, gradients.norms.qkv);
        norm("norm before the MLP", mlpNorm, gradients.norms.up);
        const scales = (what: "qkv" | "o" | "up" | "down", linears: Linear[]) => {
          const values = linears.map(({ scale }) => scale!);
          const count = values.reduce((sum, { length }) => sum + length, 0);
          groups.push({
            what: `layer ${l}: scales of ${what}`,
            values,
            gradient: kernels.f32(gradients.scales[what]!, count).slice(),
          });
        };
        scales("qkv", [q, k, v]);
        scales("o", [o]);
        scales("up", [gate, up]);
        scales("down", [down]);
      }
    } finally {
      await student.dispose();
    }
    for (const group of groups) {
      const ratio = slopeAlong(group, () => loss(expected, model));
      assert.ok(Math.abs(ratio - 1) < 0.08, `${group.what}: finite differences are ${ratio} of the gradient`);
    }
  });
}

test("what is not differentiated is refused with the reason", async () => {
  const load = async (architecture: Architecture, options: RecipeOptions) => {
    const source = await openSafetensorsCheckpoint(tinyModel(SEED, { architecture }));
    const student = await Student.load(await quantizeTiny(architecture, options), source, 8, { host: nodeHost, threads: 1 });
    await student.dispose();
  };
  for (const [architecture, options, message] of [
    ["qwen3", {}, /tiny-qwen3|quantized: distillation does not differentiate norms of queries and keys/],
    [
      "llama",
      { weights: "int8", groupSize: "channel" },
      /model\.layers\.0: got weights as qc8w, distillation needs 4-bit weights and int8 activations/,
    ],
    ["llama", { lorcRank: 4 }, /model\.layers\.0: low-rank terms/],
  ] as const) {
    const error = await load(architecture, options).catch((caught: unknown) => caught);
    assert.instance(error, UnsupportedModelError);
    assert.match((error as Error).message, message);
  }
});

test.run();
