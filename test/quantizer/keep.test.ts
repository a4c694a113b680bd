/** `weights: "keep"` from end to end: codes of a source on a 4-bit grid, through folds and equalization. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel, blockModules } from "../../src/architecture/description.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import { f16ToF32, f32ToF16 } from "../../src/checkpoint/formats/float-formats.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { nodeHost } from "../../src/host/node.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { tinyModel, type TinyModelOptions } from "../tiny-model.ts";
import { tinySamples } from "./tiny-samples.ts";

const SEED = 97;
const test = suite(`keeping codes (seed ${SEED})`);
const SAMPLES = tinySamples(SEED, 4, 32);
const FLOAT = "model.layers.1.mlp.up_proj";

interface Grid {
  readonly codes: Uint8Array;
  readonly halves: Uint16Array;
  readonly values: Float32Array;
}

/** Weights as ggml's Q4_1 has them: 16 codes from the smallest of 32 weights to the largest. */
function toGrid(weight: Float32Array): Grid {
  const groups = weight.length / 32;
  const [codes, halves] = [new Uint8Array(weight.length), new Uint16Array(2 * groups)];
  for (let g = 0; g < groups; g++) {
    const group = weight.subarray(32 * g, 32 * (g + 1));
    const [least, most] = [Math.min(...group), Math.max(...group)];
    halves.set([f32ToF16((most - least) / 15), f32ToF16(least)], 2 * g);
    group.forEach((value, k) => (codes[32 * g + k] = Math.min(15, Math.round(((value - least) * 15) / (most - least)))));
  }
  const values = Float32Array.from(codes, (u, i) => f16ToF32(halves[2 * (i >> 5)]!) * u + f16ToF32(halves[2 * (i >> 5) + 1]!));
  return { codes, halves, values };
}

/** A tiny model all of whose modules but one are on such grids. */
async function gridModel(model: TinyModelOptions = {}): Promise<{ source: Checkpoint; grids: Map<string, Grid> }> {
  const float = await openSafetensorsCheckpoint(tinyModel(SEED, model));
  const grids = new Map<string, Grid>();
  const widths = new Map<string, number>();
  for (const { name, inFeatures } of blockModules(describeModel(float.config))) {
    if (name === FLOAT) continue;
    grids.set(name, toGrid(await float.readF32(`${name}.weight`)));
    widths.set(name, inFeatures);
  }
  const source = checkpointView(float, {
    async readF32(tensor, options) {
      const grid = grids.get(tensor.replace(/\.weight$/, ""));
      if (!grid || !tensor.endsWith(".weight")) return float.readF32(tensor, options);
      const K = widths.get(tensor.replace(/\.weight$/, ""))!;
      const [begin, end] = options?.rows ?? [0, grid.values.length / K];
      return grid.values.slice(begin * K, end * K);
    },
    keptForm: (module) => (grids.has(module) ? { form: "qb4aw", groupSize: 32 } : undefined),
    async readKept(module, options) {
      const { codes, halves } = grids.get(module)!;
      const K = widths.get(module)!;
      const [begin, end] = options?.rows ?? [0, codes.length / K];
      const words = new Int32Array(((end - begin) * K) / 8);
      codes.subarray(begin * K, end * K).forEach((u, i) => (words[i >> 3]! |= u << (4 * (i & 7))));
      return { rows: end - begin, arrays: [words, halves.slice((begin * K) / 16, (end * K) / 16)] };
    },
  });
  return { source, grids };
}

async function keep(recipeName: string, options: RecipeOptions = {}, model?: TinyModelOptions) {
  const { source, grids } = await gridModel(model);
  const output = new MemoryOutputFolder("kept");
  const recipe = resolveRecipe(recipeName, { weights: "keep", scales: "bf16", ...options });
  const warnings: string[] = [];
  const work = { host: nodeHost, threads: 1, onWarning: (warning: string) => warnings.push(warning) };
  const report = await quantizeModel(source, { samples: SAMPLES }, recipe, output, work);
  const written = await openSafetensorsCheckpoint(output.result);
  return { source, grids, report, written, warnings };
}

for (const [name, options] of [
  ["rtn", {}],
  ["fptq", { v0: 2 }],
  ["fptq-best", {}],
  ["fptq-best", { equalize: "smoothquant", policy: "static", propagate: "float" }],
] as const) {
  test(`${name} ${JSON.stringify(options)}: codes are the source's, whatever folds and equalization do`, async () => {
    const { grids, report, written } = await keep(name, options);
    assert.equal(report.kept!.rounded, [FLOAT]);
    assert.ok(report.kept!.share > 0.9 && report.kept!.share < 1);
    for (const { name: input, kept_share: share, weight_nmse: nmse } of report.layers) {
      const whole = input !== "model.layers.1.up";
      assert.ok(whole ? share === 1 : share! > 0.4 && share! < 0.6, `${input}: ${share}`);
      assert.ok(nmse < (whole ? 1e-4 : 0.01), `${input}: ${nmse}`);
    }
    for (const [module, { codes }] of grids) {
      assert.is(written.quantization!.linear(module)!.weights, "int4m");
      const [words] = (await written.readKept(module)).arrays as [Int32Array];
      const found = Uint8Array.from(codes, (_, i) => (words[i >> 3]! >>> (4 * (i & 7))) & 15);
      // A row whose weights are all above zero somewhere is turned over.
      const changed = codes.filter((u, i) => u !== found[i] && 15 - u !== found[i]);
      assert.is(changed.length, 0, module);
    }
    if (name.startsWith("fptq")) assert.ok(report.layers.some(({ equalized_range: after, range }) => after !== range));
  });
}

test("a norm's factors are the same in each 32 channels, and without equalization norms are the source's", async () => {
  const { source, written } = await keep("fptq", { v0: 0, v1: 1e6 });
  const norm = "model.layers.0.input_layernorm.weight";
  const [before, after] = [await source.readF32(norm), await written.readF32(norm)];
  const factors = before.map((value, k) => value / after[k]!);
  factors.forEach((factor, k) => assert.ok(Math.abs(factor / factors[k - (k % 32)]! - 1) < 1e-6, `${k}`));
  assert.ok(new Set(factors.map((factor) => Math.fround(factor * 1e3) | 0)).size > 1, "groups have factors of their own");
});

test("heads that are no multiple of 32 leave the value fold out, with a warning", async () => {
  const { report, warnings } = await keep("fptq-best", {}, { config: { headDim: 16, heads: 4, kvHeads: 2 } });
  assert.ok(
    warnings.some((warning) => /fold value: got heads of 16, need a multiple of 32/.test(warning)),
    warnings.join(),
  );
  assert.is(report.layers[0]!.kept_share, 1);
});

test("what would take weights off their grid, or has no use for them, is refused", () => {
  const refusal = (options: RecipeOptions, message: RegExp) =>
    assert.throws(() => resolveRecipe("fptq-best", { weights: "keep", ...options }), message);
  refusal({ equalize: "awq" }, /equalize awq: .* kept codes need one for each 32/);
  refusal({ groupSize: 64 }, /group size: got 64, but keep weights have groups of 32/);
  refusal({ distillSteps: 4 }, /distillation: keep weights have whole scales/);
  refusal({ round: "nearest", scaleConstraint: "m1" }, /scale constraint m1: keep weights have whole scales/);
  assert.throws(() => resolveRecipe("gptq", { weights: "int4m", search: "pivots" }), /search pivots: .* found before/);
});

test.run();
