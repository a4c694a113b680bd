/** Models written as GGUF and read again: configuration, weights and tokens are those of the source. */
import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel, blockModules } from "../../src/architecture/description.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import { openGgufCheckpoint } from "../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { readWeights } from "../../src/checkpoint/quantization/read-weights.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CapabilityError, NumericError, UnsupportedModelError } from "../../src/errors.ts";
import { exportGguf } from "../../src/export/gguf/export-gguf.ts";
import { EXPORT_TYPES, type ExportType } from "../../src/export/gguf/gguf-weights.ts";
import { openFile, openFolder } from "../../src/host/node/node-files.ts";
import type { Progress } from "../../src/progress.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { buildGguf, memoryFile } from "../checkpoint/gguf/gguf-fixture.ts";
import { tinyGguf } from "../checkpoint/gguf/tiny-gguf.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { quantizedTinyModel } from "../quantized-tiny-model.ts";
import { sharedData } from "../shared-data.ts";
import { tinyModel, type TinyModelOptions } from "../tiny-model.ts";
import { MemoryOutputFile } from "./memory-output-file.ts";

const SEED = 211;
const test = suite(`export as GGUF (seed ${SEED})`);

async function exported(checkpoint: Checkpoint, type: ExportType) {
  const output = new MemoryOutputFile();
  const result = await exportGguf(checkpoint, output, { type });
  assert.is(output.bytes.length, result.bytes);
  return { ...result, read: await openGgufCheckpoint(memoryFile(output.bytes)) };
}

const open = (options: TinyModelOptions = {}) => openSafetensorsCheckpoint(tinyModel(SEED, options));

/** Modules with their weights, and the other tensors of a model. */
function modulesOf(checkpoint: Checkpoint) {
  const description = describeModel(checkpoint.config);
  return [description.embedding, ...blockModules(description)];
}

async function refuses(checkpoint: Checkpoint, kind: new (message: string) => Error, pattern: RegExp, type: ExportType = "F32") {
  const output = new MemoryOutputFile();
  const error: unknown = await exportGguf(checkpoint, output, { type }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, kind, String(error));
  assert.match((error as Error).message, pattern);
}

/** Why some of the reference models have no form as a GGUF. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  gemma2: /scoreDivisor: got 4\.89.*, which a GGUF of gemma2 cannot say: it would be 5\.65/,
  gemma3: /scoreDivisor: got 4\.89.*, which a GGUF of gemma3_text cannot say/,
  "llama-dynamic": /RoPE scaling: got "dynamic", which has no form as a GGUF/,
  opt: /got OPTForCausalLM, which has no form as a GGUF/,
  "opt-350m": /got OPTForCausalLM/,
  "opt-post-norm": /got OPTForCausalLM/,
};

const root = sharedData("reference/tiny");
for (const name of root === undefined ? [] : readdirSync(root)) {
  test(`${name}: floats are the folder's, or it is refused by name`, async () => {
    const checkpoint = await openSafetensorsCheckpoint(openFolder(`${root}/${name}`));
    const pattern = REFUSED[name];
    if (pattern) {
      await refuses(checkpoint, UnsupportedModelError, pattern);
      return checkpoint.close();
    }
    const { read, notes } = await exported(checkpoint, "F32");
    assert.equal(read.notes, []);
    const isTold = name.includes("w4a8") || checkpoint.config.attentionWindows.every((size) => size > 0);
    assert.is(notes.length, isTold ? 1 : 0, notes.join());
    const modules = new Map(modulesOf(checkpoint).map((module) => [`${module.name}.weight`, module]));
    for (const tensor of read.tensors.keys()) {
      const module = modules.get(tensor);
      const expected = await (module ? readWeights(checkpoint, module) : checkpoint.readF32(tensor));
      assertSameBits(await read.readF32(tensor), expected, tensor);
    }
    await checkpoint.close();
  });
}

for (const architecture of ["llama", "mistral", "qwen2", "qwen3"] as const) {
  test(`${architecture}: the same tokenizer, template, end tokens and shape`, async () => {
    const checkpoint = await open({ architecture });
    const { read } = await exported(checkpoint, "F16");
    assert.equal(read.config, checkpoint.config);
    assert.equal(read.generation.eosTokenIds, checkpoint.generation.eosTokenIds);
    const [own, other] = [checkpoint, read].map(({ tokenizer, name }) => new Tokenizer(tokenizer!, name));
    for (const text of ["the cat sat on 2024's mat.", "<|im_start|>user\nh\u00e9llo \u{1f600}", "", "   \n\n\t"]) {
      assert.equal(other!.encode(text), own!.encode(text), text);
      assert.is(other!.decode(other!.encode(text)), own!.decode(own!.encode(text)));
    }
    assert.equal([other!.bosTokenId, other!.eosTokenId, [...other!.specialIds]], [own!.bosTokenId, own!.eosTokenId, [...own!.specialIds]]); // prettier-ignore
    assert.is(read.tokenizer!.tokenizerConfig["chat_template"], checkpoint.tokenizer!.tokenizerConfig["chat_template"]);
  });
}

test("a quantized folder keeps its codes as Q4_0: the same weights, bit for bit", async () => {
  const checkpoint = await quantizedTinyModel(SEED, { scales: "f16" });
  const { read, roundedBlocks } = await exported(checkpoint, "Q4_0");
  let kept = 0;
  for (const module of modulesOf(checkpoint).slice(1)) {
    assert.is(read.tensors.get(`${module.name}.weight`)!.type, "Q4_0");
    assertSameBits(await readWeights(read, module), await readWeights(checkpoint, module), module.name);
    kept++;
  }
  assert.is(kept, 7 * checkpoint.config.layers);
  assert.is(read.tensors.get("model.embed_tokens.weight")!.type, "Q8_0");
  // Only the embedding's scales, one a row, are float32.
  assert.ok(roundedBlocks <= (checkpoint.config.vocabSize * checkpoint.config.hiddenSize) / 32);
});

test("scales that are no float16 become the nearest, and codes stay", async () => {
  const checkpoint = await quantizedTinyModel(SEED, { scales: "f32" });
  const { read, roundedBlocks } = await exported(checkpoint, "Q4_0");
  assert.ok(roundedBlocks > 1000, `${roundedBlocks}`);
  for (const module of modulesOf(checkpoint)) {
    const [found, expected] = [await readWeights(read, module), await readWeights(checkpoint, module)];
    for (const [i, value] of expected.entries())
      assert.ok(Math.abs(found[i]! - value) <= Math.abs(value) * 2 ** -11, module.name);
  }
});

for (const type of ["Q4_0", "Q4_1", "Q8_0"] as const) {
  test(`a GGUF of ${type} gives the same blocks again`, async () => {
    const { fixture } = tinyGguf({ architecture: "llama", type, size: "small", seed: SEED });
    const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf(fixture).bytes));
    const { read } = await exported(checkpoint, type);
    for (const module of modulesOf(checkpoint).slice(1)) {
      const tensor = `${module.name}.weight`;
      assert.ok(Buffer.from(await read.readRaw(tensor)).equals(await checkpoint.readRaw(tensor)), tensor);
    }
  });
}

test("every type opens, with rounding no coarser than its step", async () => {
  const checkpoint = await open();
  const steps: Record<ExportType, number> = { F32: 0, F16: 2 ** -11, Q8_0: 0.5 / 127, Q4_0: 1 / 8, Q4_1: 1 / 15 };
  for (const type of EXPORT_TYPES) {
    const { read } = await exported(checkpoint, type);
    for (const module of modulesOf(checkpoint).slice(1)) {
      const [found, expected] = [await readWeights(read, module), await readWeights(checkpoint, module)];
      const most = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      for (const [i, value] of expected.entries())
        assert.ok(Math.abs(found[i]! - value) <= 1.01 * steps[type] * most, `${type} ${module.name} ${i}`);
    }
  }
});

test("rows that blocks do not divide are F16, with a note", async () => {
  const checkpoint = await open({ config: { ffnSize: 80 } });
  const { read, notes } = await exported(checkpoint, "Q4_0");
  assert.is(read.tensors.get("model.layers.0.mlp.down_proj.weight")!.type, "F16");
  assert.match(notes[0]!, /^3 matrices are F16, blk\.0\.ffn_down\.weight the first: their rows are no multiple of 32$/);
});

test("a model without a tokenizer", async () => {
  const folder = tinyModel(SEED);
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) folder.files.delete(name);
  const { read } = await exported(await openSafetensorsCheckpoint(folder), "F16");
  assert.is(read.tokenizer, undefined);
});

test("a tokenizer of SentencePiece: scores in the order of merges", async () => {
  const path = sharedData("models/stories260K.gguf");
  if (path === undefined) return;
  const checkpoint = await openGgufCheckpoint(await openFile(path));
  const { read } = await exported(checkpoint, "F16");
  const [own, other] = [checkpoint, read].map(({ tokenizer, name }) => new Tokenizer(tokenizer!, name));
  for (const text of ["Once upon a time, there was a little girl.", "caf\u00e9 \u4f60", " two  spaces", ""])
    assert.equal(other!.encode(text), own!.encode(text), text);
  await checkpoint.close();
});

test("refuses what a GGUF has no place for", async () => {
  const cut = tinyModel(SEED);
  const json = JSON.parse(new TextDecoder().decode(cut.bytes("tokenizer.json"))) as Record<string, unknown>;
  json["pre_tokenizer"] = {
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: "ab" }, behavior: "Isolated", invert: false },
      { type: "ByteLevel", add_prefix_space: false, use_regex: false },
    ],
  };
  cut.set("tokenizer.json", JSON.stringify(json));
  await refuses(
    await openSafetensorsCheckpoint(cut),
    UnsupportedModelError,
    /pre_tokenizer: got .*"ab".*, need a rule that has a name/,
  );
  const windows = await open({ architecture: "qwen2", config: { attentionWindows: [0, 8, 8] } });
  await refuses(windows, UnsupportedModelError, /attentionWindows: got .*, which a GGUF of qwen2 cannot say/);
  const plain = await open();
  const term = { a: "model.layers.1.self_attn.q_proj.lora_A.weight", b: "model.layers.1.self_attn.q_proj.lora_B.weight" };
  const info = plain.tensors.get("model.layers.1.self_attn.q_proj.weight")!;
  const tensors = new Map(plain.tensors);
  for (const [name, shape] of [
    [term.a, [4, 64]],
    [term.b, [64, 4]],
  ] as const)
    tensors.set(name, { ...info, name, shape });
  await refuses(checkpointView(plain, { tensors }), UnsupportedModelError, /q_proj: got a low-rank term beside its weights/);
});

test("refuses weights that are not finite, and those no float16 is near", async () => {
  const changed = (value: number) => (checkpoint: Checkpoint) =>
    checkpointView(checkpoint, {
      readF32: async (name, options) => {
        const values = await checkpoint.readF32(name, options);
        if (name.includes("up_proj")) values[3] = value;
        return values;
      },
    });
  await refuses(changed(Number.NaN)(await open()), NumericError, /blk\.0\.ffn_up\.weight: got NaN, need finite numbers$/);
  await refuses(changed(1e6)(await open()), NumericError, /got 1000000, need finite numbers below 65520 for F16$/, "F16");
});

test("tells its progress in bytes, and refuses a full disk before it writes", async () => {
  const checkpoint = await open();
  const steps: Progress[] = [];
  const output = new MemoryOutputFile();
  const { bytes } = await exportGguf(checkpoint, output, { type: "F16", onProgress: (step) => void steps.push(step) });
  assert.equal(steps.at(-1), { phase: "write", done: bytes, total: bytes, unit: "bytes" });
  const full = new MemoryOutputFile();
  full.free = bytes - 1;
  const error: unknown = await exportGguf(checkpoint, full, { type: "F16" }).catch((reason: unknown) => reason);
  assert.instance(error, CapabilityError);
  assert.is(full.bytes.length, 0);
});

test("the same model gives the same bytes", async () => {
  const [first, second] = [new MemoryOutputFile(), new MemoryOutputFile()];
  await exportGguf(await open(), first, { type: "Q4_0" });
  await exportGguf(await open(), second, { type: "Q4_0" });
  assert.ok(Buffer.from(first.bytes).equals(second.bytes));
});

test.run();
