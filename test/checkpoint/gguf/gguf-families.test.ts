/** Families beside LLaMA, Mistral and Qwen as GGUF: the same model as the folder it was made from. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseModelConfig } from "../../../src/architecture/families.ts";
import { openGgufCheckpoint } from "../../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { openFolder } from "../../../src/host/node/node-files.ts";
import type { JsonObject } from "../../../src/json-object.ts";
import { CONFIGS, familyFolder } from "../../architecture/family-folder.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { sharedData } from "../../shared-data.ts";
import { bool, buildGguf, concatenate, f32, type Fixture, type FixtureValue, memoryFile, string, u32 } from "./gguf-fixture.ts";
import { ggufOf } from "./tiny-gguf.ts";

const SEED = 43;
const test = suite(`gguf families (seed ${SEED})`);

/** Key and tensors of the fixture of a tiny model, some replaced or (undefined) left out. */
async function fixtureOf(json: JsonObject): Promise<Fixture> {
  return ggufOf(await openSafetensorsCheckpoint(familyFolder(json, SEED).folder));
}

async function open(
  json: JsonObject,
  metadata: Record<string, FixtureValue | undefined> = {},
  change = (tensors: Tensors): Tensors => tensors,
) {
  const fixture = await fixtureOf(json);
  const entries = Object.entries({ ...Object.fromEntries(fixture.metadata), ...metadata });
  const defined = entries.filter((entry): entry is [string, FixtureValue] => entry[1] !== undefined);
  return openGgufCheckpoint(memoryFile(buildGguf({ metadata: defined, tensors: change(fixture.tensors) }).bytes));
}
type Tensors = Fixture["tensors"];

async function refuses(promise: Promise<unknown>, kind: new (message: string) => Error, ...parts: string[]): Promise<void> {
  const error: unknown = await promise.then(() => undefined, (reason: unknown) => reason); // prettier-ignore
  assert.instance(error, kind, `${parts.join(" ")}: ${String(error)}`);
  for (const part of ["tiny.gguf", ...parts])
    assert.ok((error as Error).message.includes(part), `"${part}" in: ${String(error)}`);
}

for (const [what, json] of Object.entries({
  ...CONFIGS,
  "gpt2 with an own head": { ...CONFIGS.gpt2, tie_word_embeddings: false },
  "gpt2 with heads of odd size": { ...CONFIGS.gpt2, n_embd: 33, n_head: 3 },
  "gpt-neox, sequential, without biases in attention": {
    ...CONFIGS.gpt_neox,
    use_parallel_residual: false,
    attention_bias: false,
  },
  "gpt-neox with scaled positions": { ...CONFIGS.gpt_neox, rotary_emb_base: 500, rotary_pct: 0.75 },
  "bloom of six heads": { ...CONFIGS.bloom, hidden_size: 48, n_head: 6, seq_length: 64 },
})) {
  test(`${what}: the same configuration and tensors as the folder`, async () => {
    const { folder, config, tensors } = familyFolder(json, SEED);
    const fixture = await ggufOf(await openSafetensorsCheckpoint(folder));
    const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf(fixture).bytes));
    assert.equal(checkpoint.config, config);
    assert.equal(parseModelConfig(JSON.parse(JSON.stringify(checkpoint.configJson)) as JsonObject, "config.json"), config);
    assert.equal([...checkpoint.tensors.keys()].toSorted(), [...tensors.keys()].toSorted());
    for (const [name, { shape, values }] of tensors) {
      assert.equal(checkpoint.tensors.get(name)!.shape, shape, name);
      assertSameBits(await checkpoint.readF32(name), values, name);
      const columns = values.length / shape[0]!;
      const rows = [1, Math.min(7, shape[0]!)] as const;
      assertSameBits(await checkpoint.readF32(name, { rows }), values.slice(columns, rows[1] * columns), name);
    }
  });
}

const REFERENCES = [
  "gpt2", "phi", "gpt-neox", "gpt-neox-sequential", "bloom", "bloom-odd-heads", "olmo2", "glm", "glm4", "phi3", "smollm3", "granite",
  "starcoder2", "stablelm", "stablelm-parallel", "cohere", "cohere-qk-norm", "lfm2",
]; // prettier-ignore

for (const name of REFERENCES) {
  test(`the reference model ${name}`, async () => {
    const path = sharedData(`reference/tiny/${name}`);
    if (path === undefined) return;
    const folder = await openSafetensorsCheckpoint(openFolder(path));
    const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf(await ggufOf(folder)).bytes));
    assert.equal(checkpoint.config, folder.config);
    assert.is(checkpoint.tensors.size, folder.tensors.size);
    for (const tensor of folder.tensors.keys())
      assertSameBits(await checkpoint.readF32(tensor), await folder.readF32(tensor), tensor);
    await folder.close();
  });
}

test("Gemma as its files have it: norms with 1 added, and what no key says", async () => {
  for (const name of ["gemma2", "gemma3"]) {
    const path = sharedData(`reference/tiny/${name}`);
    if (path === undefined) return;
    const folder = await openSafetensorsCheckpoint(openFolder(path));
    const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf(await ggufOf(folder)).bytes));
    // The reference models divide scores by another root, which a GGUF cannot say.
    assert.equal({ ...checkpoint.config, scoreDivisor: folder.config.scoreDivisor }, folder.config);
    assert.is(checkpoint.config.scoreDivisor, Math.sqrt(32));
    for (const tensor of folder.tensors.keys())
      assertSameBits(await checkpoint.readF32(tensor), await folder.readF32(tensor), tensor);
    await folder.close();
  }
  const { config } = await open(CONFIGS.gemma3_text, { "gemma3.attention.sliding_window_pattern": u32(2) });
  assert.equal(config.attentionWindows, [8, 0, 8, 0, 8, 0, 8]);
  assert.is((await open(CONFIGS.gemma2, { "gemma2.attn_logit_softcapping": undefined })).config.scoreCap, 50);
  const plain = await open(CONFIGS.granite, { "granite.attention.scale": f32(0), "granite.logit_scale": undefined });
  assert.equal([plain.config.scoreDivisor, plain.config.logitScale], [Math.sqrt(8), 1]);
  await refuses(open(CONFIGS.gemma3_text, { "gemma3.attn_logit_softcapping": f32(50) }), UnsupportedModelError, "attn_logit_softcapping: got 50, need 0"); // prettier-ignore
});

test("queries, keys and values in one tensor are read as three", async () => {
  const { folder, tensors } = familyFolder(CONFIGS.glm4, SEED);
  const { metadata, tensors: stored } = await ggufOf(await openSafetensorsCheckpoint(folder));
  const joined = stored.flatMap((tensor) => {
    if (/attn_[kv]\./.test(tensor.name)) return [];
    if (!tensor.name.includes("attn_q.")) return [tensor];
    const parts = ["q", "k", "v"].map((part) =>
      stored.find(({ name }) => name === tensor.name.replace("attn_q.", `attn_${part}.`))!,
    );
    const rows = parts.reduce((sum, { dims }) => sum + dims.at(-1)!, 0);
    const data = concatenate(parts.map((part) => part.data));
    return [{ ...tensor, name: tensor.name.replace("attn_q.", "attn_qkv."), dims: [...tensor.dims.slice(0, -1), rows], data }];
  });
  const checkpoint = await openGgufCheckpoint(memoryFile(buildGguf({ metadata, tensors: joined }).bytes));
  for (const [name, { shape, values }] of tensors) {
    assert.equal(checkpoint.tensors.get(name)!.shape, shape, name);
    assert.is(checkpoint.tensors.get(name)!.bytes, 4 * values.length, name);
    assertSameBits(await checkpoint.readF32(name), values, name);
    assertSameBits(
      await checkpoint.readF32(name, { rows: [3, 7] }),
      values.slice(3 * (shape[1] ?? 1), 7 * (shape[1] ?? 1)),
      name,
    );
  }
  const bias = joined.find(({ name }) => name === "blk.0.attn_qkv.bias")!;
  const short = [...joined.filter((tensor) => tensor !== bias), { ...bias, dims: [64], data: bias.data.subarray(0, 256) }];
  const broken = openGgufCheckpoint(memoryFile(buildGguf({ metadata, tensors: short }).bytes));
  await refuses(broken, CheckpointError, "blk.0.attn_qkv.bias", "got 64 rows, need 128 of q, k and v");
});

test("both lists of LongRoPE, with the attention factor", async () => {
  const path = sharedData("reference/tiny/phi3-longrope-long");
  if (path === undefined) return;
  const folder = await openSafetensorsCheckpoint(openFolder(path));
  const { config } = await openGgufCheckpoint(memoryFile(buildGguf(await ggufOf(folder)).bytes));
  const [found, expected] = [config.ropeScaling, folder.config.ropeScaling];
  assert.ok(found.kind === "longrope" && expected.kind === "longrope" && "factor" in found.attention);
  assert.ok(Math.abs(found.attention.factor - Math.sqrt(2)) < 1e-6); // a context 16 times as long as its 16 tokens
  assert.equal(found.longFactors, expected.longFactors.map(Math.fround));
  assert.equal(found.shortFactors, expected.shortFactors.map(Math.fround));
  assert.is(found.originalContextLength, 16);
  assert.equal({ ...config, ropeScaling: expected }, folder.config);
  await folder.close();
});

test("what a file may leave out", async () => {
  const { n_inner: _, ...wide } = CONFIGS.gpt2;
  for (const [json, architecture] of [[wide, "gpt2"], [CONFIGS.bloom, "bloom"]] as const) {
    const { config } = await open(json, { [`${architecture}.feed_forward_length`]: undefined, [`${architecture}.attention.head_count_kv`]: undefined });
    assert.is(config.ffnSize, 128);
    assert.is(config.kvHeads, 4);
  } // prettier-ignore
  const alibi = await open(CONFIGS.bloom, { "bloom.attention.max_alibi_bias": f32(8) });
  assert.is(alibi.config.positions, "alibi");
  const whole = await open(CONFIGS.phi, { "phi2.rope.dimension_count": undefined });
  assert.is(whole.config.rotaryDim, 8);
  assert.is((await open(CONFIGS.gpt_neox, { "gptneox.rope.freq_base": undefined })).config.ropeTheta, 10_000);
  const scaled = { "gptneox.rope.scaling.type": string("linear"), "gptneox.rope.scaling.factor": f32(4) };
  assert.equal((await open(CONFIGS.gpt_neox, scaled)).config.ropeScaling, { kind: "linear", factor: 4 });
});

test("what is missing, contradictory or not run is refused by name", async () => {
  const { gpt2, phi, gpt_neox, bloom } = CONFIGS;
  const without = (name: string) => (tensors: Tensors) => tensors.filter((tensor) => tensor.name !== name);
  await refuses(
    open(gpt2, { "gpt2.attention.layer_norm_epsilon": undefined }),
    CheckpointError,
    "gpt2.attention.layer_norm_epsilon",
  );
  await refuses(
    open(gpt2, { "gpt2.context_length": u32(25) }),
    CheckpointError,
    "transformer.wpe.weight",
    "[24, 32]",
    "[25, 32]",
  );
  await refuses(
    open(gpt2, { "gpt2.attention.head_count": u32(5), "gpt2.attention.head_count_kv": undefined }),
    CheckpointError,
    "head dimension: got 6.4",
  );
  await refuses(
    open(gpt2, { "gpt2.attention.key_length": u32(4) }),
    UnsupportedModelError,
    "headDim: got 4, need 8 in a gpt2 model",
  );
  await refuses(
    open(gpt2, { "gpt2.attention.head_count_kv": u32(2) }),
    UnsupportedModelError,
    "kvHeads: got 2",
    "need 4 in a gpt2 model",
  );
  await refuses(open(gpt2, { "gpt2.attention.sliding_window": u32(8) }), UnsupportedModelError, "attentionWindows: got [8,8]");
  await refuses(open(gpt2, {}, without("position_embd.weight")), CheckpointError, "transformer.wpe.weight [24, 32] is missing");
  await refuses(open(gpt2, {}, without("blk.1.ffn_down.bias")), CheckpointError, "transformer.h.1.mlp.c_proj.bias");
  await refuses(
    open(gpt2, {}, without("blk.0.ffn_up.bias")),
    UnsupportedModelError,
    'got "qkvo" in attention and none in the MLP, need those of a gpt2 model',
  );
  await refuses(
    open(gpt2, {}, without("blk.0.attn_output.bias")),
    UnsupportedModelError,
    'got "qkv" in attention and some in the MLP, need those of a gpt2 model',
  );
  await refuses(open(phi, {}, without("output.bias")), CheckpointError, "lm_head.bias [40] is missing");
  await refuses(open(phi, {}, without("output.weight")), UnsupportedModelError, "as config.json: tie_word_embeddings: got true");
  await refuses(open(phi, { "phi2.rope.dimension_count": u32(3) }), CheckpointError, "rotary dimension: got 3");
  await refuses(open(phi, { "phi2.rope.dimension_count": u32(10) }), CheckpointError, "rotary dimension: got 10");
  await refuses(open(gpt_neox, { "gptneox.use_parallel_residual": undefined }), CheckpointError, "gptneox.use_parallel_residual");
  await refuses(open(gpt_neox, { "gptneox.use_parallel_residual": u32(2) }), CheckpointError, "use_parallel_residual", "a bool");
  await refuses(open(gpt_neox, { "gptneox.rope.scaling.type": string("su") }), UnsupportedModelError, "su");
  await refuses(
    open(bloom, { "bloom.attention.max_alibi_bias": f32(16) }),
    UnsupportedModelError,
    "max_alibi_bias: got 16, need 8",
  );
  await refuses(
    open(bloom, { "bloom.feed_forward_length": u32(64) }),
    UnsupportedModelError,
    "ffnSize: got 64, need 128 in a bloom model",
  );
  await refuses(open(bloom, {}, without("token_embd_norm.bias")), CheckpointError, "transformer.word_embeddings_layernorm.bias");
  const factors = { name: "rope_freqs.weight", dims: [4], typeId: 0, data: new Uint8Array(16) };
  await refuses(
    open(bloom, {}, (tensors) => [factors, ...tensors]),
    UnsupportedModelError,
    "rope_freqs.weight",
    "without RoPE",
  );
  await refuses(
    open(gpt2, { "general.architecture": string("gptj") }),
    UnsupportedModelError,
    "gptj",
    "gpt2, phi2, gptneox, bloom",
  );
  await refuses(open(gpt_neox, { "gptneox.use_parallel_residual": bool(false) }, without("blk.0.ffn_norm.bias")), CheckpointError, "post_attention_layernorm.bias"); // prettier-ignore
});

test.run();
