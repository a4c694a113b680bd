import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { buildQuantizationConfig } from "../../../src/checkpoint/quantization/quantization-config-builder.ts";
import { type LinearScheme, parseQuantizationConfig } from "../../../src/checkpoint/quantization/quantization-config.ts";
import { expandLevels, superblockOf } from "../../../src/checkpoint/quantization/two-level.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import type { JsonObject } from "../../../src/json-object.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { quantizeModel } from "../../../src/quantizer/quantize-model.ts";
import { resolveRecipe } from "../../../src/quantizer/recipe/resolve-recipe.ts";
import { MemoryOutputFolder } from "../../memory-folder.ts";
import { decodeTwoLevels } from "../../oracle/simulated-model.ts";
import { tinySamples } from "../../quantizer/tiny-samples.ts";
import { tinyModel } from "../../tiny-model.ts";

const SEED = 89;
const test = suite(`weights in two levels (seed ${SEED})`);
const SCHEME: LinearScheme = { weights: "int4m", groupSize: 32, activations: { kind: "dynamic" } };
const MODULE = "model.layers.0.mlp.down_proj";

function config(change: (group: { weights: JsonObject; format: string }) => void = () => {}): JsonObject {
  const built = structuredClone(buildQuantizationConfig(new Map([[MODULE, SCHEME]]), { kvCache: "f32" }));
  change((built["config_groups"] as Record<string, never>)["group_0"]!);
  return built;
}

test("a configuration says the format by a name that other readers refuse, and is read again", () => {
  const built = config();
  assert.is(built["format"], "int4m-pack-quantized");
  const group = (built["config_groups"] as Record<string, { weights: JsonObject }>)["group_0"]!;
  const { num_bits, type, symmetric, strategy, group_size } = group.weights;
  assert.equal({ num_bits, type, symmetric, strategy, group_size }, { num_bits: 4, type: "int", symmetric: false, strategy: "group", group_size: 32 }); // prettier-ignore
  assert.equal(parseQuantizationConfig(built, "config.json")!.linear(MODULE), SCHEME);
  const conv1D = buildQuantizationConfig(new Map([[MODULE, SCHEME]]), { kvCache: "f32", isConv1D: () => true });
  assert.is(conv1D["format"], "conv1d-int4m-pack-quantized");
  assert.equal(parseQuantizationConfig(conv1D, "config.json", () => true)!.linear(MODULE), SCHEME);
  assert.throws(() => parseQuantizationConfig(conv1D, "config.json")!.linear(MODULE), /supported: "int4m-pack-quantized"/);
});

test("weights that are used with online transforms are read again, and not without them", () => {
  const built = buildQuantizationConfig(new Map([[MODULE, SCHEME]]), { kvCache: "f32", online: { downHadamard: 32 } });
  const { online, linear } = parseQuantizationConfig(built, "config.json")!;
  assert.is(online!.downHadamard, 32);
  assert.equal(linear(MODULE), SCHEME);
  const without = { ...built, transform_config: {} };
  assert.throws(() => parseQuantizationConfig(without, "config.json"), /online_transforms: got true, need false/);
});

test("what the format does not have is refused by name", () => {
  const changes: Record<string, unknown> = {
    num_bits: 8, type: "float", symmetric: true, strategy: "channel", group_size: 64, dynamic: true, actorder: "group", unknown: 1,
  }; // prettier-ignore
  for (const [key, value] of Object.entries(changes)) {
    const changed = config(({ weights }) => (weights[key] = value));
    assert.throws(
      () => parseQuantizationConfig(changed, "config.json"),
      (error: Error) =>
        error instanceof UnsupportedModelError && error.message.includes(`"${key}"`) !== error.message.includes(`${key}:`),
      key,
    );
  }
});

test("superblocks are as long as sums allow, and of equal length", () => {
  const expected = { 32: 32, 576: 576, 4096: 4096, 4192: 32, 4864: 2432, 8960: 2240, 11008: 2752 };
  for (const [K, B] of Object.entries(expected)) assert.is(superblockOf(Number(K)), B);
});

async function quantized() {
  const source = await openSafetensorsCheckpoint(tinyModel(SEED));
  const output = new MemoryOutputFolder("quantized");
  const recipe = resolveRecipe("rtn", { weights: "int4m", scales: "bf16" });
  const data = { samples: tinySamples(SEED, 1, 16) };
  const report = await quantizeModel(source, data, recipe, output, { host: nodeHost, threads: 1 });
  return { source, report, folder: output.result };
}

test("a written module is read in the form that kernels take, by rows, and is near its source", async () => {
  const { source, folder, report } = await quantized();
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const [N, K] = source.tensors.get(`${MODULE}.weight`)!.shape as [number, number];
  assert.equal(checkpoint.keptForm(MODULE), { form: "qb4mw", superblock: K });
  const whole = await checkpoint.readKept(MODULE);
  assert.is(whole.rows, N);
  const [words, scales, minima, multipliers] = whole.arrays as [Int32Array, Uint8Array, Uint8Array, Float32Array];
  assert.equal([words.length, scales.length, minima.length, multipliers.length], [N * K / 8, N * K / 32, N * K / 32, 2 * N]); // prettier-ignore
  const values = decodeTwoLevels(new Uint8Array(words.buffer), { scales, minima, multipliers }, K);
  const weight = await source.readF32(`${MODULE}.weight`);
  const energy = weight.reduce((sum, value) => sum + value ** 2, 0);
  assert.ok(weight.reduce((sum, value, i) => sum + (value - values[i]!) ** 2, 0) < 0.01 * energy);
  const { steps } = expandLevels({ scales, minima, multipliers }, K);
  weight.forEach((value, i) => assert.ok(Math.abs(value - values[i]!) < 0.7 * steps[i >> 5]!, `weight ${i}`));

  const some = await checkpoint.readKept(MODULE, { rows: [3, 7] });
  assert.is(some.rows, 4);
  some.arrays.forEach((array, i) => {
    const width = whole.arrays[i]!.length / N;
    assert.equal([...array], [...whole.arrays[i]!.subarray(3 * width, 7 * width)]);
  });
  const weights = report.layers.reduce((sum, { weight_nmse }) => sum + weight_nmse, 0) / report.layers.length;
  assert.ok(weights > 1e-3 && weights < 0.01, `${weights}`);
  assert.is(report.layers[0]!.kept_share, null);
  // Widths of the tiny model: 4 + 16/32 and two multipliers of 16 bits a row.
  assert.ok(report.bits_per_weight > 4.5 && report.bits_per_weight < 5.01);
});

test("tensors of another type or shape are refused by name", async () => {
  for (const part of ["weight_scale", "weight_minimum", "weight_multiplier"]) {
    const { folder } = await quantized();
    const file = [...folder.files.keys()].find((name) => name.endsWith(".safetensors"))!;
    const text = new TextDecoder("latin1").decode(folder.bytes(file));
    const entry = new RegExp(`"${MODULE.replaceAll(".", "\\.")}\\.${part}":\\{"dtype":"(U8|BF16)"`).exec(text)!;
    const [from, to] = entry[1] === "U8" ? ['"U8"', '"I8"'] : ['"BF16"', '"I16" '];
    const changed = text.replace(entry[0], entry[0].replace(from!, to!));
    folder.set(
      file,
      Uint8Array.from(changed, (char) => char.charCodeAt(0)),
    );
    const error = await openSafetensorsCheckpoint(folder).catch((reason: unknown) => reason);
    assert.ok(error instanceof CheckpointError || error instanceof UnsupportedModelError, part);
    assert.match((error as Error).message, new RegExp(part));
  }
});

test.run();
