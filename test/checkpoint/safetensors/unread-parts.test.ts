/** Parts of a folder that are not read: left out, noted or refused. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeSafetensors } from "../../../src/checkpoint/safetensors/safetensors-layout.ts";
import { CheckpointError } from "../../../src/errors.ts";
import { tinyModel } from "../../tiny-model.ts";
import { withTensors } from "./change-tensors.ts";
import { opens, refuses } from "./opens-and-refuses.ts";

const test = suite("unread parts of a folder (seed 1)");

test("tensors without weights are left out and noted; others without a place are refused", async () => {
  type Change = Parameters<typeof withTensors>[0];
  const counter: Change = (tensors) => tensors.set("global_step", { shape: [], type: "I32", data: new Int32Array([7]) });
  const empty: Change = (tensors) => tensors.set("unused", { shape: [0, 64], type: "F32", data: new Float32Array(0) });
  assert.equal((await opens(withTensors(counter))).notes, ["tiny-llama-1/model.safetensors: tensor global_step: holds no weights and is not used"]); // prettier-ignore
  assert.match((await opens(withTensors(empty))).notes.join(), /tensor unused: holds no weights/);
  const many: Change = (tensors) => {
    for (let i = 0; i < 10; i++) tensors.set(`step_${i}`, { shape: [], type: "I32", data: new Int32Array(1) });
  };
  const { notes } = await opens(withTensors(many));
  assert.is(notes.length, 5);
  assert.match(notes[4]!, /: 6 more tensors without weights$/);
  for (const tensor of [
    { shape: [], type: "F32", data: new Float32Array(1) },
    { shape: [1], type: "I32", data: new Int32Array(1) },
  ] as const) {
    const change: Change = (tensors) => tensors.set("scale", { ...tensor, shape: [...tensor.shape] });
    await refuses(withTensors(change), CheckpointError, /tensor scale: got a tensor with no place/);
  }
});

test("weights without a place are refused, whatever the configuration has room for", async () => {
  const vector = (length: number) => ({ shape: [length], type: "F32" as const, data: new Float32Array(length).fill(1) });
  for (const [name, length] of [
    ["model.layers.0.self_attn.q_norm.weight", 16], // of Qwen3
    ["model.layers.0.self_attn.k_norm.weight", 16],
    ["model.layers.0.self_attn.o_proj.bias", 64], // of another attention_bias
    ["model.layers.0.mlp.down_proj.bias", 64],
    ["model.layers.0.pre_feedforward_layernorm.weight", 64], // of Gemma 2
    ["model.layers.3.input_layernorm.weight", 64], // of a fourth layer
    ["model.layers.0.self_attn.sinks", 4], // of gpt-oss
    ["lm_head.bias", 320],
    ["v_head.summary.bias", 1], // of reinforcement learning
  ] as const) {
    const folder = withTensors((tensors) => tensors.set(name, vector(length)));
    await refuses(folder, CheckpointError, new RegExp(`tensor ${name.replaceAll(".", "\\.")}: got a tensor with no place`));
  }
});

test("a tensor in two shards is refused, be the copies equal or not", async () => {
  const folder = tinyModel(1, { shards: 2 });
  const [one, two] = ["model-1-of-2.safetensors", "model-2-of-2.safetensors"] as const;
  const map = folder.json("model.safetensors.index.json")["weight_map"] as Record<string, string>;
  const [inOne] = Object.entries(map).find(([, file]) => file === one)!;
  folder.set(two, encodeSafetensors([{ name: inOne, type: "F32", shape: [2] }], [new Float32Array(2)]));
  await refuses(folder, CheckpointError, new RegExp(`${two}: tensor "${inOne}": got it in this file, need it in "${one}"`));
});

test("__metadata__ of strings, empty, null or absent is one file; anything else in it is named", async () => {
  const withMetadata = (metadata: unknown) => {
    const folder = tinyModel(1);
    const file = folder.bytes("model.safetensors");
    const dataBegin = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(file.subarray(8, dataBegin))) as Record<string, unknown>;
    const text = new TextEncoder().encode(JSON.stringify({ ...header, __metadata__: metadata }));
    const changed = new Uint8Array(8 + text.length + file.length - dataBegin);
    new DataView(changed.buffer).setBigUint64(0, BigInt(text.length), true);
    changed.set(text, 8);
    changed.set(file.subarray(dataBegin), 8 + text.length);
    folder.set("model.safetensors", changed);
    return folder;
  };
  for (const metadata of [undefined, null, {}, { format: "pt" }]) await opens(withMetadata(metadata));
  for (const metadata of [1, "pt", [], true]) await refuses(withMetadata(metadata), CheckpointError, /__metadata__: got/);
  await refuses(withMetadata({ step: 1000 }), CheckpointError, /__metadata__\.step: got 1000, need a string/);
});

test("files of weights that are not read, and keys of config.json, are noted", async () => {
  assert.equal((await opens(tinyModel(1))).notes, []);
  assert.equal((await opens(tinyModel(1, { shards: 3 }))).notes, []);
  const folder = tinyModel(1);
  for (const name of ["model.fp16.safetensors", "consolidated.safetensors", "README.md"]) folder.set(name, "x");
  assert.equal((await opens(folder)).notes, []);
  folder.set("config.json", JSON.stringify({ ...folder.json("config.json"), mup: true }));
  for (const name of ["adapter_config.json", "adapter_model.safetensors", "model.safetensors.index.json"]) folder.set(name, "x");
  assert.equal((await opens(folder)).notes, [
    "tiny-llama-1: config.json: keys not known and not used: mup",
    "tiny-llama-1: adapter_config.json: an adapter beside a model is not applied",
    "tiny-llama-1: model.safetensors.index.json: is not read beside a file of all weights",
  ]);
  const shards = tinyModel(1, { shards: 3 });
  for (const i of [4, 5, 6, 7, 8]) shards.set(`model-${i}-of-3.safetensors`, "x");
  assert.equal(
    (await opens(shards)).notes,
    [4, 5, 6, 7].map((i) => `tiny-llama-1: model-${i}-of-3.safetensors: is not read`),
  );
});

test.run();
