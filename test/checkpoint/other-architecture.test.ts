/** A configuration of one family over the tensors of another: opened only if no tensor tells them apart. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openGgufCheckpoint } from "../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../../src/errors.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { CONFIGS, familyFolder } from "../architecture/family-folder.ts";
import { MemoryFolder } from "../memory-folder.ts";
import { buildGguf, type Fixture, memoryFile, string } from "./gguf/gguf-fixture.ts";
import { ggufOf } from "./gguf/tiny-gguf.ts";

const SEED = 233;
const test = suite(`tensors of another architecture (seed ${SEED})`);

const ALL: Readonly<Record<string, JsonObject>> = {
  ...CONFIGS,
  llama: { ...CONFIGS.olmo2, architectures: ["LlamaForCausalLM"] },
  qwen2: { ...CONFIGS.olmo2, architectures: ["Qwen2ForCausalLM"] },
  qwen3: { ...CONFIGS.olmo2, architectures: ["Qwen3ForCausalLM"], head_dim: 16 },
};

function headerOf(folder: MemoryFolder): string {
  const bytes = folder.bytes("model.safetensors");
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return new TextDecoder().decode(bytes.subarray(8, 8 + length));
}

/** Names and shapes in a fixed order. */
function tensorsIn(folder: MemoryFolder): string {
  const header = JSON.parse(headerOf(folder)) as Record<string, { shape?: number[] }>;
  const lines = Object.entries(header).map(([name, { shape }]) => `${name} ${shape?.join()}`);
  return lines.toSorted().join("\n");
}

const errorOf = (opened: Promise<{ close: () => Promise<void> }>): Promise<unknown> =>
  opened.then(
    async (checkpoint) => {
      await checkpoint.close();
      return undefined;
    },
    (error: unknown) => error,
  );

test("folders: refused with the name of a tensor", async () => {
  const folders = new Map(Object.entries(ALL).map(([name, json]) => [name, familyFolder(json, SEED).folder]));
  let refused = 0;
  for (const [name, own] of folders) {
    for (const [other, theirs] of folders) {
      const mixed = new MemoryFolder("tiny");
      mixed.set("config.json", own.bytes("config.json"));
      mixed.set("model.safetensors", theirs.bytes("model.safetensors"));
      const error = await errorOf(openSafetensorsCheckpoint(mixed));
      const pair = `config.json of ${name}, tensors of ${other}: ${String(error)}`;
      if (tensorsIn(own) === tensorsIn(theirs)) {
        assert.is(error, undefined, pair);
        continue;
      }
      assert.ok(error instanceof CheckpointError || error instanceof UnsupportedModelError, pair);
      assert.match((error as Error).message, /tiny.*(tensor|model\.|transformer\.|gpt_neox\.|lm_head)/, pair);
      refused++;
    }
  }
  assert.ok(refused > 300, `${refused}`);
});

test("GGUF: refused with a key or the name of a tensor", async () => {
  let refused = 0;
  const fixtures: Fixture[] = [];
  for (const json of [CONFIGS.gpt2, CONFIGS.phi, CONFIGS.gpt_neox, CONFIGS.olmo2, CONFIGS.phi3, CONFIGS.gemma2, CONFIGS.stablelm, CONFIGS.cohere, CONFIGS.lfm2, CONFIGS.bloom]) {
    const checkpoint = await openSafetensorsCheckpoint(familyFolder(json, SEED).folder);
    fixtures.push(await ggufOf(checkpoint));
    await checkpoint.close();
  } // prettier-ignore
  const architectureOf = ({ metadata }: Fixture) => metadata[0]![0];
  assert.ok(fixtures.every((fixture) => architectureOf(fixture) === "general.architecture"));
  for (const [i, { tensors }] of fixtures.entries()) {
    for (const [j, { metadata }] of fixtures.entries()) {
      const error = await errorOf(openGgufCheckpoint(memoryFile(buildGguf({ metadata, tensors }).bytes)));
      if (i === j) assert.is(error, undefined, String(error));
      else {
        assert.ok(error instanceof CheckpointError || error instanceof UnsupportedModelError, `${i} ${j} ${String(error)}`);
        assert.match((error as Error).message, /tensor "?|: got |metadata/);
        refused++;
      }
    }
  }
  assert.is(refused, 90);
  // Only the name changed: its keys are missing.
  const [{ metadata, tensors }] = fixtures as [Fixture];
  const renamed = metadata.map(([key, value]): typeof metadata[number] => (key === "general.architecture" ? [key, string("llama")] : [key, value])); // prettier-ignore
  const error = await errorOf(openGgufCheckpoint(memoryFile(buildGguf({ metadata: renamed, tensors }).bytes)));
  assert.match((error as Error).message, /llama\./);
});

test.run();
