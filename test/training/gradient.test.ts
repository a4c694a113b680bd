/**
 * Gradients of the whole model against finite differences of an independent one in double precision. The
 * student rounds activations to int8 where that model does not, so the two agree to a few percent, and a
 * factor or a sign that is wrong anywhere stands out.
 */
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { Architecture, ModelConfig } from "../../src/architecture/model-config.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { UnsupportedModelError } from "../../src/errors.ts";
import { Student } from "../../src/training/student.ts";
import { finalHiddenStates } from "../../src/training/teacher.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { Kernels } from "../../src/kernels/kernels.ts";
import { offsetBy, type Pointer } from "../../src/kernels/pointer.ts";
import type { GradientKind } from "../../src/model/gradient-buffers.ts";
import { checkDifferentiable } from "../../src/training/differentiable.ts";
import { lowRankA, lowRankB, lowRankParts } from "../../src/training/linear-places.ts";
import { relative } from "../../src/training/parameter.ts";
import { roundHalfEven } from "../oracle/round-half-even.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { simulate, simulateLogits } from "../oracle/float-simulation.ts";
import { type Layer, type Linear, loadSimulation, type Simulation } from "../oracle/simulated-model.ts";
import { tinyConfig, tinyModel } from "../tiny-model.ts";
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

/** Every kind of number a layer of the student has, beside the model's own. */
const WANTED = new Set<GradientKind>(["scales", "biases", "lowRank"]);

/** The modules of an input, in fused order. */
const modulesOf = ({ q, k, v, o, gate, up, down }: Layer) => ({ qkv: [q, k, v], o: [o], up: [gate, up], down: [down] });

/** The groups of one layer, from the gradients its way back has left. */
function groupsOf(student: Student, l: number, layer: Layer): Group[] {
  const { kernels, gradients, blocks } = student;
  const groups: Group[] = [];
  const norm = (what: string, weight: Float32Array | undefined, gradient: Pointer) => {
    if (weight) groups.push({ what: `layer ${l}: ${what}`, values: [weight], gradient: relative(kernels.f32(gradient, weight.length), weight) }); // prettier-ignore
  };
  norm("norm before attention", layer.attentionNorm, gradients.norms.qkv);
  norm("norm before the MLP", layer.mlpNorm, gradients.norms.up);
  norm("norm of queries", layer.qNorm, gradients.norms.query);
  norm("norm of keys", layer.kNorm, gradients.norms.key);
  for (const [name, linears] of Object.entries(modulesOf(layer)) as ["qkv" | "o" | "up" | "down", Linear[]][]) {
    const { linear, input } = blocks[l]!.inputs[name]!;
    const found = gradients.linears[name]!;
    if (linear.form !== "f32w") {
      const values = linears.map(({ scale }) => scale!);
      const count = values.reduce((sum, { length }) => sum + length, 0);
      groups.push({ what: `layer ${l}: scales of ${name}`, values, gradient: kernels.f32(found.scales, count).slice() });
    }
    let row = 0;
    for (const { bias, N } of linears) {
      if (bias) norm(`bias from row ${row} of ${name}`, bias, offsetBy(found.bias, 4 * row));
      row += N;
    }
    const ranks = linears.map(({ lowRank, N }) => (lowRank ? lowRank.b.length / N : 0));
    for (const part of lowRankParts(input.modules, ranks)) {
      const { a, b } = linears[input.modules.indexOf(part.module)]!.lowRank!;
      for (const [factor, values, place] of [
        ["A", a, lowRankA(part, linear.lowRank!, found.lowRank!)],
        ["B", b, lowRankB(part, linear.lowRank!, found.lowRank!)],
      ] as const) {
        groups.push({
          what: `${part.module.name}: ${factor}`,
          values: [values],
          gradient: place.gradients(kernels as Kernels, values).slice(),
        });
      }
    }
  }
  return groups;
}

const CASES: readonly [Architecture, RecipeOptions][] = [
  ["llama", {}],
  ["llama", { weights: "fp4", scales: "bf16", kvCache: "f32" }],
  ["llama", { policy: "static", groupSize: "channel", embedding: "f16", kvCache: "q8t" }],
  ["llama", { lorcRank: 4 }],
  ["llama", { weights: "int8", groupSize: "channel", lorcRank: 3 }],
  ["llama", { overrides: [{ pattern: "*.0.qkv", policy: "none" }, { pattern: "*.down", policy: "none" }] }], // prettier-ignore
  ["mistral", {}], // a window of 8 tokens
  ["qwen2", {}], // biases
  ["qwen3", {}], // norms of queries and keys
];
for (const [architecture, options] of CASES) {
  test(`${architecture} ${JSON.stringify(options)}: every norm, scale, bias and low-rank term`, async () => {
    const teacher = await stranger(architecture);
    const written = await quantizeTiny(architecture, options);
    const model = await inFloats(written);
    const expected = await simulate(teacher, IDS);
    const work = { host: nodeHost, threads: 1 };
    const [target] = await finalHiddenStates(teacher, [IDS], IDS.length, work);
    const student = await Student.load(written, teacher, { rows: IDS.length, wanted: WANTED }, work);
    const groups: Group[] = [];
    try {
      const { kernels, gradients } = student;
      const { hiddenSize: E, layers: L } = written.config;
      student.forward(IDS);
      const found = student.backwardHead(target!, "kl");
      const exact = loss(expected, model);
      assert.ok(Math.abs(found - exact) < 0.03 * exact, `loss ${found}, in floats ${exact}`);
      const ofFinal = relative(kernels.f32(gradients.norms.final, E), model.finalNorm);
      groups.push({ what: "final norm", values: [model.finalNorm], gradient: ofFinal });
      for (let l = L - 1; l >= 0; l--) {
        student.backwardLayer(l, IDS.length);
        groups.push(...groupsOf(student, l, model.layers[l]!));
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

/**
 * A static range as LSQ sees it: rounding adds what it added at first, whatever the scale; what was beyond
 * the range then is its end. That is what finite differences of rounding itself, a staircase, should be of.
 */
class FrozenRange {
  readonly scale: Float32Array;
  readonly #seen: { readonly within: boolean; readonly code: number }[] = [];
  #at = 0;

  constructor(scale: Float32Array) {
    this.scale = scale;
  }

  rewind(): void {
    this.#at = 0;
  }

  round = (x: Float64Array): Float64Array =>
    x.map((value) => {
      const scale = this.scale[0]!;
      const at = this.#at++;
      if (at === this.#seen.length) {
        const u = value / scale;
        const code = Math.min(127, Math.max(-128, roundHalfEven(u)));
        const within = code === roundHalfEven(u);
        this.#seen.push({ within, code: within ? code - u : code });
      }
      const { within, code } = this.#seen[at]!;
      return within ? value + scale * code : scale * code;
    });
}

/**
 * A checkpoint whose static scales are `factor` times as large: some of what they round lies beyond them
 * then.
 */
function withScales(checkpoint: Checkpoint, factor: number): Checkpoint {
  return checkpointView(checkpoint, {
    async readF32(tensor, range) {
      const values = await checkpoint.readF32(tensor, range);
      return /\.(input|k|v)_scale$/.test(tensor) ? values.map((scale) => scale * factor) : values;
    },
  });
}

for (const factor of [0.4, 0.1]) {
  test(`static ranges of inputs and cache, ${factor} of those calibrated`, async () => {
    const teacher = await stranger("llama");
    const written = withScales(await quantizeTiny("llama", { policy: "static" }), factor);
    const simulation = await loadSimulation(written);
    const frozen: FrozenRange[] = [];
    const freeze = (scale: Float32Array) => {
      frozen.push(new FrozenRange(scale));
      return frozen.at(-1)!.round;
    };
    const ranges = simulation.layers.map((layer) => {
      const inputs = mapValues(modulesOf(layer), (linears) => Float32Array.of((linears[0]!.input as { scale: number }).scale));
      return { ...inputs, k: Float32Array.of(layer.kScale), v: Float32Array.of(layer.vScale) };
    });
    const layers = simulation.layers.map((layer, l): Layer => {
      const own = ranges[l]!;
      const on = (linear: Linear, scale: Float32Array): Linear => ({
        ...linear,
        input: { kind: "function", round: freeze(scale) },
      });
      const { q, k, v, o, gate, up, down } = layer;
      const attention = { q: on(q, own.qkv), k: on(k, own.qkv), v: on(v, own.qkv), o: on(o, own.o) };
      const mlp = { gate: on(gate, own.up), up: on(up, own.up), down: on(down, own.down) };
      return { ...layer, ...attention, ...mlp, roundKey: freeze(own.k), roundValue: freeze(own.v) };
    });
    const expected = await simulate(teacher, IDS);
    const evaluate = () => {
      for (const range of frozen) range.rewind();
      return loss(expected, { ...simulation, layers });
    };
    const exact = evaluate();
    const work = { host: nodeHost, threads: 1 };
    const [target] = await finalHiddenStates(teacher, [IDS], IDS.length, work);
    const wanted = new Set<GradientKind>(["ranges"]);
    const student = await Student.load(written, teacher, { rows: IDS.length, wanted }, work);
    const groups: Group[] = [];
    try {
      const { kernels, gradients } = student;
      student.forward(IDS);
      const found = student.backwardHead(target!, "kl");
      assert.ok(Math.abs(found - exact) < 0.03 * exact, `loss ${found}, in double precision ${exact}`);
      for (let l = written.config.layers - 1; l >= 0; l--) {
        student.backwardLayer(l, IDS.length);
        const sums = {
          ...mapValues(gradients.linears as Required<typeof gradients.linears>, ({ range }) => range),
          ...gradients.cache,
        };
        for (const [name, scale] of Object.entries(ranges[l]!) as [keyof typeof sums, Float32Array][]) {
          const gradient = Float32Array.of(kernels.f64(sums[name], IDS.length).reduce((sum, part) => sum + part, 0));
          groups.push({ what: `layer ${l}: range of ${name}`, values: [scale], gradient });
        }
      }
    } finally {
      await student.dispose();
    }
    // Some are sums of terms that nearly cancel, so errors are measured by the largest of them.
    const largest = Math.max(...groups.map(({ gradient }) => Math.abs(gradient[0]!)));
    for (const group of groups) {
      const [gradient, slope] = [group.gradient[0]!, slopeAlong(group, evaluate) * group.gradient[0]!];
      const bound = 0.08 * Math.abs(gradient) + 0.03 * largest;
      assert.ok(Math.abs(slope - gradient) < bound, `${group.what}: got a gradient of ${gradient}, finite differences ${slope}`);
    }
  });
}

const mapValues = <K extends string, A, B>(values: Readonly<Record<K, A>>, map: (value: A) => B) =>
  Object.fromEntries(Object.entries<A>(values).map(([key, value]) => [key, map(value)])) as Record<K, B>;

test("what is not differentiated is refused with all reasons", async () => {
  for (const [changes, message] of [
    [
      { architecture: "gpt2", norm: "layer", gatedMlp: false, positions: "learned" },
      /got gpt2 with LayerNorm, an MLP without a gate, positions by learned, need RMSNorm, SwiGLU and RoPE/,
    ],
    [
      { architecture: "gpt_neox", norm: "layer", gatedMlp: false, parallelResidual: true },
      /got gpt_neox with LayerNorm, an MLP without a gate, attention and MLP side by side, need/,
    ],
    [{ activation: "gelu_tanh" }, /got llama with a gate of gelu_tanh, need/],
  ] as const satisfies [Partial<ModelConfig>, RegExp][]) {
    // prettier-ignore
    assert.throws(
      () => checkDifferentiable("model", tinyConfig("llama", changes)),
      (error: unknown) => error instanceof UnsupportedModelError && message.test(error.message),
    );
  }
  assert.throws(
    () => checkDifferentiable("model", tinyConfig("llama", { ffnSize: 172 })),
    /model: MLP size: got 172, need a multiple of 8/,
  );
});

test("a linear layer that is not differentiated is refused by name", async () => {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED, { architecture: "llama" }));
  const written = await quantizeTiny("llama", { activations: "fp8" });
  const loading = Student.load(written, source, { rows: 8, wanted: new Set() }, { host: nodeHost, threads: 1 });
  const error = await loading.catch((caught: unknown) => caught);
  assert.instance(error, UnsupportedModelError);
  assert.match((error as Error).message, /model\.layers\.0\.qkv: got inputs rounded to fp8, need 4-bit or 8-bit weights/);
});

test.run();
