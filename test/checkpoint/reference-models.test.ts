/** Folders written by transformers and compressed-tensors. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../src/architecture/model-config.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { encodeSafetensors } from "../../src/checkpoint/safetensors/safetensors-layout.ts";
import { readSafetensorsHeader, readSafetensorsRows } from "../../src/checkpoint/safetensors/safetensors.ts";
import { linearModules } from "../linear-modules.ts";
import { openFile, openFolder } from "../../src/host/node/node-files.ts";
import { sharedData } from "../shared-data.ts";
import { tinyConfig } from "../tiny-model.ts";

const test = suite("reference models");
const root = sharedData("reference/tiny");

const EXPECTED: Record<string, ModelConfig> = {
  "llama-tied": tinyConfig(),
  "llama3-rope": tinyConfig("llama", {
    tiedEmbedding: false,
    ropeTheta: 500_000,
    ropeScaling: { kind: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 32 },
  }),
  "mistral-window": tinyConfig("mistral", { headDim: 32, tiedEmbedding: false, attentionWindows: [8, 8, 8] }),
  qwen2: tinyConfig("qwen2"),
  qwen3: tinyConfig("qwen3", { headDim: 32, tiedEmbedding: false }),
  "llama-tied-w4a8-static": tinyConfig(),
  "llama-tied-w4a8-mixed": tinyConfig(),
};

async function withCheckpoint(name: string, use: (checkpoint: Checkpoint) => Promise<void> | void): Promise<void> {
  const checkpoint = await openSafetensorsCheckpoint(openFolder(`${root}/${name}`));
  try {
    await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

for (const [name, config] of root === undefined ? [] : Object.entries(EXPECTED)) {
  test(`${name}: configuration and every tensor`, () =>
    withCheckpoint(name, async (checkpoint) => {
      assert.equal(checkpoint.config, config);
      assert.equal(checkpoint.notes, []);
      for (const { name: tensor, shape, type, bytes } of checkpoint.tensors.values()) {
        assert.is((await checkpoint.readRaw(tensor)).length, bytes);
        if (type.startsWith("I")) continue;
        const values = await checkpoint.readF32(tensor);
        assert.is(values.length, shape.reduce((product, size) => product * size, 1)); // prettier-ignore
        assert.ok(values.every(Number.isFinite), tensor);
      }
    }));

  test(`${name}: our header is byte for byte the reference writer's`, async () => {
    const path = `${root}/${name}/model.safetensors`;
    const file = await readSafetensorsHeader(await openFile(path));
    const tensors = [...file.tensors.values()];
    const data = await Promise.all(tensors.map((tensor) => readSafetensorsRows(file.source, tensor)));
    await file.source.close();
    // Given in another order, which must not matter.
    const ours = encodeSafetensors(tensors.toReversed(), data.toReversed());
    assert.ok(readFileSync(path).equals(ours), "bytes differ");
  });
}

for (const [name, dynamic] of root === undefined
  ? []
  : ([
      ["static", false],
      ["mixed", true],
    ] as const)) {
  test(`llama-tied-w4a8-${name}: schemes and packed words`, () =>
    withCheckpoint(`llama-tied-w4a8-${name}`, async (checkpoint) => {
      const { quantization, tensors } = checkpoint;
      assert.is(quantization?.kvCache, "f32");
      assert.is(quantization?.linear("lm_head"), undefined);
      assert.is(quantization?.linear("model.embed_tokens"), undefined);
      for (const { name: module, input, outFeatures, inFeatures } of linearModules(checkpoint.config)) {
        const kind = dynamic && (input === "o" || input === "down") ? "dynamic" : "static";
        assert.equal(quantization?.linear(module), { weights: "int4", groupSize: 32, activations: { kind } });
        assert.is(tensors.has(`${module}.input_scale`), kind === "static");
        assert.equal(tensors.get(`${module}.weight_packed`)?.shape, [outFeatures, inFeatures / 8]);
        const shape = new BigInt64Array((await checkpoint.readRaw(`${module}.weight_shape`)).slice().buffer);
        assert.equal([...shape].map(Number), [outFeatures, inFeatures]);
      }
    }));
}

test.run();
