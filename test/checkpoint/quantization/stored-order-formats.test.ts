/**
 * Quantized files of modules that are stored in another order: by_head ones as others read them, Conv1D ones
 * so that others refuse them.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { byHeadOrder } from "../../../src/architecture/by-head-rows.ts";
import { blockModules, describeModel } from "../../../src/architecture/description.ts";
import { buildQuantizationConfig } from "../../../src/checkpoint/quantization/quantization-config-builder.ts";
import { type LinearScheme, parseQuantizationConfig } from "../../../src/checkpoint/quantization/quantization-config.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { encodeSafetensors } from "../../../src/checkpoint/safetensors/safetensors-layout.ts";
import { type SafetensorsType, tensorBytes } from "../../../src/checkpoint/safetensors/safetensors.ts";
import { expectedTensors } from "../../../src/checkpoint/expected-tensors.ts";
import { UnsupportedModelError } from "../../../src/errors.ts";
import type { JsonObject } from "../../../src/json-object.ts";
import { parse } from "../../architecture/family-checks.ts";
import { byHead, CONFIGS } from "../../architecture/family-folder.ts";
import { MemoryFolder } from "../../memory-folder.ts";
import { mulberry32 } from "../../random.ts";

const SEED = 42;
const test = suite(`formats of stored orders (seed ${SEED})`);

const INT4: LinearScheme = { weights: "int4", groupSize: 16, activations: { kind: "dynamic" } };
const FP4: LinearScheme = { weights: "fp4", groupSize: 16, activations: { kind: "dynamic" } };
const INT8: LinearScheme = { weights: "int8", groupSize: "channel", activations: { kind: "none" } };

type Groups = Record<string, { format: string; targets: string[] }>;

/** Every module of the blocks, then head or embedding as int8. */
function quantized(json: JsonObject, scheme: (name: string) => LinearScheme | undefined) {
  const config = parse(json);
  const description = describeModel(config);
  const modules = new Map(blockModules(description).map(({ name }) => [name, scheme(name)]));
  modules.set(description.head!.name, INT8);
  const transposed = new Set(blockModules(description).flatMap(({ name, storedOrder }) => (storedOrder === "transposed" ? [name] : []))); // prettier-ignore
  const isConv1D = (name: string) => transposed.has(name);
  return { config, description, modules, isConv1D };
}

test("modules that are Conv1D have formats of their own, and find their schemes again", () => {
  const { modules, isConv1D, description } = quantized(CONFIGS.gpt2, (name) =>
    name.endsWith("c_fc") ? FP4 : name.endsWith("0.attn.c_proj") ? undefined : INT4,
  );
  const json = buildQuantizationConfig(modules, { kvCache: "f32", isConv1D });
  assert.is(json["format"], "mixed-precision");
  const formats = Object.values(json["config_groups"] as Groups).map(({ format }) => format);
  assert.equal(formats.toSorted(), ["conv1d-fp4-pack-quantized", "conv1d-pack-quantized", "pack-quantized"]);
  const scheme = parseQuantizationConfig(JSON.parse(JSON.stringify(json)), "config.json", isConv1D)!;
  for (const [name, expected] of modules) assert.equal(scheme.linear(name), expected, name);
  assert.is(scheme.linear(description.blocks[0]!.inputs[1]!.modules[0]!.name), undefined, "a float one");

  const blocksOnly = new Map([...modules].filter(([name, found]) => isConv1D(name) && found?.weights === "int4"));
  assert.is(buildQuantizationConfig(blocksOnly, { kvCache: "f32", isConv1D })["format"], "conv1d-pack-quantized");
});

test("a format of the other kind of module is refused", () => {
  const name = "transformer.h.0.attn.c_attn";
  const modules = new Map([[name, INT4]]);
  const asLinear = buildQuantizationConfig(modules, { kvCache: "f32" });
  const asConv1D = buildQuantizationConfig(modules, { kvCache: "f32", isConv1D: () => true });
  const refuses = (json: JsonObject, isConv1D: boolean, pattern: RegExp) =>
    assert.throws(
      () => parseQuantizationConfig(json, "config.json", () => isConv1D)!.linear(name),
      (error: unknown) => error instanceof UnsupportedModelError && pattern.test(error.message),
    );
  refuses(asLinear, true, /config\.json: .*c_attn: format: got "pack-quantized", supported: "conv1d-pack-quantized"/);
  refuses(asConv1D, false, /config\.json: .*c_attn: format: got "conv1d-pack-quantized", supported: "pack-quantized"/);
});

test("the class name Linear does not mean a Conv1D", () => {
  const json = buildQuantizationConfig(new Map([["lm_head", INT4]]), { kvCache: "f32" });
  (json["config_groups"] as Groups)["group_0"]!.targets = ["Linear"];
  const scheme = parseQuantizationConfig(json, "config.json", (name) => name.includes(".h."))!;
  assert.is(scheme.linear("transformer.h.0.attn.c_attn"), undefined);
  assert.equal(scheme.linear("lm_head"), INT4);
});

/** A folder of random bytes; `stored` says how the file has the canonical bytes of a tensor. */
function folderOf(
  model: ReturnType<typeof quantized>,
  json: JsonObject,
  stored: (name: string, bytes: Uint8Array, rows: number) => Uint8Array,
) {
  const { config, modules, isConv1D } = model;
  const quantization_config = buildQuantizationConfig(modules, { kvCache: "q8", isConv1D });
  const scheme = parseQuantizationConfig(quantization_config, "built", isConv1D);
  const random = mulberry32(SEED);
  const rank = ({ name }: { name: string }) => (modules.get(name) ? 3 : 0);
  const data = new Map<string, { type: SafetensorsType; shape: readonly number[]; bytes: Uint8Array }>();
  for (const { name, shape, role } of expectedTensors(config, scheme, "built", rank)) {
    const type = role === "packed" ? "I32" : role === "shape" ? "I64" : "F16";
    data.set(name, {
      type,
      shape,
      bytes: Uint8Array.from({ length: tensorBytes(type, shape) }, () => Math.floor(random() * 256)),
    });
  }
  const folder = new MemoryFolder("quantized");
  folder.set("config.json", JSON.stringify({ ...json, quantization_config }));
  const plans = [...data].map(([name, { type, shape }]) => ({ name, type, shape }));
  const bytesOf = [...data].map(([name, { bytes, shape }]) => stored(name, bytes, shape[0]!));
  folder.set("model.safetensors", encodeSafetensors(plans, bytesOf));
  return { folder, data, config };
}

for (const [what, json] of Object.entries({
  gpt_neox: CONFIGS.gpt_neox,
  bloom: { ...CONFIGS.bloom, hidden_size: 48, n_head: 3 },
})) {
  test(`${what}: packed rows, scales, biases and low-rank terms are written head by head and read in canonical order`, async () => {
    const model = quantized(json, () => INT4);
    const { heads, headDim } = model.config;
    const moves = (name: string) => /query_key_value\.(weight_packed|weight_scale|bias|lora_B\.weight)$/.test(name);
    const write = (name: string, bytes: Uint8Array, rows: number) => {
      if (!moves(name)) return bytes;
      const rowBytes = bytes.length / rows;
      const order = byHeadOrder(rows, headDim);
      assert.equal([...order], byHead(rows, heads, headDim));
      const out = new Uint8Array(bytes.length);
      for (const [at, row] of order.entries()) out.set(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), at * rowBytes);
      return out;
    };
    const { folder, data } = folderOf(model, json, write);
    const checkpoint = await openSafetensorsCheckpoint(folder);
    assert.is([...data.keys()].filter(moves).length, 2 * 4);
    const random = mulberry32(SEED + 1);
    for (const [name, { bytes, shape }] of data) {
      assert.equal(await checkpoint.readRaw(name), bytes, name);
      for (let i = 0; i < 10; i++) {
        const [begin, end] = [random(), random()].map((x) => Math.floor(x * (shape[0]! + 1))).toSorted((a, b) => a - b);
        const rowBytes = bytes.length / shape[0]!;
        const wanted = bytes.slice(begin! * rowBytes, end! * rowBytes);
        assert.equal(await checkpoint.readRaw(name, { rows: [begin!, end!] }), wanted, name);
      }
    }
  });
}

test("gpt2: packed weights are stored as they are used, float ones beside them transposed", async () => {
  const model = quantized(CONFIGS.gpt2, (name) => (name.endsWith("mlp.c_fc") ? undefined : INT4));
  const { folder, data } = folderOf(model, CONFIGS.gpt2, (name, bytes) => {
    if (!name.endsWith("c_fc.weight")) return bytes;
    const [from, to] = [new Uint16Array(bytes.buffer), new Uint16Array(bytes.length / 2)];
    for (let n = 0; n < 64; n++) for (let k = 0; k < 32; k++) to[k * 64 + n] = from[n * 32 + k]!;
    return new Uint8Array(to.buffer);
  });
  // The header of the file says what is in it: [in_features, out_features].
  const header = new TextDecoder().decode(folder.bytes("model.safetensors"));
  folder.set("model.safetensors", swapShapes(folder.bytes("model.safetensors"), header));
  const checkpoint = await openSafetensorsCheckpoint(folder);
  for (const [name, { bytes, shape }] of data) {
    assert.equal(checkpoint.tensors.get(name)?.shape, shape, name);
    assert.equal(await checkpoint.readRaw(name), bytes, name);
  }
});

/** Writes [32, 64] for the [64, 32] of c_fc weights; the header keeps its length. */
function swapShapes(file: Uint8Array, text: string): Uint8Array {
  const headerEnd = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = text.slice(text.indexOf("{"), text.indexOf("{") + headerEnd - 8);
  const swapped = header.replaceAll(/(c_fc\.weight":\{[^}]*"shape":\[)64,32\]/g, "$132,64]");
  assert.is.not(swapped, header);
  const result = file.slice();
  result.set(new TextEncoder().encode(swapped), 8);
  return result;
}

test.run();
