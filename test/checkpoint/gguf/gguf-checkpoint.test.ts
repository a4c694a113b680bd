import { suite } from "uvu";
import * as assert from "uvu/assert";
import { USUAL } from "../../../src/architecture/model-config.ts";
import { openGgufCheckpoint } from "../../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { parseModelConfig } from "../../../src/architecture/families.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { BLOCK_TYPES } from "./ggml-oracle.ts";
import { type FixtureValue, bool, buildGguf, f32, f32s, i32s, memoryFile, string, strings, u32 } from "./gguf-fixture.ts";
import { TINY, type TinyModel, tinyGguf } from "./tiny-gguf.ts";

const test = suite("gguf-checkpoint (seed 1)");
const { E, F, V, L, H, Hkv, D } = TINY;

/** The tiny model with some metadata replaced, added or (undefined) left out, and tensors changed. */
function open(
  model: TinyModel,
  metadata: Record<string, FixtureValue | undefined> = {},
  change = (tensors: Tensors): Tensors => tensors,
) {
  const { fixture } = tinyGguf(model);
  const entries = Object.entries({ ...Object.fromEntries(fixture.metadata), ...metadata });
  const defined = entries.filter((entry): entry is [string, FixtureValue] => entry[1] !== undefined);
  const { bytes } = buildGguf({ ...fixture, metadata: defined, tensors: change(fixture.tensors) });
  return openGgufCheckpoint(memoryFile(bytes));
}
type Tensors = ReturnType<typeof tinyGguf>["fixture"]["tensors"];

async function rejects(promise: Promise<unknown>, kind: new (message: string) => Error, ...parts: string[]): Promise<void> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, kind, String(error));
    for (const part of ["tiny.gguf", ...parts])
      assert.ok((error as Error).message.includes(part), `"${part}" in: ${String(error)}`);
    return;
  }
  assert.unreachable(`not refused: ${parts.join(" ")}`);
}

for (const architecture of ["llama", "qwen2", "qwen3"] as const) {
  // Types and row order do not depend on each other: all types with the one that permutes rows, two with the
  // others.
  for (const type of architecture === "llama" ? BLOCK_TYPES : (["F16", "Q4_1"] as const)) {
    test(`${architecture} as ${type} reads back as its Hugging Face form`, async () => {
      const { fixture, expected } = tinyGguf({ architecture, type });
      const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf(fixture).bytes));
      assert.equal(new Set(checkpoint.tensors.keys()), new Set(expected.keys()));
      for (const [name, { shape, values }] of expected) {
        assert.equal(checkpoint.tensors.get(name)!.shape, shape, name);
        assertSameBits(await checkpoint.readF32(name), values, name);
      }
    });
  }
}

test("biases of attn_q and attn_k are put back in order too, and an own head is read", async () => {
  const model = { architecture: "llama", isTied: false, attentionBias: "qkvo", mlpBias: true } as const;
  const checkpoint = await open(model);
  for (const [name, { values }] of tinyGguf(model).expected) assertSameBits(await checkpoint.readF32(name), values, name);
  assert.is(checkpoint.config.tiedEmbedding, false);
  assert.is(checkpoint.config.attentionBias, "qkvo");
  assert.is(checkpoint.config.mlpBias, true);
});

test("any range of rows equals that part of the whole, interleaved or not", async () => {
  for (const type of ["F16", "Q4_1"] as const) {
    const { fixture, expected } = tinyGguf({ architecture: "llama", type, attentionBias: "qkv" });
    const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf(fixture).bytes));
    for (const part of ["q_proj.weight", "k_proj.weight", "v_proj.weight", "q_proj.bias"]) {
      const name = `model.layers.1.self_attn.${part}`;
      const { shape, values } = expected.get(name)!;
      const columns = shape[1] ?? 1;
      for (const rows of [
        [0, 1],
        [1, 2],
        [D - 1, D + 1],
        [D / 2, D + D / 2],
        [3, shape[0]!],
        [5, 5],
      ] as const) {
        // prettier-ignore
        const wanted = values.subarray(rows[0] * columns, rows[1] * columns);
        assertSameBits(await checkpoint.readF32(name, { rows }), wanted, `${type} ${name} ${rows.join("..")}`);
      }
    }
  }
});

test("raw bytes come in Hugging Face order, be they elements or blocks; missing tensors are refused", async () => {
  const { fixture, expected } = tinyGguf({ architecture: "llama", type: "F32" });
  const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf(fixture).bytes));
  const name = "model.layers.0.self_attn.q_proj.weight";
  const raw = await checkpoint.readRaw(name, { rows: [3, 9] });
  assertSameBits(new Float32Array(raw.slice().buffer), expected.get(name)!.values.subarray(3 * E, 9 * E), name);
  await rejects(checkpoint.readF32("lm_head.weight"), CheckpointError, "lm_head.weight");
  await rejects(checkpoint.readF32(name, { rows: [0, H * D + 1] }), CheckpointError, "attn_q.weight", "64");
  const blocks = tinyGguf({ architecture: "qwen2", type: "Q4_1" });
  const q4 = await openGgufCheckpoint(memoryFile(buildGguf(blocks.fixture).bytes));
  const stored = blocks.fixture.tensors.find((tensor) => tensor.name === "blk.0.attn_q.weight")!.data;
  assert.equal(await q4.readRaw(name), stored);
  const rowBytes = stored.length / (H * D);
  assert.equal(await q4.readRaw(name, { rows: [3, 9] }), stored.slice(3 * rowBytes, 9 * rowBytes));
});

test("an aborted read stops with AbortError; closing closes the file", async () => {
  const file = memoryFile(buildGguf(tinyGguf({ architecture: "llama" }).fixture).bytes);
  const checkpoint = await openGgufCheckpoint(file);
  try {
    await checkpoint.readF32("model.norm.weight", { signal: AbortSignal.abort() });
    assert.unreachable("read in spite of the signal");
  } catch (error) {
    assert.is((error as Error).name, "AbortError");
  }
  await checkpoint.close();
  assert.ok(file.isClosed);
});

test("configuration", async () => {
  const { config } = await open({ architecture: "llama" });
  assert.equal(config, {
    ...USUAL, architecture: "llama", vocabSize: V, hiddenSize: E, layers: L, heads: H, kvHeads: Hkv, headDim: D, ffnSize: F,
    rmsNormEps: 1e-5, ropeTheta: 500000, ropeScaling: { kind: "none" }, contextLength: 128, attentionWindows: [0, 0],
    tiedEmbedding: true, attentionBias: "none", mlpBias: false, qkNorm: "none", norm: "rms", positions: "rope", rotaryDim: D, headBias: false, activation: "silu", gatedMlp: true, parallelResidual: false,
  }); // prettier-ignore
  assert.is((await open({ architecture: "qwen2" })).config.attentionBias, "qkv");
  assert.is((await open({ architecture: "qwen3" })).config.qkNorm, "head");
  const mistral = await open({ architecture: "llama" }, { "llama.attention.sliding_window": u32(64) });
  assert.is(mistral.config.architecture, "mistral");
  assert.equal(mistral.config.attentionWindows, [64, 64]);
  const scaled = { "llama.rope.scaling.type": string("linear"), "llama.rope.scaling.factor": f32(4) };
  assert.equal((await open({ architecture: "llama" }, scaled)).config.ropeScaling, { kind: "linear", factor: 4 });
  assert.is((await open({ architecture: "llama" }, { "llama.rope.freq_base": undefined })).config.ropeTheta, 10000);
  // One value per layer, as some converters write it.
  const perLayer = await open({ architecture: "llama" }, { "llama.attention.head_count_kv": i32s([Hkv, Hkv]) });
  assert.is(perLayer.config.kvHeads, Hkv);
});

const withFactors = (values: Float32Array) => (tensors: Tensors) => [
  { name: "rope_freqs.weight", dims: [values.length], typeId: 0, data: new Uint8Array(values.buffer) },
  ...tensors,
];

test("config.json made from metadata is read as the same configuration", async () => {
  for (const model of [
    { architecture: "llama" },
    { architecture: "llama", isTied: false, attentionBias: "qkvo", mlpBias: true },
    { architecture: "llama", attentionBias: "qkv" },
    { architecture: "qwen2" },
    { architecture: "qwen3", isTied: false },
  ] as const) {
    const { config, configJson } = await open(model, {
      "tokenizer.ggml.eos_token_id": u32(2),
      "tokenizer.ggml.bos_token_id": u32(1),
    });
    assert.equal(parseModelConfig(JSON.parse(JSON.stringify(configJson)), "config.json"), config);
    assert.is(configJson["eos_token_id"], 2);
    assert.is(configJson["bos_token_id"], 1);
  }
  const mistral = await open({ architecture: "llama" }, { "llama.attention.sliding_window": u32(64) });
  assert.equal(parseModelConfig(mistral.configJson, "config.json"), mistral.config);
});

test("rope factors become configuration and are no tensor", async () => {
  const factors = Float32Array.from({ length: D / 2 }, (_, i) => 1 + i);
  const checkpoint = await open({ architecture: "llama" }, {}, withFactors(factors));
  assert.equal(checkpoint.config.ropeScaling, { kind: "factors", factors: [...factors] });
  assert.is(checkpoint.tensors.size, tinyGguf({ architecture: "llama" }).expected.size);
  await rejects(open({ architecture: "llama" }, {}, withFactors(factors.slice(1))), CheckpointError, "rope_freqs.weight", "8");
  await rejects(open({ architecture: "llama" }, {}, withFactors(new Float32Array(D / 2))), CheckpointError, "rope_freqs.weight");
});

test("end-of-generation tokens and recommended sampling", async () => {
  const tokens = Array.from({ length: V }, (_, i) => (i === 7 ? "<|im_end|>" : `t${i}`));
  const types = tokens.map((_, i) => (i === 7 ? 3 : 1));
  const metadata = {
    "tokenizer.ggml.tokens": strings(tokens),
    "tokenizer.ggml.token_type": i32s(types),
    "tokenizer.ggml.eos_token_id": u32(2),
    "general.sampling.temp": f32(0.6),
    "general.sampling.top_k": u32(20),
    "general.sampling.min_p": f32(0.1),
    "general.sampling.penalty_repeat": f32(1.1),
    "general.sampling.penalty_last_n": u32(32),
  };
  const { generation } = await open({ architecture: "llama" }, metadata);
  const sampling = { temperature: 0.6, topK: 20, minP: 0.1, repeatPenalty: 1.1, repeatLastN: 32 };
  assert.equal(generation, { eosTokenIds: [2, 7], sampling });
  for (const [key, value] of [
    ["top_k", i32s([20])],
    ["temp", f32(-1)],
    ["top_p", f32(1.5)],
    ["penalty_repeat", f32(0)],
  ] as const) {
    await rejects(open({ architecture: "llama" }, { ...metadata, [`general.sampling.${key}`]: value }), CheckpointError, key);
  }
});

test("keys of variants pass with the value that means nothing, and are refused with another", async () => {
  const open1 = (key: string, value: FixtureValue) => open({ architecture: "llama" }, { [key]: value });
  for (const [name, neutral, other] of [
    ["expert_count", u32(0), u32(8)],
    ["expert_shared_count", u32(0), u32(1)],
    ["attention.scale", f32(0), f32(0.5)],
    ["attention.scale", f32(1 / Math.sqrt(D)), f32(1)],
    ["attention.output_scale", f32(0), f32(2)],
    ["attention.temperature_scale", f32(0), f32(0.1)],
    ["attention.clamp_kqv", f32(0), f32(8)],
    ["attention.max_alibi_bias", f32(0), f32(8)],
    ["attention.q_lora_rank", u32(0), u32(64)],
    ["attention.kv_lora_rank", u32(0), u32(64)],
    ["attention.causal", bool(true), bool(false)],
    ["swin_norm", bool(false), bool(true)],
    ["attn_logit_softcapping", f32(0), f32(50)],
    ["final_logit_softcapping", f32(0), f32(30)],
    ["router_logit_softcapping", f32(0), f32(30)],
    ["logit_scale", f32(1), f32(0.0625)],
    ["residual_scale", f32(1), f32(0.22)],
    ["embedding_scale", f32(1), f32(12)],
  ] as const) {
    assert.equal((await open1(`llama.${name}`, neutral)).notes, [], name);
    await rejects(open1(`llama.${name}`, other), UnsupportedModelError, `llama.${name}: got `, "need ");
  }
  await rejects(open1("llama.attention.sliding_window_pattern", u32(2)), UnsupportedModelError, "sliding_window_pattern");
  await rejects(open1("general.type", string("adapter")), UnsupportedModelError, 'general.type: got "adapter"');
  await rejects(open1("general.architecture", string("controlvector")), UnsupportedModelError, '"controlvector"');
});

test("keys nobody knows are listed once; what says how a file was made is not", async () => {
  const made = {
    "general.name": string("tiny"),
    "general.type": string("model"),
    "general.file_type": u32(1),
    "general.quantization_version": u32(2),
    "quantize.imatrix.file": string("imatrix.dat"),
    "llama.tensor_data_layout": string("Meta AI original pth"),
    "llama.vocab_size": u32(V),
    "llama.rope.dimension_count": u32(D),
    "llama.expert_used_count": u32(0),
    "split.count": u32(0),
  };
  assert.equal((await open({ architecture: "llama" }, made)).notes, []);
  const { notes } = await open({ architecture: "llama" }, { "llama.mup": bool(true), ...made, "llama.depth.scale": f32(2) });
  assert.equal(notes, ["tiny.gguf: metadata keys not known and not used: llama.mup, llama.depth.scale"]);
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`llama.${"x".repeat(500)}${i}`, u32(1)]));
  const [note] = (await open({ architecture: "llama" }, many)).notes;
  assert.match(note!, / and 12 more$/);
  assert.ok(note!.length < 700, note);
});

test("what is missing, contradictory or not run is refused by name", async () => {
  const llama = { architecture: "llama" } as const;
  await rejects(open(llama, { "general.architecture": string("mamba") }), UnsupportedModelError, "mamba", "llama, qwen2, qwen3");
  await rejects(open(llama, { "general.architecture": undefined }), CheckpointError, "general.architecture");
  await rejects(open(llama, { "llama.block_count": undefined }), CheckpointError, "llama.block_count");
  await rejects(open(llama, { "llama.block_count": u32(0xffffffff) }), CheckpointError, "llama.block_count", "4294967295");
  await rejects(open(llama, { "llama.block_count": u32(L + 1) }), CheckpointError, "model.layers.2.input_layernorm.weight");
  await rejects(open(llama, { "llama.block_count": u32(L - 1) }), CheckpointError, "model.layers.1.");
  await rejects(open(llama, { "llama.attention.head_count": u32(3) }), CheckpointError, "heads");
  await rejects(open(llama, { "llama.attention.head_count_kv": u32(0) }), CheckpointError, "head_count_kv", "at least 1");
  await rejects(open(llama, { "llama.feed_forward_length": i32s([0, 0]) }), CheckpointError, "feed_forward_length: got 0");
  await rejects(open(llama, { "llama.feed_forward_length": f32s([0.5, 0.5]) }), CheckpointError, "feed_forward_length: got 0.5");
  await rejects(open(llama, { "llama.attention.head_count_kv": i32s([1, 2]) }), UnsupportedModelError, "head_count_kv");
  await rejects(open(llama, { "llama.attention.key_length": u32(15) }), CheckpointError, "15");
  await rejects(open(llama, { "llama.rope.dimension_count": u32(8) }), UnsupportedModelError, "8 rotated");
  await rejects(open(llama, { "llama.embedding_length": string("32") }), CheckpointError, "llama.embedding_length", "string");
  await rejects(
    open(llama, { "llama.embedding_length": u32(128) }),
    CheckpointError,
    "model.embed_tokens.weight",
    "[40, 32]",
    "[40, 128]",
  );
  await rejects(open(llama, { "llama.vocab_size": u32(V + 1) }), CheckpointError, "41");
  await rejects(open(llama, { "llama.expert_count": u32(8) }), UnsupportedModelError, "expert_count");
  await rejects(open(llama, { "llama.rope.scaling.type": string("su") }), UnsupportedModelError, "su");
  await rejects(open(llama, { "llama.attention.layer_norm_rms_epsilon": f32(NaN) }), CheckpointError, "layer_norm_rms_epsilon");
  await rejects(open(llama, { "split.count": u32(3) }), CheckpointError, "split.no");
  await rejects(
    open(llama, {}, (tensors) => tensors.filter(({ name }) => name !== "blk.1.ffn_up.weight")),
    CheckpointError,
    "model.layers.1.mlp.up_proj.weight",
    "missing",
  );
  await rejects(
    open(llama, {}, (tensors) => [
      ...tensors,
      { name: "blk.0.ffn_gate_inp.weight", dims: [8], typeId: 0, data: new Uint8Array(32) },
    ]),
    UnsupportedModelError,
    "blk.0.ffn_gate_inp.weight",
  );
});

test.run();
