/**
 * Folders of GPTQ, AWQ and compressed-tensors integers: the floats they stand for and the forms they are kept
 * in, both equal to the formats' own rule bit for bit, and what is refused.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../../src/checkpoint/checkpoint.ts";
import { dequantizeKept, someRows } from "../../../src/checkpoint/quantization/kept-rows.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { refuses } from "../safetensors/opens-and-refuses.ts";
import { integerFolder, type IntegerKind, type IntegerWeights, kindName, type StoredTensor } from "./integer-folder.ts";

const test = suite("folders of integers (seed 61)");
const SEED = 61;
const GPTQ: IntegerKind = { method: "gptq", bits: 4, groupSize: 32, symmetric: true };
const AWQ: IntegerKind = { method: "awq", bits: 4, groupSize: 32, symmetric: false };
const PACKED: IntegerKind = { method: "pack-quantized", bits: 4, groupSize: 32, symmetric: false };
const INT: IntegerKind = { method: "int-quantized", bits: 8, groupSize: "channel", symmetric: true };

/** Every layout with what it can have; the form of K columns. */
const KINDS: [kind: IntegerKind, form: (K: number) => object | undefined][] = [
  [GPTQ, () => ({ form: "qb4w", groupSize: 32 })],
  [{ ...GPTQ, anyOrder: true }, () => ({ form: "qb4w", groupSize: 32 })],
  [{ ...GPTQ, symmetric: false }, () => ({ form: "qb4zw", groupSize: 32 })],
  [{ ...GPTQ, symmetric: false, anyOrder: true, groupSize: 16 }, () => ({ form: "qb4zw", groupSize: 16 })],
  [{ ...GPTQ, method: "gptq_v2", symmetric: false, anyOrder: true }, () => ({ form: "qb4zw", groupSize: 32 })],
  [{ ...GPTQ, groupSize: "channel" }, (K) => ({ form: "qb4w", groupSize: K })],
  [{ ...GPTQ, groupSize: "channel", symmetric: false, anyOrder: true }, (K) => ({ form: "qb4zw", groupSize: K })],
  [{ ...GPTQ, bits: 8 }, () => ({ form: "qb8w", groupSize: 32 })],
  [{ ...GPTQ, bits: 8, groupSize: "channel" }, () => ({ form: "qc8w" })],
  [{ ...GPTQ, bits: 8, symmetric: false, anyOrder: true }, () => ({ form: "qb8aw", groupSize: 32 })],
  [{ ...GPTQ, method: "gptq_v2", bits: 8, symmetric: false }, () => ({ form: "qb8aw", groupSize: 32 })],
  [{ ...GPTQ, scaleType: "BF16", bits: 8, symmetric: false }, () => ({ form: "qb8aw", groupSize: 32 })],
  [{ ...GPTQ, scaleType: "F32", bits: 8, symmetric: false }, () => undefined],
  [AWQ, () => ({ form: "qb4zw", groupSize: 32 })],
  [{ ...AWQ, groupSize: "channel" }, (K) => ({ form: "qb4zw", groupSize: K })],
  [PACKED, () => ({ form: "qb4zw", groupSize: 32 })],
  [{ ...PACKED, anyOrder: true }, () => ({ form: "qb4zw", groupSize: 32 })],
  [{ ...PACKED, anyOrder: true, symmetric: true }, () => ({ form: "qb4w", groupSize: 32 })],
  [{ ...PACKED, groupSize: "channel", scaleType: "BF16" }, (K) => ({ form: "qb4zw", groupSize: K })],
  [{ ...PACKED, groupSize: "tensor" }, (K) => ({ form: "qb4zw", groupSize: K })],
  [{ ...PACKED, groupSize: "tensor", symmetric: true }, (K) => ({ form: "qb4w", groupSize: K })],
  [{ ...PACKED, bits: 8 }, () => ({ form: "qb8aw", groupSize: 32 })],
  [{ ...PACKED, bits: 8, symmetric: true }, () => ({ form: "qb8w", groupSize: 32 })],
  [INT, () => ({ form: "qc8w" })],
  [{ ...INT, groupSize: "tensor" }, () => ({ form: "qc8w" })],
  [{ ...INT, groupSize: "tensor", symmetric: false }, (K) => ({ form: "qb8aw", groupSize: K })],
  [{ ...INT, groupSize: 16, anyOrder: true }, () => ({ form: "qb8w", groupSize: 16 })],
  [{ ...INT, groupSize: 32, symmetric: false }, () => ({ form: "qb8aw", groupSize: 32 })],
  [{ ...INT, bits: 4, groupSize: 32 }, () => ({ form: "qb4w", groupSize: 32 })],
  [{ ...INT, bits: 4, groupSize: 32, symmetric: false, anyOrder: true }, () => ({ form: "qb4zw", groupSize: 32 })],
  [{ ...INT, activations: "static" }, () => ({ form: "qc8w" })],
];

/** Rows as the format's rule has them, columns as the checkpoint says they lie. */
async function dequantized(checkpoint: Checkpoint, module: string, { N, K }: IntegerWeights, rows: [number, number] = [0, N]) {
  const form = checkpoint.keptForm(module)!;
  const kept = await checkpoint.readKept(module, { rows });
  assert.is(kept.rows, rows[1] - rows[0]);
  const ordered = new Float32Array(kept.rows * K);
  dequantizeKept(form, kept, ordered);
  const order = await checkpoint.readKeptOrder?.(module);
  if (!order) return ordered;
  const values = new Float32Array(ordered.length);
  for (let row = 0; row < kept.rows; row++) for (let k = 0; k < K; k++) values[row * K + order[k]!] = ordered[row * K + k]!;
  return values;
}

for (const [kind, formOf] of KINDS) {
  test(`${kindName(kind)}: floats and kept rows are what the format says`, async () => {
    const { folder, weights } = await integerFolder(kind, SEED);
    const checkpoint = await openSafetensorsCheckpoint(folder);
    assert.equal(checkpoint.notes, []);
    for (const [module, expected] of weights) {
      const { N, K, values } = expected;
      const info = checkpoint.tensors.get(`${module}.weight`)!;
      assert.equal([info.type, info.shape], [kind.bits === 4 ? "INT4" : "INT8", [N, K]]);
      assertSameBits(await checkpoint.readF32(info.name), values, `${module}: floats`);
      assert.equal(checkpoint.keptForm(module), formOf(K), module);
      const order = await checkpoint.readKeptOrder?.(module);
      assert.is(order !== undefined, kind.anyOrder === true && kind.groupSize !== "channel", `${module}: order`);
      // Pieces that begin and end within a word of zero points, in the order of no file.
      for (const [begin, end] of [
        [3, 8],
        [0, 1],
        [8, N],
        [5, 5],
      ] as const) {
        // prettier-ignore
        const rows = [begin, end] as [number, number];
        const part = values.subarray(begin * K, end * K);
        assertSameBits(await checkpoint.readF32(info.name, { rows }), part, `${module}: floats of rows ${begin} to ${end}`);
        if (checkpoint.keptForm(module)) assertSameBits(await dequantized(checkpoint, module, expected, rows), part, `${module}: kept rows ${begin} to ${end}`); // prettier-ignore
      }
      if (checkpoint.keptForm(module)) assertSameBits(await dequantized(checkpoint, module, expected), values, `${module}: kept`);
    }
    const hidden = [...checkpoint.tensors.keys()].filter((name) => /qweight|qzeros|scales|g_idx|weight_/.test(name));
    assert.equal(hidden, []);
    await checkpoint.close();
    assert.is(folder.openCount, 0);
  });
}

test("groups longer than kernels take are kept in parts", async () => {
  const config = { hiddenSize: 8256, layers: 1, heads: 1, kvHeads: 1, headDim: 16, ffnSize: 32 };
  const { folder, weights } = await integerFolder({ ...PACKED, groupSize: "channel" }, SEED, { config });
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const module = "model.layers.0.self_attn.k_proj";
  assert.equal(checkpoint.keptForm(module), { form: "qb4zw", groupSize: 2752 });
  const expected = weights.get(module)!;
  assertSameBits(await dequantized(checkpoint, module, expected), expected.values, module);
  await checkpoint.close();
});

test("a part of rows is a part of the kept rows", async () => {
  const { folder } = await integerFolder(AWQ, SEED);
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const module = "model.layers.1.mlp.up_proj";
  const whole = await checkpoint.readKept(module);
  assert.equal(await checkpoint.readKept(module, { rows: [8, 24] }), someRows(whole, 8, 24));
  await checkpoint.close();
});

test("biases of zeros that the model does not have are left out, others are refused", async () => {
  const module = "model.layers.0.self_attn.q_proj";
  const withBias = (value: number) => (tensors: Map<string, StoredTensor>) => {
    const name = `${module}.bias`;
    tensors.set(name, { plan: { name, type: "F16", shape: [64] }, data: Uint16Array.from({ length: 64 }, () => value) });
  };
  const { folder } = await integerFolder(GPTQ, SEED, {}, withBias(0));
  const checkpoint = await openSafetensorsCheckpoint(folder);
  assert.match(checkpoint.notes.join("\n"), /1 biases of zeros, which the model does not have, are not used/);
  await checkpoint.close();
  const other = await integerFolder(GPTQ, SEED, {}, withBias(0x3c00));
  await refuses(other.folder, CheckpointError, /q_proj\.bias: got a tensor with no place in this model/);
});

const Q = "model.layers.0.self_attn.q_proj";
type Values = { [i: number]: number | bigint; length: number };

/** A change of the numbers of one tensor. */
const numbers = (name: string, change: (values: Values) => void) => (tensors: Map<string, StoredTensor>) => {
  const tensor = tensors.get(name)!;
  change(tensor.data as unknown as Values);
};

const BAD_NUMBERS: [what: string, kind: IntegerKind, change: (tensors: Map<string, StoredTensor>) => void, pattern: RegExp][] = [
  [
    "a group that is not there",
    { ...GPTQ, anyOrder: true },
    numbers(`${Q}.g_idx`, (values) => (values[3] = 2)),
    /model\.safetensors: tensor model\.layers\.0\.self_attn\.q_proj\.g_idx: column 3: got group 2, need one from 0 to 1/,
  ],
  [
    "a negative group",
    { ...PACKED, anyOrder: true },
    numbers(`${Q}.weight_g_idx`, (values) => (values[0] = -1)),
    /weight_g_idx: column 0: got group -1, need one from 0 to 1/,
  ],
  [
    "columns in another order than the configuration says",
    GPTQ,
    numbers(`${Q}.g_idx`, (values) => (values[3] = 1)),
    /g_idx: column 3: got group 1, need 0: quantization_config has desc_act false/,
  ],
  [
    "zero points where the configuration says there are none",
    GPTQ,
    numbers(`${Q}.qzeros`, (values) => (values[0] = 0x77777776)),
    /qzeros: channel 0, group 0: got zero point 7, need 8: quantization_config has sym true/,
  ],
  [
    "a zero point below 4 bits",
    { ...INT, bits: 4, groupSize: 32, symmetric: false },
    numbers(`${Q}.weight_zero_point`, (values) => (values[5] = -9)),
    /weight_zero_point: zero point 5: got -1, need a whole number from 0 to 16/,
  ],
  [
    "a weight beyond 4 bits",
    { ...INT, bits: 4, groupSize: 32 },
    numbers(`${Q}.weight`, (values) => (values[70] = 8)),
    /q_proj\.weight: got 8 among weights of 4 bits, need -8 to 7/,
  ],
  [
    "a scale that is no number",
    { ...AWQ, scaleType: "F32" },
    numbers(`${Q}.scales`, (values) => (values[7] = Number.NaN)),
    /model\.safetensors: tensor model\.layers\.0\.self_attn\.q_proj\.scales: element 7 of a part: got NaN, need a finite number/,
  ],
  [
    "an infinite scale",
    { ...PACKED, scaleType: "F32" },
    numbers(`${Q}.weight_scale`, (values) => (values[0] = Infinity)),
    /weight_scale: element 0 of a part: got Infinity, need a finite number/,
  ],
];

for (const [what, kind, change, pattern] of BAD_NUMBERS) {
  test(`${what} is refused, naming file and tensor`, async () => {
    const { folder } = await integerFolder(kind, SEED, {}, change);
    const checkpoint = await openSafetensorsCheckpoint(folder);
    for (const read of [() => checkpoint.readF32(`${Q}.weight`), () => checkpoint.readKept(Q, { rows: [0, 8] })]) {
      const error: unknown = await read().then(() => undefined, (reason: unknown) => reason); // prettier-ignore
      assert.instance(error, CheckpointError);
      assert.match((error as Error).message, pattern);
    }
    // What fails is not kept.
    assert.ok((await checkpoint.readF32("model.layers.1.self_attn.q_proj.weight")).length > 0);
    await checkpoint.close();
  });
}

test("groups of other sizes than the configuration says are read as floats, and cannot be kept", async () => {
  const { folder, weights } = await integerFolder({ ...GPTQ, anyOrder: true }, SEED, {}, (tensors) => {
    (tensors.get(`${Q}.g_idx`)!.data as Int32Array).fill(1);
  });
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const { K, codes, zeros, scales } = weights.get(Q)!;
  const expected = Float32Array.from(codes, (code, i) => scales[2 * Math.floor(i / K) + 1]! * (code - zeros[2 * Math.floor(i / K) + 1]!)); // prettier-ignore
  assertSameBits(await checkpoint.readF32(`${Q}.weight`), expected, "floats");
  await checkpoint.readKept(Q).then(
    () => assert.unreachable("kept"),
    (error: Error) => assert.match(error.message, /q_proj\.g_idx: got 0 columns of group 0, need 32/),
  );
  await checkpoint.close();
});

const shape = (name: string, to: number[]) => (tensors: Map<string, StoredTensor>) => {
  const tensor = tensors.get(name)!;
  tensors.set(name, { ...tensor, plan: { ...tensor.plan, shape: to } });
};
const missing = (name: string) => (tensors: Map<string, StoredTensor>) => void tensors.delete(name);

const BAD_SHAPES: [what: string, kind: IntegerKind, change: (tensors: Map<string, StoredTensor>) => void, pattern: RegExp][] = [
  ["transposed codes", GPTQ, shape(`${Q}.qweight`, [64, 8]), /q_proj\.qweight: got shape \[64, 8\], need \[8, 64\]/],
  ["other scales", AWQ, shape(`${Q}.scales`, [64, 2]), /q_proj\.scales: got shape \[64, 2\], need \[2, 64\]/],
  [
    "other zero points",
    PACKED,
    shape(`${Q}.weight_zero_point`, [16, 1]),
    /weight_zero_point: got shape \[16, 1\], need \[8, 2\]/,
  ],
  ["no zero points", AWQ, missing(`${Q}.qzeros`), /tensor model\.layers\.0\.self_attn\.q_proj\.qzeros \[2, 8\] is missing/],
  ["no groups", { ...GPTQ, anyOrder: true }, missing(`${Q}.g_idx`), /q_proj\.g_idx \[64\] is missing/],
  ["no codes", AWQ, missing(`${Q}.qweight`), /tensor model\.layers\.0\.self_attn\.q_proj\.weight \[64, 64\] is missing/],
];

for (const [what, kind, change, pattern] of BAD_SHAPES) {
  test(`${what}: refused when the folder is opened`, async () => {
    const { folder } = await integerFolder(kind, SEED, {}, change);
    await refuses(folder, CheckpointError, pattern);
  });
}

const BAD_CONFIGS: [what: string, kind: IntegerKind, changes: object, pattern: RegExp][] = [
  ["three bits", GPTQ, { bits: 3 }, /quantization_config: bits: got 3, need 4 or 8/],
  ["another layout", GPTQ, { checkpoint_format: "marlin" }, /checkpoint_format: got "marlin", need "gptq" or "gptq_v2"/],
  ["modules of other bits", GPTQ, { dynamic: { "+:.*q_proj": { bits: 8 } } }, /dynamic: got .*, need one scheme for all/],
  ["another version", AWQ, { version: "gemv" }, /version: got "gemv", need "gemm"/],
  ["no zero points", AWQ, { zero_point: false }, /zero_point: got false, need true/],
  ["another method", AWQ, { quant_method: "hqq" }, /quant_method: got "hqq", need "compressed-tensors"/],
];

for (const [what, kind, changes, pattern] of BAD_CONFIGS) {
  test(`${what}: refused by name`, async () => {
    const { folder } = await integerFolder(kind, SEED);
    const config = folder.json("config.json");
    const quantization = { ...(config["quantization_config"] as object), ...changes };
    folder.set("config.json", JSON.stringify({ ...config, quantization_config: quantization }));
    await refuses(folder, UnsupportedModelError, pattern);
  });
}

test("a group size that does not divide the columns is refused", async () => {
  const { folder } = await integerFolder(GPTQ, SEED);
  const config = folder.json("config.json");
  folder.set("config.json", JSON.stringify({ ...config, quantization_config: { ...(config["quantization_config"] as object), group_size: 48 } })); // prettier-ignore
  await refuses(folder, CheckpointError, /q_proj: got group size 48, need a divisor of its 64 in_features/);
});

test("keys of GPTQ that are not known are noted", async () => {
  const { folder } = await integerFolder(GPTQ, SEED);
  const config = folder.json("config.json");
  folder.set("config.json", JSON.stringify({ ...config, quantization_config: { ...(config["quantization_config"] as object), twist: 2, damp_percent: 0.1 } })); // prettier-ignore
  const checkpoint = await openSafetensorsCheckpoint(folder);
  assert.equal(checkpoint.notes.length, 1);
  assert.match(checkpoint.notes[0]!, /quantization_config: keys not known and not used: "twist"/);
  await checkpoint.close();
});

test.run();
