import { suite } from "uvu";
import * as assert from "uvu/assert";
import { byHeadOrder, byHeadRuns } from "../../../src/architecture/by-head-rows.ts";
import { blockModules, describeModel } from "../../../src/architecture/description.ts";
import { decodeF16, decodeF32 } from "../../../src/checkpoint/formats/float-formats.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { readSafetensorsHeader, readSafetensorsRows } from "../../../src/checkpoint/safetensors/safetensors.ts";
import { transposeBytes } from "../../../src/checkpoint/safetensors/stored-order.ts";
import { CheckpointError } from "../../../src/errors.ts";
import { openFile, openFolder } from "../../../src/host/node/node-files.ts";
import { byHead, CONFIGS, type FamilyFolder, familyFolder, storedTensor, type Values } from "../../architecture/family-folder.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { mulberry32 } from "../../random.ts";
import { sharedData } from "../../shared-data.ts";

const SEED = 41;
const test = suite(`stored order (seed ${SEED})`);
const random = mulberry32(SEED);
const below = (limit: number) => Math.floor(random() * limit);

const MODELS = {
  gpt2: CONFIGS.gpt2,
  phi: CONFIGS.phi,
  "gpt-neox": CONFIGS.gpt_neox,
  bloom: CONFIGS.bloom,
  "bloom, heads of odd number and size": { ...CONFIGS.bloom, hidden_size: 21, n_head: 3 },
  "gpt2, sizes that no tile divides": { ...CONFIGS.gpt2, n_embd: 33, n_head: 1, n_inner: 67 },
  "gpt2, weights of several tiles": { ...CONFIGS.gpt2, n_layer: 1, n_embd: 130, n_head: 2, n_inner: 515 },
} as const;

for (const [what, json] of Object.entries(MODELS)) {
  for (const type of ["F32", "F16"] as const) {
    test(`${what}, ${type}: every tensor, whole and any rows of it, is in canonical order`, async () => {
      const { folder, tensors } = familyFolder(json, SEED, { type });
      const checkpoint = await openSafetensorsCheckpoint(folder);
      assert.equal([...checkpoint.tensors.keys()].toSorted(), [...tensors.keys()].toSorted());
      for (const [name, { shape, values }] of tensors) {
        assert.equal(checkpoint.tensors.get(name)!.shape, shape, name);
        assertSameBits(await checkpoint.readF32(name), values, name);
      }
      const names = [...tensors.keys()];
      for (let i = 0; i < 400; i++) {
        const name = names[below(names.length)]!;
        const { shape, values } = tensors.get(name)!;
        const rows = [below(shape[0]! + 1), below(shape[0]! + 1)].toSorted((a, b) => a - b) as [number, number];
        const columns = shape[1] ?? 1;
        const wanted = values.slice(rows[0] * columns, rows[1] * columns);
        assertSameBits(await checkpoint.readF32(name, { rows }), wanted, `${name} ${rows.join(" to ")}`);
        const raw = await checkpoint.readRaw(name, { rows });
        assertSameBits((type === "F32" ? decodeF32 : decodeF16)(raw), wanted, `${name} ${rows.join(" to ")}, raw`);
      }
      await checkpoint.close();
      assert.is(folder.openCount, 0);
    });
  }
}

test("heads too far apart to be read at once are read one by one", async () => {
  const json = { ...CONFIGS.gpt_neox, num_hidden_layers: 1, hidden_size: 512, num_attention_heads: 8 };
  const { folder, tensors } = familyFolder(json, SEED);
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const name = "gpt_neox.layers.0.attention.query_key_value.weight";
  const { values } = tensors.get(name)!;
  const file = folder.files.get("model.safetensors")!;
  for (const rows of [[0, 1536], [0, 512], [500, 1030], [63, 65], [1535, 1536], [700, 700]] as const) {
    const before = file.requestedBytes;
    assertSameBits(await checkpoint.readF32(name, { rows }), values.slice(rows[0] * 512, rows[1] * 512), rows.join(" to "));
    const [wanted, read] = [(rows[1] - rows[0]) * 512 * 4, file.requestedBytes - before];
    assert.ok(read === wanted || (read >= wanted && read <= 2 ** 20), `${read} bytes read for ${wanted}`);
  } // prettier-ignore
});

test("a transposed tensor is read once however many rows are asked for, and dropped when another one is", async () => {
  const { folder } = familyFolder(CONFIGS.gpt2, SEED);
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const file = folder.files.get("model.safetensors")!;
  const bytesFor = async (name: string, rows?: readonly [number, number]) => {
    const before = file.requestedBytes;
    await checkpoint.readRaw(name, { rows });
    return file.requestedBytes - before;
  };
  const [first, second] = ["transformer.h.0.attn.c_attn.weight", "transformer.h.1.mlp.c_fc.weight"] as const;
  const [firstBytes, secondBytes] = [96 * 32 * 4, 64 * 32 * 4];
  assert.is(await bytesFor(first, [0, 1]), firstBytes);
  for (let row = 0; row < 96; row++) assert.is(await bytesFor(first, [row, row + 1]), 0);
  assert.is(await bytesFor("transformer.h.0.attn.c_attn.bias"), 96 * 4, "what is not transposed drops nothing");
  assert.is(await bytesFor(first), 0);
  assert.is(await bytesFor(second, [3, 5]), secondBytes);
  assert.is(await bytesFor(first), firstBytes, "dropped");
  assert.is(await bytesFor(first, [0, 1]), firstBytes, "a whole tensor is handed over, not kept");
});

test("what is read is the caller's own", async () => {
  const { folder, tensors } = familyFolder(CONFIGS.gpt2, SEED);
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const name = "transformer.h.0.attn.c_attn.weight";
  (await checkpoint.readF32(name, { rows: [0, 9] })).fill(7);
  (await checkpoint.readF32(name)).fill(7);
  assertSameBits(await checkpoint.readF32(name), tensors.get(name)!.values, name);
});

test("rows outside a tensor, and reads that were stopped", async () => {
  for (const [json, name] of [
    [CONFIGS.gpt2, "transformer.h.0.attn.c_attn.weight"],
    [CONFIGS.bloom, "transformer.h.0.self_attention.query_key_value.weight"],
  ] as const) {
    const checkpoint = await openSafetensorsCheckpoint(familyFolder(json, SEED).folder);
    const errorOf = (options: object) => checkpoint.readF32(name, options).then(() => undefined, (error: unknown) => error as Error); // prettier-ignore
    for (const rows of [[0, 97], [-1, 3], [4, 3], [0.5, 1], [NaN, 1]]) {
      const error = await errorOf({ rows });
      assert.instance(error, CheckpointError, rows.join(" to "));
      assert.match(error!.message, /within 0 to 96/);
    } // prettier-ignore
    assert.is((await errorOf({ signal: AbortSignal.abort() }))?.name, "AbortError");
    await checkpoint.readF32(name, { rows: [0, 1] });
    assert.is((await errorOf({ signal: AbortSignal.abort() }))?.name, "AbortError", "also of what is kept");
  }
});

test("the order for writing is the order of files, and goes there and back", () => {
  for (const heads of [1, 2, 3, 6, 16]) {
    for (const headDim of [1, 2, 5, 16]) {
      const N = 3 * heads * headDim;
      const order = byHeadOrder(N, headDim);
      assert.equal([...order], byHead(N, heads, headDim));
      for (const { stored, canonical, rows } of byHeadRuns(N, headDim)) {
        for (let i = 0; i < rows; i++) assert.is(order[stored + i], canonical + i);
      }
      const rows = byHeadRuns(N, headDim).flatMap((run) => Array.from({ length: run.rows }, (_, i) => run.canonical + i));
      assert.equal(
        rows,
        Array.from({ length: N }, (_, i) => i),
      );
    }
  }
});

test("transposing bytes twice gives them back", () => {
  for (const [rows, columns] of [[1, 1], [1, 7], [3, 64], [65, 2], [130, 131]] as const) {
    const bytes = Uint8Array.from({ length: rows * columns * 2 }, () => below(256));
    // At an odd place in memory too.
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const once = transposeBytes(shifted.subarray(1), rows, columns);
    const elements = new Uint16Array(bytes.buffer);
    const wanted = Array.from({ length: columns }, (_, c) => Array.from({ length: rows }, (__, r) => elements[r * columns + c]!));
    assert.equal([...new Uint16Array(once.buffer)], wanted.flat());
    assert.equal(transposeBytes(once, columns, rows), bytes);
  } // prettier-ignore
});

/** The names without `transformer.`, and what files of that time held besides. */
function oldNames({ buffers, keep }: { buffers: readonly string[]; keep?: string }) {
  return (stored: Map<string, Values>) => {
    const entries = [...stored];
    stored.clear();
    for (const [name, tensor] of entries) {
      stored.set(name === keep ? name : name.replace(/^transformer\./, ""), tensor);
    }
    for (const buffer of buffers) stored.set(buffer, { shape: [1, 1, 2, 2], values: new Float32Array(4) });
  };
}

async function assertReads({ folder, tensors }: FamilyFolder): Promise<void> {
  const checkpoint = await openSafetensorsCheckpoint(folder);
  for (const [name, { shape, values }] of tensors) {
    assert.equal(checkpoint.tensors.get(name)?.shape, shape, name);
    assertSameBits(await checkpoint.readF32(name), values, name);
  }
  await checkpoint.close();
}

async function refuses({ folder }: FamilyFolder, pattern: RegExp): Promise<void> {
  const error: unknown = await openSafetensorsCheckpoint(folder).then(() => undefined, (reason: unknown) => reason); // prettier-ignore
  assert.instance(error, CheckpointError);
  assert.match((error as Error).message, pattern);
  assert.is(folder.openCount, 0, "files left open");
}

test("names without their prefix are read as with it, if none has it", async () => {
  for (const json of [CONFIGS.gpt2, CONFIGS.bloom, { ...CONFIGS.gpt2, tie_word_embeddings: false }]) {
    await assertReads(familyFolder(json, SEED, { change: oldNames({ buffers: [] }) }));
  }
  const mixed = familyFolder(CONFIGS.gpt2, SEED, { change: oldNames({ buffers: [], keep: "transformer.ln_f.weight" }) });
  await refuses(mixed, /tensor transformer\.wte\.weight \[40, 32\] is missing/);
  const foreign = oldNames({ buffers: ["v_head.weight"] });
  await refuses(familyFolder(CONFIGS.gpt2, SEED, { change: foreign }), /tensor v_head\.weight: got a tensor with no place/);
  const neox = (stored: Map<string, Values>) => {
    stored.set("embed_in.weight", stored.get("gpt_neox.embed_in.weight")!);
    stored.delete("gpt_neox.embed_in.weight");
  };
  await refuses(
    familyFolder(CONFIGS.gpt_neox, SEED, { change: neox }),
    /tensor gpt_neox\.embed_in\.weight \[40, 32\] is missing/,
  );
});

test("buffers are no tensors of the model; biases of modules beside them are", async () => {
  await assertReads(
    familyFolder(CONFIGS.gpt2, SEED, { change: oldNames({ buffers: ["h.0.attn.bias", "h.1.attn.masked_bias"] }) }),
  );
  const inBlock = ["attention.bias", "attention.masked_bias", "attention.rotary_emb.inv_freq"];
  const withBuffers = (stored: Map<string, Values>) => {
    for (const buffer of inBlock) stored.set(`gpt_neox.layers.1.${buffer}`, { shape: [], values: new Float32Array(1) });
  };
  await assertReads(familyFolder(CONFIGS.gpt_neox, SEED, { change: withBuffers }));
  for (const name of ["attention.dense.bias", "attention.query_key_value.bias"]) {
    const without = (stored: Map<string, Values>) => void stored.delete(`gpt_neox.layers.1.${name}`);
    await refuses(
      familyFolder(CONFIGS.gpt_neox, SEED, { change: without }),
      new RegExp(`tensor gpt_neox\\.layers\\.1\\.${name} .*is missing`),
    );
    // Without biases these are left over, and a model with them is another one.
    const json = { ...CONFIGS.gpt_neox, attention_bias: false };
    const withBias = (stored: Map<string, Values>) =>
      void stored.set(`gpt_neox.layers.1.${name}`, { shape: [32], values: new Float32Array(32) });
    await refuses(familyFolder(json, SEED, { change: withBias }), new RegExp(`layers\\.1\\.${name}: got a tensor with no place`));
  }
});

test("forged shapes are named as the file has them", async () => {
  const [c_fc, qkv] = ["transformer.h.1.mlp.c_fc.weight", "transformer.h.1.self_attention.query_key_value.weight"] as const;
  for (const shape of [[64, 32], [2048], [32, 64, 1], [16, 128]]) {
    const forge = (stored: Map<string, Values>) => void stored.set(c_fc, { ...stored.get(c_fc)!, shape });
    const pattern = new RegExp(`c_fc\\.weight: got shape \\[${shape.join(", ")}\\], need \\[32, 64\\]: in_features by out_features`);
    await refuses(familyFolder(CONFIGS.gpt2, SEED, { change: forge }), pattern);
  } // prettier-ignore
  for (const shape of [[32, 96], [3072], [95, 32]]) {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    const forge = (stored: Map<string, Values>) => void stored.set(qkv, { values, shape });
    const pattern = new RegExp(`query_key_value\\.weight: got shape \\[${shape.join(", ")}\\], need \\[96, 32\\]`);
    await refuses(familyFolder(CONFIGS.bloom, SEED, { change: forge }), pattern);
  } // prettier-ignore
  await refuses(
    familyFolder(CONFIGS.gpt2, SEED, { change: (stored) => void stored.delete(c_fc) }),
    /c_fc\.weight \[64, 32\] is missing/,
  );
});

for (const name of ["gpt2", "phi", "gpt-neox", "gpt-neox-sequential", "bloom", "bloom-odd-heads"]) {
  test(`the reference model ${name}: canonical tensors, put back in order, are those of the file`, async () => {
    const path = sharedData(`reference/tiny/${name}`);
    if (path === undefined) return;
    const checkpoint = await openSafetensorsCheckpoint(openFolder(path));
    const { source, tensors } = await readSafetensorsHeader(await openFile(`${path}/model.safetensors`));
    let moved = 0;
    for (const tensor of tensors.values()) {
      const bytes = await readSafetensorsRows(source, tensor);
      const inFile = (tensor.type === "F32" ? decodeF32 : decodeF16)(bytes);
      const values = await checkpoint.readF32(tensor.name);
      const stored = storedTensor(tensor.name, { shape: checkpoint.tensors.get(tensor.name)!.shape, values }, checkpoint.config);
      assert.equal(stored.shape, tensor.shape, tensor.name);
      assertSameBits(stored.values, inFile, tensor.name);
      if (!values.every((value, i) => value === inFile[i])) moved++;
    }
    const rearranged = blockModules(describeModel(checkpoint.config)).filter(({ storedOrder }) => storedOrder !== undefined);
    const biases = rearranged.filter(({ storedOrder }) => storedOrder === "by_head").length;
    // Biases of the fixtures may all be equal, and then nobody sees them move.
    assert.ok(moved >= rearranged.length && moved <= rearranged.length + biases, `${moved} tensors moved`);
    await source.close();
    await checkpoint.close();
  });
}

test.run();
