import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { USUAL } from "../../../src/architecture/model-config.ts";
import { openGgufCheckpoint } from "../../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { memoryFile } from "./gguf-fixture.ts";
import { sharedFile } from "../../shared-data.ts";

const test = suite("gguf: SmolLM2-135M-Instruct");
const file = sharedFile("models/SmolLM2-135M-Instruct.Q4_1.gguf");
const golden = JSON.parse(readFileSync(new URL("golden/smollm2-tensors.json", import.meta.url), "utf8")) as {
  source: string;
  sha256: Record<string, string>;
};

if (file !== undefined) {
  test("configuration", async () => {
    const { config, generation, tensors, notes } = await openGgufCheckpoint(memoryFile(file));
    assert.equal(
      { ...config, attentionWindows: new Set(config.attentionWindows) },
      {
        ...USUAL, architecture: "llama", vocabSize: 49152, hiddenSize: 576, layers: 30, heads: 9, kvHeads: 3, headDim: 64, ffnSize: 1536,
        rmsNormEps: 1e-5, ropeTheta: 100000, ropeScaling: { kind: "none" }, contextLength: 8192, attentionWindows: new Set([0]),
        tiedEmbedding: true, attentionBias: "none", mlpBias: false, qkNorm: "none", norm: "rms", positions: "rope", rotaryDim: 64, headBias: false, activation: "silu", gatedMlp: true, parallelResidual: false,
      },
    ); // prettier-ignore
    assert.equal(generation, { eosTokenIds: [2], sampling: {} });
    assert.is(tensors.size, 272);
    assert.equal(notes, []);
  });

  test(`tensors have the bits of ${golden.source}`, async () => {
    const checkpoint = await openGgufCheckpoint(memoryFile(file));
    for (const [name, sha256] of Object.entries(golden.sha256)) {
      const { buffer } = await checkpoint.readF32(name);
      assert.is(createHash("sha256").update(new Uint8Array(buffer)).digest("hex"), sha256, name);
    }
  });

  test("reading the whole model", async () => {
    const started = performance.now();
    const checkpoint = await openGgufCheckpoint(memoryFile(file));
    const opened = performance.now();
    let elements = 0;
    for (const name of checkpoint.tensors.keys()) elements += (await checkpoint.readF32(name)).length;
    const read = performance.now();
    assert.is(elements, 134515008);
    console.log(
      `\nfigure: header ${(opened - started).toFixed(0)} ms, all ${elements} elements ${(read - opened).toFixed(0)} ms`,
    );
  });
}

test.run();
