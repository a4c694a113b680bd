/** Head and embedding, both stored: the values decide whether they are one matrix. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import { checkTensors } from "../../src/checkpoint/expected-tensors.ts";
import { openGgufCheckpoint } from "../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { openModel } from "../../src/checkpoint/open-checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { settleHead } from "../../src/checkpoint/settle-head.ts";
import { CheckpointError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { Transformer } from "../../src/model/transformer.ts";
import type { MemoryFolder } from "../memory-folder.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { tinyModel } from "../tiny-model.ts";
import { buildGguf, memoryFile } from "./gguf/gguf-fixture.ts";
import type { BlockType } from "./gguf/ggml-oracle.ts";
import { tinyGguf } from "./gguf/tiny-gguf.ts";
import { quantizedFolder } from "./quantization/quantized-folder.ts";
import { renameTensors } from "./safetensors/rename-tensors.ts";

const test = suite("settle head (seed 1)");
const [EMBEDDING, HEAD] = ["model.embed_tokens.weight", "lm_head.weight"];

/** The tiny model with both matrices, of which the head may be another one. */
function folderOf({ tied, equal }: { tied: boolean; equal: boolean }): MemoryFolder {
  const own = tinyModel(1, { config: { tiedEmbedding: false } });
  const folder = equal ? renameTensors(tinyModel(1), (name) => name, { [EMBEDDING]: HEAD }) : own;
  folder.set("config.json", JSON.stringify({ ...own.json("config.json"), tie_word_embeddings: tied }));
  return folder;
}

async function logits(checkpoint: Checkpoint): Promise<{ values: Float32Array; weights: number }> {
  const model = await Transformer.load(checkpoint, nodeHost, { threads: 1, contextSize: 8 });
  const values = await model.forward([1, 17, 33, 5], { logits: "last" });
  const { weights } = model.memory();
  await model.dispose();
  return { values: values!, weights };
}

async function settled(folder: MemoryFolder) {
  const notes: string[] = [];
  const checkpoint = await openModel({ kind: "folder", folder }, { onWarning: (note) => notes.push(note) });
  const result = { checkpoint, notes, ...(await logits(checkpoint)) };
  await checkpoint.close();
  assert.is(folder.openCount, 0, "files left open");
  return result;
}

for (const tied of [true, false]) {
  test(`equal matrices are one, be the configuration ${tied ? "tied" : "not tied"}`, async () => {
    const { checkpoint, notes, values, weights } = await settled(folderOf({ tied, equal: true }));
    const one = await settled(tinyModel(1));
    assert.is(checkpoint.config.tiedEmbedding, true);
    assert.is(checkpoint.configJson["tie_word_embeddings"], true);
    assert.equal([...checkpoint.tensors.keys()].toSorted(), [...one.checkpoint.tensors.keys()].toSorted());
    assert.equal(notes, []);
    assertSameBits(values, one.values, "logits");
    assert.is(weights, one.weights);
  });

  test(`different matrices are two, be the configuration ${tied ? "tied" : "not tied"}`, async () => {
    const { checkpoint, notes, values, weights } = await settled(folderOf({ tied, equal: false }));
    const two = await settled(tinyModel(1, { config: { tiedEmbedding: false } }));
    assert.is(checkpoint.config.tiedEmbedding, false);
    assert.is(checkpoint.configJson["tie_word_embeddings"], false);
    assert.ok(checkpoint.tensors.has(HEAD));
    assertSameBits(values, two.values, "logits");
    assert.is(weights, two.weights);
    assert.is(notes.length, tied ? 1 : 0);
    if (tied)
      assert.match(
        notes[0]!,
        /model\.safetensors: tensor lm_head\.weight: differs from model\.embed_tokens\.weight, .* it is used$/,
      );
  });
}

test("one value that differs makes two of them, and NaN is equal to itself", async () => {
  const folder = folderOf({ tied: false, equal: true });
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const asF16 = new Map(
    [...checkpoint.tensors].map(([name, info]) => [name, name === HEAD ? { ...info, type: "F16" as const } : info]),
  );
  const changed = (tensor: string, at: number, value: number) => {
    const readF32: Checkpoint["readF32"] = async (name, options) => {
      const values = await checkpoint.readF32(name, options);
      if (tensor === "both" || name === tensor) values[at] = value;
      return values;
    };
    const readRaw: Checkpoint["readRaw"] = async (name, options) => new Uint8Array((await readF32(name, options)).buffer);
    // Two of one type are compared as they are stored, two of different types as floats.
    return [checkpointView(checkpoint, { readF32, readRaw }), checkpointView(checkpoint, { readF32, tensors: asF16 })];
  };
  for (const at of [0, 64 * 320 - 1]) {
    for (const view of changed(HEAD, at, 9)) assert.is((await settleHead(view)).config.tiedEmbedding, false);
    for (const view of changed(EMBEDDING, at, NaN)) assert.is((await settleHead(view)).config.tiedEmbedding, false);
    for (const view of changed("both", at, NaN)) assert.is((await settleHead(view)).config.tiedEmbedding, true);
  }
  await checkpoint.close();
});

const gguf = (type: BlockType, change?: (embedding: Uint8Array) => Uint8Array) => {
  const { fixture } = tinyGguf({ architecture: "qwen2", type, isTied: change === undefined });
  const embedding = fixture.tensors.find(({ name }) => name === "token_embd.weight")!.data;
  const tensors = fixture.tensors.map((tensor) =>
    tensor.name === "output.weight" ? { ...tensor, data: change!(embedding) } : tensor,
  );
  return openGgufCheckpoint(memoryFile(buildGguf({ ...fixture, tensors }).bytes));
};

for (const type of ["F32", "F16", "Q8_0"] as const) {
  test(`a GGUF that has the embedding of ${type} a second time as its head loads as one that has it once`, async () => {
    const twice = await gguf(type, (embedding) => embedding.slice());
    assert.is(twice.config.tiedEmbedding, false);
    const found = await settleHead(twice);
    const [one, two, unsettled] = [await logits(await gguf(type)), await logits(found), await logits(twice)];
    assert.is(found.config.tiedEmbedding, true);
    assertSameBits(two.values, one.values, "logits");
    assertSameBits(two.values, unsettled.values, "logits");
    assert.is(two.weights, one.weights);
    assert.ok(two.weights < unsettled.weights);
    const other = await gguf(type, (embedding) => embedding.slice().fill(0, -34));
    assert.is(await settleHead(other), other);
  });
}

test("different heads are told apart by their first rows", async () => {
  const folder = folderOf({ tied: false, equal: false });
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const asked: string[] = [];
  const large = checkpointView(checkpoint, {
    readRaw: (name, options) => {
      asked.push(`${name} ${options?.rows?.join()}`);
      return checkpoint.readRaw(name, { ...options, rows: [0, 320] });
    },
    tensors: new Map([...checkpoint.tensors].map(([name, info]) => [name, { ...info, shape: [2 ** 20, 64] }])),
  });
  assert.is(await settleHead(large), large);
  assert.is(asked.length, 2);
  await checkpoint.close();
  const plain = await openSafetensorsCheckpoint(tinyModel(1));
  assert.is(await settleHead(plain), plain);
});

test("an aborted comparison stops, and closes what it was opened from", async () => {
  const folder = folderOf({ tied: true, equal: true });
  const stop = new AbortController();
  const files = folder.files.get("model.safetensors")!;
  const read = files.read.bind(files);
  files.read = (offset, length) => {
    if (length >= 64 * 320) stop.abort();
    return read(offset, length);
  };
  const error: unknown = await openModel({ kind: "folder", folder }, { signal: stop.signal }).catch((reason: unknown) => reason);
  assert.is((error as Error).name, "AbortError");
  assert.is(folder.openCount, 0, "files left open");
});

test("a head of another shape is refused; the one matrix of a tied model may have the head's name", async () => {
  const folder = folderOf({ tied: true, equal: true });
  const small = renameTensors(tinyModel(1), (name) => name, { "model.norm.weight": HEAD });
  const error: unknown = await openSafetensorsCheckpoint(small).catch((reason: unknown) => reason);
  assert.instance(error, CheckpointError);
  assert.match((error as Error).message, /tensor lm_head\.weight: got shape \[64\], need \[320, 64\]/);
  const headOnly = renameTensors(tinyModel(1), (name) => (name === EMBEDDING ? HEAD : name));
  const [found, both] = [await settled(headOnly), await settled(folder)];
  assert.equal(found.notes, []);
  assertSameBits(found.values, both.values, "logits");
});

test("floats of a head beside a packed embedding need a scheme that leaves the head alone", async () => {
  const { folder } = await quantizedFolder(1, {}, 32, 2 ** 20);
  const { config, quantization, tensors } = await openSafetensorsCheckpoint(folder);
  const head = { name: HEAD, type: "F32", shape: [320, 64], bytes: 4 * 320 * 64, file: "model.safetensors" } as const;
  const withHead = new Map([...tensors, [HEAD, head]]);
  checkTensors(withHead, config, quantization, "tiny");
  const scheme = quantization!.linear("model.layers.0.mlp.up_proj");
  const linear = (name: string) => (name === "lm_head" ? scheme : quantization!.linear(name));
  assert.throws(
    () => checkTensors(withHead, config, { linear, kvCache: "q8" }, "tiny"),
    /tiny: tensor lm_head\.weight: got floats, need what quantization_config has for lm_head, or nothing/,
  );
});

test.run();
