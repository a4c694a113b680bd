/**
 * The generator that other tests stand on: same bytes from the same seed, and a tokenizer that the library
 * takes.
 */
import { createHash } from "node:crypto";
import { Tokenizer } from "@huggingface/tokenizers";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import type { JsonObject } from "../src/json-object.ts";
import { ChatTemplate } from "../src/tokenizer/chat-template.ts";
import { tinyModel } from "./tiny-model.ts";

const test = suite("tiny model (seed 1)");
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("one seed gives the same bytes on every engine, another seed others", () => {
  assert.is(digest(tinyModel(1).bytes("model.safetensors")), "d3a84681d16e49abb4032d36dcdd2ce607887a2e996829f3f1aa48e921eb9e88");
  assert.not.equal(tinyModel(2).bytes("model.safetensors"), tinyModel(1).bytes("model.safetensors"));
});

test("shards hold the same tensors as one file", async () => {
  const [whole, sharded] = await Promise.all(
    [tinyModel(1), tinyModel(1, { shards: 3 })].map((folder) => openSafetensorsCheckpoint(folder)),
  );
  assert.equal([...sharded!.tensors.keys()].toSorted(), [...whole!.tensors.keys()].toSorted());
  for (const name of whole!.tensors.keys()) assert.equal(await sharded!.readRaw(name), await whole!.readRaw(name), name);
});

test("weights are finite, near unit gain, and one channel of a norm stands out", async () => {
  const checkpoint = await openSafetensorsCheckpoint(tinyModel(1));
  const weight = await checkpoint.readF32("model.layers.0.mlp.down_proj.weight");
  const meanSquare = weight.reduce((sum, value) => sum + value * value, 0) / weight.length;
  // 64 * 192 values of variance 1/192: the mean of their squares has a relative deviation of about sqrt(2 /
  // 12288) = 1.3 %; six of them.
  assert.ok(Math.abs(meanSquare * 192 - 1) < 0.08, `${meanSquare * 192}`);
  const norm = await checkpoint.readF32("model.layers.0.input_layernorm.weight");
  assert.is(norm.indexOf(Math.max(...norm)), 5);
});

test("the tokenizer encodes, merges, decodes and knows its special tokens", () => {
  const folder = tinyModel(1);
  const tokenizer = new Tokenizer(folder.json("tokenizer.json"), folder.json("tokenizer_config.json"));
  for (const text of ["the cat and the dog", "naïve: 日本語 🐈\n\t"]) {
    const ids: number[] = tokenizer.encode(text).ids;
    assert.ok(ids.every((id) => id >= 3 && id < 320));
    assert.is(tokenizer.decode(ids), text);
  }
  assert.ok(tokenizer.encode("the cat and the dog").ids.length < 12, "merges are used");
  assert.equal(tokenizer.encode("<|im_start|>").ids, [1]);

  const template = new ChatTemplate(folder.json("tokenizer_config.json") as JsonObject, "tiny");
  assert.is(template.render([{ role: "user", content: "Hi" }]), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
});

test.run();
