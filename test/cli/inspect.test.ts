import { cpSync, mkdirSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { renameTensors } from "../checkpoint/safetensors/rename-tensors.ts";
import { sharedData, SMOLLM2 } from "../shared-data.ts";
import { tinyModel } from "../tiny-model.ts";
import { runCli } from "./command-harness.ts";

const SEED = 5;
const test = suite(`inspect (seed ${SEED})`);
const parent = mkdtempSync(join(tmpdir(), "fptq-inspect-"));
const folder = join(parent, "model");
mkdirSync(folder);
for (const [fileName, { bytes }] of tinyModel(SEED, { type: "BF16" }).files) writeFileSync(join(folder, fileName), bytes);

test("an unquantized folder: shape, size and every tensor", async () => {
  const { code, stdout, stderr } = await runCli(["inspect", folder]);
  assert.is(code, 0);
  assert.is(stderr, "");
  // V*E + L*(2*E*E + 2*E*Hkv*D + 3*E*F + 2*E) + E with V 320, E 64, L 3, Hkv*D 32, F 192
  const parameters = 320 * 64 + 3 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 192 + 2 * 64) + 64;
  assert.match(stdout, /^architecture +llama$/m);
  assert.match(stdout, new RegExp(`^parameters +${(parameters / 1000).toFixed(1)} k, the head shares the embedding$`, "m"));
  assert.match(stdout, /^bits per weight +16\.00, /m);
  assert.match(stdout, /^quantized +no/m);
  assert.match(stdout, /^model\.layers\.2\.mlp\.down_proj\.weight +BF16 +64 x 192 +24\.0 KiB +model\.safetensors$/m);

  const document = JSON.parse((await runCli(["inspect", folder, "--json"])).stdout);
  assert.is(document.parameters, parameters);
  assert.is(document.bytes, 2 * parameters);
  assert.is(document.quantized, null);
  assert.equal(document.notes, []);
  assert.equal(document.policy, []);
  assert.is(document.tensors.length, 1 + 3 * 9 + 1);
});

test("a W4A8 folder: the policy and scale of each layer input; packed words count as the weights they hold", async () => {
  const source = sharedData("reference/tiny/llama-tied-w4a8-mixed");
  if (source === undefined) return;
  const quantized = join(parent, "quantized");
  cpSync(source, quantized, { recursive: true });
  const layers = [{ name: "model.layers.1.qkv", policy: "lae+static" }, { name: "model.layers.1.o", policy: "lae+static" }, 7];
  writeFileSync(join(quantized, "quantization-report.json"), JSON.stringify({ layers }));

  const { stdout } = await runCli(["inspect", quantized]);
  assert.match(stdout, /^quantized +W4A8, int4 weights, groups of 32, cache f32$/m);
  assert.match(stdout, /^ +0 {2}static 0\.0\d+ +dynamic +static 0\.0\d+ +dynamic$/m);
  // The report adds what the tensors cannot show; it cannot turn a dynamic input into a static one.
  assert.match(stdout, /^ +1 {2}lae\+static 0\.0\d+ +dynamic /m);
  const document = JSON.parse((await runCli(["inspect", quantized, "--json"])).stdout);
  assert.is(document.parameters, 168_384);
  // A scale of 32 bits for 32 weights, an input's scale and a shape of 16 bytes for each module.
  const [int4, f32] = document.weight_types as { dtype: string; bits: number }[];
  assert.equal([int4!.dtype, f32!.dtype, f32!.bits], ["INT4", "F32", 32]);
  assert.ok(int4!.bits > 5 && int4!.bits < 5.1, `${int4!.bits}`);
  assert.equal(document.quantized, {
    weight_bits: 4,
    weight_types: ["int4"],
    group_sizes: [32],
    kv_cache: "f32",
    simulated: null,
  });
  assert.equal(document.policy[2].down, { policy: "dynamic", input_scale: null });
});

test("an embedding stored a second time as the head is counted once", async () => {
  const twice = join(parent, "twice");
  mkdirSync(twice);
  const { files } = renameTensors(tinyModel(SEED), (name) => name, { "model.embed_tokens.weight": "lm_head.weight" });
  for (const [fileName, { bytes }] of files) writeFileSync(join(twice, fileName), bytes);
  const config = JSON.parse(readFileSync(join(twice, "config.json"), "utf8"));
  writeFileSync(join(twice, "config.json"), JSON.stringify({ ...config, tie_word_embeddings: false }));
  const { stdout } = await runCli(["inspect", twice]);
  assert.match(stdout, /^parameters +[0-9.]+ k, the head shares the embedding$/m);
  assert.match(stdout, /^lm_head\.weight +F32 +320 x 64/m);
  const [two, one] = [
    JSON.parse((await runCli(["inspect", twice, "--json"])).stdout),
    JSON.parse((await runCli(["inspect", folder, "--json"])).stdout),
  ];
  assert.is(two.parameters, one.parameters);
  assert.is(two.bytes, 2 * one.bytes + 4 * 320 * 64);
});

test("what the reader noticed is listed", async () => {
  const wrapped = join(parent, "wrapped");
  mkdirSync(wrapped);
  const { files } = renameTensors(tinyModel(SEED), (name) => `_orig_mod.${name}`);
  for (const [fileName, { bytes }] of files) writeFileSync(join(wrapped, fileName), bytes);
  const note = /names: "_orig_mod\.model\.[^ ]*" is read as "model\.[^ ]*", and others like it$/m;
  assert.match((await runCli(["inspect", wrapped])).stdout, new RegExp(`^note +.*${note.source}`, "m"));
  const { notes } = JSON.parse((await runCli(["inspect", wrapped, "--json"])).stdout);
  assert.is(notes.length, 1);
  assert.match(notes[0], note);
});

test("RoPE for long contexts: by how much, from where, and what the context it is loaded for decides", async () => {
  const factors = Array.from({ length: 8 }, (_, i) => 1 + i);
  const yarn = { betaFast: 32, betaSlow: 1, truncate: true, attention: { factor: 1 } };
  const longrope = { shortFactors: factors, longFactors: factors, attention: { factor: 2 } };
  for (const [name, ropeScaling, context, rope] of [
    ["yarn", { kind: "yarn", factor: 4, originalContextLength: 128, ...yarn }, "256 tokens, up to 512 on request", "yarn by 4 from 128 tokens"],
    ["dynamic", { kind: "dynamic", factor: 2 }, "256 tokens, more on request", "dynamic by 2: a larger base if loaded for more than 256 tokens"],
    ["longrope", { kind: "longrope", originalContextLength: 32, ...longrope }, "256 tokens", "longrope: short factors, or long ones if loaded for more than 32 tokens"],
  ] as const) {
    const model = join(parent, name);
    mkdirSync(model);
    for (const [fileName, { bytes }] of tinyModel(SEED, { config: { ropeScaling } }).files) writeFileSync(join(model, fileName), bytes);
    const { stdout } = await runCli(["inspect", model]);
    assert.match(stdout, new RegExp(`^context +${context}$`, "m"));
    assert.match(stdout, new RegExp(`^rope +theta 10000, ${rope}$`, "m"));
  }
}); // prettier-ignore

test("a GGUF file: Hugging Face names and block types", async () => {
  const source = sharedData(SMOLLM2);
  if (source === undefined) return;
  const { stdout } = await runCli(["inspect", source]);
  assert.match(stdout, /^parameters +134\.5 M, the head shares the embedding$/m);
  assert.match(stdout, /^attention +9 heads, 3 kv heads, head size 64$/m);
  const rows = stdout.split("\n").filter((line) => line.includes(".self_attn.q_proj.weight"));
  assert.is(rows.length, 30);
  assert.match(rows[2]!, /^model\.layers\.2\..* Q4_1 +576 x 576 +202\.5 KiB +SmolLM2/);
  assert.match(stdout, /^weights +Q4_1 106\.2 M, 5\.00 bits; Q8_0 28\.3 M, 8\.50 bits; F32 /m);
  assert.match(stdout, /^runs +yes: weights as qb4aw, head as qc8w, cache as q8t$/m);
  assert.match(stdout, /^memory +[0-9.]+ MiB for 4096 tokens: weights 9[0-9.]+ MiB, cache [0-9.]+ MiB, scratch [0-9.]+ MiB$/m);
});

test("memory at a context, and why a model does not run", async () => {
  const long = join(parent, "long");
  mkdirSync(long);
  for (const [fileName, { bytes }] of tinyModel(SEED, { config: { contextLength: 2 ** 24 } }).files) {
    writeFileSync(join(long, fileName), bytes);
  }
  const { run } = JSON.parse((await runCli(["inspect", long, "-c", "64", "--json"])).stdout);
  assert.equal([run.runs, run.forms, run.head, run.context_size], [true, ["f32w"], "f32w", 64]);
  // Keys and values of 64 tokens in three layers, 32 floats of either.
  assert.is(run.memory.kv_cache, 3 * 2 * 64 * 32 * 4);
  const { code, stdout, stderr } = await runCli(["inspect", long, "-c", `${2 ** 24}`]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^runs +no: model\.layers\.0: needs 4\d{9} bytes in one memory, which has room for \d+; /m);
  const divided = await runCli(["inspect", long, "-c", `${3 * 2 ** 21}`]);
  assert.match(divided.stdout, /^memory +[0-9.]+ GiB for 6291456 tokens, in 2 memories: weights /m);
  const { weights, kv_cache: cache, scratch } = run.memory;
  const limit = `${Math.floor((weights + cache + scratch) / 1024) - 128}K`;
  const less = JSON.parse((await runCli(["inspect", long, "-c", "64", "--json", "--memory-limit", limit])).stdout);
  assert.equal([run.memories, less.run.memories], [1, 2]);
});

test("a model that is missing, no model, or damaged is named, exit 1, nothing on stdout", async () => {
  const damaged = join(parent, "damaged");
  cpSync(folder, damaged, { recursive: true });
  truncateSync(join(damaged, "model.safetensors"), 5000);
  const text = join(parent, "text.gguf");
  writeFileSync(text, "no model at all");
  for (const [path, reason] of [
    [join(parent, "missing"), /missing: got nothing, need a file or folder/],
    [text, /text\.gguf: got a file of 15 bytes starting with .*, need a GGUF file/],
    [damaged, /model\.safetensors/],
  ] as const) {
    const { code, stdout, stderr } = await runCli(["inspect", path]);
    assert.is(code, 1);
    assert.is(stdout, "");
    assert.match(stderr, /^error: /);
    assert.match(stderr, reason);
  }
});

test.run();
