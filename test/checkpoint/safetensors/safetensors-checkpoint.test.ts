import { suite } from "uvu";
import * as assert from "uvu/assert";
import { f16ToF32, f32ToBf16, f32ToF16 } from "../../../src/checkpoint/formats/float-formats.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../memory-folder.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { mulberry32 } from "../../random.ts";
import { type TinyModelOptions, tinyConfig, tinyModel } from "../../tiny-model.ts";
import { withTensors } from "./change-tensors.ts";
import { opens, refuses } from "./opens-and-refuses.ts";
import { quantizedFolder } from "../quantization/quantized-folder.ts";

const test = suite("safetensors checkpoint (seed 1)");
const random = mulberry32(1);

for (const options of [
  { architecture: "llama" },
  { architecture: "llama", config: { attentionBias: "qkvo", mlpBias: true, tiedEmbedding: false } },
  { architecture: "mistral", type: "F16" },
  { architecture: "qwen2", shards: 3 },
  { architecture: "qwen3", type: "BF16", config: { headDim: 32, tiedEmbedding: false } },
] satisfies TinyModelOptions[]) {
  test(`reads what the generator made: ${JSON.stringify(options)}`, async () => {
    const folder = tinyModel(1, options);
    const checkpoint = await opens(folder);
    assert.equal(checkpoint.config, tinyConfig(options.architecture, "config" in options ? options.config : {}));
    assert.equal(checkpoint.configJson, folder.json("config.json"));
    assert.equal(checkpoint.generation, { eosTokenIds: [2], sampling: {} });
    assert.equal(checkpoint.tokenizer?.tokenizerJson, folder.json("tokenizer.json"));
    assert.is(checkpoint.quantization, undefined);
    assert.is(checkpoint.tensors.has("lm_head.weight"), !checkpoint.config.tiedEmbedding);
  });
}

async function readEmbedding(type: "F32" | "F16" | "BF16"): Promise<Float32Array> {
  const checkpoint = await openSafetensorsCheckpoint(tinyModel(1, { type }));
  return checkpoint.readF32("model.embed_tokens.weight");
}

test("float16 and bfloat16 widen exactly, for whole tensors and for rows", async () => {
  const exact = await readEmbedding("F32");
  assertSameBits(await readEmbedding("F16"), exact.map((value) => f16ToF32(f32ToF16(value))), "F16"); // prettier-ignore
  const truncated = new Float32Array(Uint32Array.from(exact, (value) => f32ToBf16(value) << 16).buffer);
  assertSameBits(await readEmbedding("BF16"), truncated, "BF16");
});

test("rows are the same values, and only their bytes are read", async () => {
  const folder = tinyModel(1);
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const name = "model.layers.1.mlp.down_proj.weight";
  const whole = await checkpoint.readF32(name);
  const file = folder.files.get("model.safetensors")!;
  for (const [begin, end] of [
    [0, 64],
    [0, 1],
    [63, 64],
    [5, 9],
    [7, 7],
  ] as const) {
    const before = file.requestedBytes;
    assertSameBits(
      await checkpoint.readF32(name, { rows: [begin, end] }),
      whole.slice(begin * 192, end * 192),
      `${begin} to ${end}`,
    );
    assert.is(file.requestedBytes - before, (end - begin) * 192 * 4);
  }
  const vector = await checkpoint.readF32("model.norm.weight", { rows: [3, 5] });
  assertSameBits(vector, (await checkpoint.readF32("model.norm.weight")).slice(3, 5), "a vector has one row per element");
  for (const rows of [
    [0, 65],
    [-1, 3],
    [4, 3],
    [0.5, 1],
  ] as const) {
    await checkpoint.readF32(name, { rows }).then(
      () => assert.unreachable(`rows ${rows.join(" to ")}`),
      (error: unknown) => assert.instance(error, CheckpointError),
    );
  }
});

test("an aborted signal stops a read", async () => {
  const checkpoint = await openSafetensorsCheckpoint(tinyModel(1));
  const signal = AbortSignal.abort();
  const error: unknown = await checkpoint.readF32("model.norm.weight", { signal }).catch((reason: unknown) => reason);
  assert.is((error as Error).name, "AbortError");
});

test("chat_template.jinja wins over tokenizer_config.json", async () => {
  const folder = tinyModel(1);
  folder.set("chat_template.jinja", "{{ messages[0].content }}");
  assert.is((await opens(folder)).tokenizer?.tokenizerConfig["chat_template"], "{{ messages[0].content }}");
});

test("a folder without a tokenizer is still a model", async () => {
  const folder = tinyModel(1);
  folder.files.delete("tokenizer.json");
  folder.files.delete("generation_config.json");
  const checkpoint = await opens(folder);
  assert.is(checkpoint.tokenizer, undefined);
  assert.equal(checkpoint.generation.eosTokenIds, [2], "from config.json");
});

test("missing files are named", async () => {
  await refuses(new MemoryFolder("empty"), CheckpointError, /empty: config\.json is missing/);
  const noWeights = tinyModel(1);
  noWeights.files.delete("model.safetensors");
  await refuses(noWeights, CheckpointError, /got no file of weights, need model\.safetensors or model\.safetensors\.index\.json/);
  noWeights.set("pytorch_model.bin", "x");
  await refuses(noWeights, CheckpointError, /got pytorch_model\.bin /);
  const noShard = tinyModel(1, { shards: 3 });
  noShard.files.delete("model-2-of-3.safetensors");
  await refuses(noShard, CheckpointError, /model-2-of-3\.safetensors.*need a \.safetensors file of this folder/);
});

test("tensors that are missing, foreign, or of the wrong shape or type are named", async () => {
  await opens(withTensors(() => undefined));
  await refuses(
    withTensors((tensors) => tensors.delete("model.layers.2.mlp.up_proj.weight")),
    CheckpointError,
    /tensor model\.layers\.2\.mlp\.up_proj\.weight \[192, 64\] is missing/,
  );
  await refuses(
    withTensors((tensors) =>
      tensors.set("model.layers.0.self_attn.q_proj.bias", { shape: [64], type: "F32", data: new Float32Array(64) }),
    ),
    CheckpointError,
    /model\.layers\.0\.self_attn\.q_proj\.bias: got a tensor with no place in this model, need/,
  );
  await refuses(
    withTensors((tensors) => (tensors.get("model.norm.weight")!.shape = [8, 8])),
    CheckpointError,
    /tensor model\.norm\.weight: got shape \[8, 8\], need \[64\]/,
  );
  await refuses(
    withTensors((tensors) => tensors.set("model.norm.weight", { shape: [64], type: "F64", data: new Float64Array(64) })),
    UnsupportedModelError,
    /model\.norm\.weight: got element type F64, need a float type/,
  );
  await opens(withTensors((tensors) => tensors.set("lm_head.weight", tensors.get("model.embed_tokens.weight")!)));
  await opens(
    withTensors((tensors) =>
      tensors.set("model.layers.0.self_attn.rotary_emb.inv_freq", { shape: [8], type: "F32", data: new Float32Array(8) }),
    ),
  );
});

test("a W4A8 folder whose embedding is split over shards reads as if it were whole", async () => {
  const { folder, config, modules, data } = await quantizedFolder(1, {}, 32, 20_000);
  const checkpoint = await openSafetensorsCheckpoint(folder);
  assert.equal(checkpoint.config, config);
  for (const [name, scheme] of modules) assert.equal(checkpoint.quantization?.linear(name), scheme, name);
  assert.is(checkpoint.quantization?.kvCache, "q8");
  assert.equal([...checkpoint.tensors.keys()].toSorted(), [...data.keys()].toSorted(), "no name of a part is seen");
  for (const [name, bytes] of data) assert.equal(await checkpoint.readRaw(name), bytes, name);

  const embedding = "model.embed_tokens.weight_packed";
  const { shape, file } = checkpoint.tensors.get(embedding)!;
  assert.equal(shape, [320, 16]);
  assert.ok(file.split(", ").length > 1, `split: ${file}`);
  for (let i = 0; i < 200; i++) {
    const [begin, end] = [Math.floor(random() * 321), Math.floor(random() * 321)].toSorted((a, b) => a - b) as [number, number];
    assert.equal(await checkpoint.readRaw(embedding, { rows: [begin, end] }), data.get(embedding)!.slice(begin * 64, end * 64));
  }
  await checkpoint.readRaw(embedding, { rows: [0, 321] }).then(
    () => assert.unreachable("a row behind the last"),
    (error: unknown) => assert.instance(error, CheckpointError),
  );
  await checkpoint.close();
  assert.is(folder.openCount, 0, "files left open");
});

function withWeightMap(edit: (weightMap: Record<string, unknown>) => void): MemoryFolder {
  const folder = tinyModel(1, { shards: 3 });
  const index = folder.json("model.safetensors.index.json");
  edit(index["weight_map"] as Record<string, unknown>);
  folder.set("model.safetensors.index.json", JSON.stringify(index));
  return folder;
}

test("an index that does not fit the files is refused", async () => {
  const norm = "model.norm.weight";
  for (const outside of ["../../secret.safetensors", "/etc/passwd", "sub/model.safetensors", "config.json", "..", "", 3, null]) {
    await refuses(withWeightMap((map) => (map[norm] = outside)), CheckpointError, /model\.norm\.weight.*need a \.safetensors file of this folder/s); // prettier-ignore
  }
  const other = (map: Record<string, unknown>) => `model-${map[norm] === "model-1-of-3.safetensors" ? 2 : 1}-of-3.safetensors`;
  await refuses(withWeightMap((map) => (map[norm] = other(map))), CheckpointError, /model\.norm\.weight.*need it in "model-.*where the index has it/); // prettier-ignore
  await refuses(withWeightMap((map) => delete map[norm]), CheckpointError, /model\.norm\.weight.*need it in nothing, where the index has it/); // prettier-ignore
  await refuses(withWeightMap((map) => (map["ghost"] = map[norm])), CheckpointError, /tensor "ghost": got nothing in model-/); // prettier-ignore
});

function withConfig(text: string): MemoryFolder {
  const folder = tinyModel(1);
  folder.set("config.json", text);
  return folder;
}

test("JSON that repeats a key, is too deep, or is none is refused", async () => {
  await refuses(withConfig('{"vocab_size": 320, "vocab_size": 321}'), CheckpointError, /key "vocab_size": got it twice/);
  await refuses(
    withConfig(`{"vocab_size": 320, "vocab\\u005fsize"${" ".repeat(100)}: 321}`),
    CheckpointError,
    /key "vocab_size": got it twice/,
  );
  await refuses(withConfig(`{"a": ${"[".repeat(100_000)}`), CheckpointError, /nested more than/);
  await refuses(withConfig("[1, 2]"), CheckpointError, /need a JSON object/);
  await refuses(withConfig(""), CheckpointError, /got text that is not JSON, need JSON/);
});

test.run();
