/**
 * Families whose GGUF leaves much to its reader: what is written, under llama.cpp's names, gives the folder's
 * logits. The same files in llama.cpp: docs/checkpoint.md.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteSource } from "../../src/checkpoint/byte-source.ts";
import { openGgufCheckpoint } from "../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { GgufMetadata } from "../../src/checkpoint/gguf/gguf-metadata.ts";
import { readGguf } from "../../src/checkpoint/gguf/gguf.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { exportGguf } from "../../src/export/gguf/export-gguf.ts";
import { EXPORT_TYPES, type ExportType } from "../../src/export/gguf/gguf-weights.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { CONFIGS, familyFolder } from "../architecture/family-folder.ts";
import { memoryFile } from "../checkpoint/gguf/gguf-fixture.ts";
import { logitsOf } from "../model/logits-of.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { mulberry32 } from "../random.ts";
import { MemoryOutputFile } from "./memory-output-file.ts";

const SEED = 227;
const test = suite(`exports of families (seed ${SEED})`);
const IDS = Array.from({ length: 20 }, (_, i) => (i * 7 + 3) % 40);

async function exported(json: JsonObject, type: ExportType) {
  const random = mulberry32(SEED);
  const { folder } = familyFolder(json, SEED, {
    change: (stored) => {
      for (const { values } of stored.values()) for (let i = 0; i < values.length; i++) values[i] = random() / 4 - 0.125;
    },
  });
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const output = new MemoryOutputFile();
  const { notes } = await exportGguf(checkpoint, output, { type });
  return { checkpoint, notes, read: await openGgufCheckpoint(memoryFile(output.bytes)), file: memoryFile(output.bytes) };
}

/** gguf-py's `MODEL_TENSORS` of both Gemmas, without the head, which is the embedding. */
const GEMMA = [
  "attn_k", "attn_norm", "attn_output", "attn_q", "attn_v", "ffn_down", "ffn_gate", "ffn_norm", "ffn_up",
  "post_attention_norm", "post_ffw_norm",
]; // prettier-ignore
const FAMILIES = {
  gemma2: { json: CONFIGS.gemma2, names: GEMMA, windows: [8, 0, 8], notes: 0 },
  gemma3: {
    json: CONFIGS.gemma3_text,
    names: [...GEMMA, "attn_k_norm", "attn_q_norm"],
    windows: [8, 8, 8, 8, 8, 0, 8],
    notes: 0,
  },
  "gemma3 with a scaled rotation": {
    json: { ...CONFIGS.gemma3_text, rope_scaling: { rope_type: "linear", factor: 8 }, final_logit_softcapping: 3 },
    names: [...GEMMA, "attn_k_norm", "attn_q_norm"],
    windows: [8, 8, 8, 8, 8, 0, 8],
    notes: 0,
  },
  phi3: {
    json: { ...CONFIGS.phi3, sliding_window: null },
    names: ["attn_norm", "attn_output", "attn_qkv", "ffn_down", "ffn_norm", "ffn_up"],
    windows: [0, 0],
    notes: 0,
  },
  "phi3 with a window": {
    json: CONFIGS.phi3,
    names: ["attn_norm", "attn_output", "attn_qkv", "ffn_down", "ffn_norm", "ffn_up"],
    windows: [12, 12],
    notes: 1,
  },
} as const;

for (const [label, { json, names, windows, notes: count }] of Object.entries(FAMILIES)) {
  test(`${label}: llama.cpp's names, the folder's configuration and logits`, async () => {
    const { checkpoint, read, notes, file } = await exported(json, "F32");
    assert.equal([...read.config.attentionWindows], [...windows]);
    assert.equal(read.config, checkpoint.config);
    const blocks = [...(await readGguf(file)).tensors.keys()].flatMap((name) => /^blk\.0\.(\w+)\.weight$/.exec(name)?.[1] ?? []);
    assert.equal(blocks.toSorted(), [...names].toSorted());
    assert.is(notes.length, count, notes.join());
    assertSameBits(await logitsOf(read, IDS), await logitsOf(checkpoint, IDS), label);
  });
}

test("a Phi-3 says that it has no window", async () => {
  const { file } = await exported(FAMILIES.phi3.json, "F16");
  const stated = async (source: ByteSource, key: string) =>
    new GgufMetadata((await readGguf(source)).metadata, "memory").integer(`${key}.attention.sliding_window`);
  assert.is(await stated(file, "phi3"), 0);
  const { file: other } = await exported(FAMILIES.gemma2.json, "F16");
  assert.is(await stated(other, "gemma2"), 8);
});

for (const type of EXPORT_TYPES) {
  test(`gemma3 as ${type}: logits come as near as the type allows`, async () => {
    const { checkpoint, read } = await exported(CONFIGS.gemma3_text, type);
    const [expected, found] = [await logitsOf(checkpoint, IDS), await logitsOf(read, IDS, { weights: "f32" })];
    let [error, energy] = [0, 0];
    for (const [i, value] of expected.entries()) {
      error += (found[i]! - value) ** 2;
      energy += value ** 2;
    }
    // Weights are spread evenly over 1/4: a step of 1/64 has 1/256 of their energy, in each of 7 layers.
    const most = { F32: 0, F16: 4e-6, Q8_0: 1e-3, Q4_1: 0.15, Q4_0: 0.15 }[type];
    assert.ok(error / energy <= most, `${error / energy}`);
    assert.ok(type === "F32" || error > 0);
  });
}

test.run();
