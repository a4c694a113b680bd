/**
 * Layers in several memories: the same bits as in one, whatever the division, and nothing left behind. Where
 * a model begins and ends (embedding, tied or own head) and what crosses from memory to memory is each
 * architecture's own, so all there are run divided too.
 */
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Architecture, ModelConfig } from "../../src/architecture/model-config.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { AbortError, CapabilityError, DisposedError, OptionError } from "../../src/errors.ts";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import { openLocation } from "../../src/host/node/node-files.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { memoryNeeded } from "../../src/model/plan-model.ts";
import type { Sequence } from "../../src/model/sequences/sequence.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { quantizedTinyModel } from "../quantized-tiny-model.ts";
import { mulberry32 } from "../random.ts";
import { sharedData } from "../shared-data.ts";
import { tinyModel } from "../tiny-model.ts";
import { limitFor } from "./divided.ts";

const SEED = 211;
const test = suite(`several memories (seed ${SEED})`);
const random = mulberry32(SEED);
const V = 320;
const drawIds = (count: number) => Array.from({ length: count }, () => Math.floor(random() * V));

const SIZE = { threads: 1, contextSize: 256, chunkSize: 48, cacheTokens: 4096 } as const;
const load = (checkpoint: Checkpoint, options: LoadOptions = {}, host: Host = nodeHost) =>
  Transformer.load(checkpoint, host, { ...SIZE, ...options });

/** Logits of all ids at once, then of more, one at a time. */
async function logitsOf(sequence: Pick<Sequence, "forward">, prompt: readonly number[], more: readonly number[]) {
  const logits = new Float32Array((prompt.length + more.length) * V);
  await sequence.forward(prompt, { logits: ({ values, firstRow }) => logits.set(values, firstRow * V) });
  for (const [i, id] of more.entries()) {
    logits.set((await sequence.forward([id], { logits: "last" }))!, (prompt.length + i) * V);
  }
  return logits;
}

/** Four layers: the first with the embedding, the last with the head, each in a memory. */
const FOUR = { layers: 4 };
const open = (architecture: Architecture, config: Partial<ModelConfig> = {}) =>
  openSafetensorsCheckpoint(tinyModel(SEED, { architecture, config: { ...FOUR, ...config } }));
const convolutions = { qkNorm: "head", convolutionLayers: [0, 2], convolutionLength: 4, convolutionBias: true } as const;
const MODELS: readonly (readonly [name: string, checkpoint: Checkpoint])[] = [
  ["tied head", await open("llama")],
  ["own head", await open("llama", { tiedEmbedding: false })],
  ["sliding windows", await open("mistral")],
  ["short convolutions", await open("lfm2", convolutions)],
  ["W4A8", await quantizedTinyModel(SEED, {}, { config: FOUR })],
  ["W4A8, turned residual stream", await quantizedTinyModel(SEED, { transforms: ["residual", "down"] }, { config: FOUR })],
];

for (const [name, checkpoint] of MODELS) {
  test(`${name}: prefill and decode in up to 4 memories, by one and two threads`, async () => {
    const [prompt, more] = [drawIds(130), drawIds(4)];
    const whole = await load(checkpoint);
    assert.is(whole.memories, 1);
    const expected = await logitsOf(whole, prompt, more);
    await whole.dispose();
    // A small embedding is hardly a page, so that no limit may have room for two layers and not for it too.
    for (const memories of name.startsWith("W4A8") ? [2, 4] : [2, 3, 4]) {
      for (const threads of memories === 4 ? [1, 2] : [1]) {
        const memoryLimit = await limitFor(checkpoint, { ...SIZE, threads }, memories);
        const model = await load(checkpoint, { memoryLimit, threads });
        assert.equal([model.memories, model.threads], [memories, threads]);
        assertSameBits(await logitsOf(model, prompt, more), expected, `${memories} memories, ${threads} threads`);
        await model.dispose();
      }
    }
  });

  test(`${name}: sequences in one pass, forked, cut, saved and restored, from one division to another`, async () => {
    const texts = [70, 129, 3, 64].map(drawIds);
    const more = drawIds(3);
    const whole = await load(checkpoint);
    const alone = async (ids: readonly number[]) => {
      using sequence = whole.createSequence();
      return (await logitsOf(sequence, ids, more)).slice(ids.length * V);
    };
    const goOn = async (sequence: Sequence) => logitsOf(sequence, [], more);
    const [two, four] = [await limitFor(checkpoint, SIZE, 2), await limitFor(checkpoint, SIZE, 4)];
    const [first, second] = [await load(checkpoint, { memoryLimit: four }), await load(checkpoint, { memoryLimit: two })];
    const sequences = texts.map(() => first.createSequence());
    await Promise.all(sequences.map((sequence, i) => sequence.forward(texts[i]!, { logits: "none" })));
    const saved = await Promise.all(sequences.map((sequence) => sequence.save()));
    const forks = sequences.map((sequence) => sequence.fork());
    for (const found of [sequences, forks]) {
      const logits = await Promise.all(found.map(goOn));
      for (const [i, values] of logits.entries()) assertSameBits(values, await alone(texts[i]!), `sequence ${i}`);
    }
    for (const [i, sequence] of forks.entries()) {
      const length = Math.floor(texts[i]!.length / 2);
      sequence.truncate(length);
      assertSameBits(await goOn(sequence), await alone(texts[i]!.slice(0, length)), `sequence ${i}, cut`);
    }
    for (const [i, bytes] of saved.entries()) {
      for (const model of [second, whole]) {
        using sequence = model.createSequence();
        await sequence.restore(bytes);
        assertSameBits(await goOn(sequence), await alone(texts[i]!), `sequence ${i}, restored`);
        assert.is(sequence.evaluated, (texts[i]!.length % 64) + more.length, "whole blocks were there");
      }
    }
    await Promise.all([whole, first, second].map((model) => model.dispose()));
  });
}

const REFERENCES = sharedData("reference/tiny");
for (const name of REFERENCES === undefined ? [] : readdirSync(REFERENCES)) {
  test(`${name} gives the same bits in two memories and in as many as it has parts`, async () => {
    const checkpoint = await openCheckpoint(await openLocation(`${REFERENCES}/${name}`));
    const { headless, vocabSize, hiddenSize } = checkpoint.config;
    const ids = drawIds(20).map((id) => id % vocabSize);
    const options = { threads: 1, contextSize: 32, cacheTokens: 4096 };
    const values = async (memoryLimit?: number) => {
      const model = await Transformer.load(checkpoint, nodeHost, { ...options, memoryLimit });
      const width = headless ? hiddenSize : vocabSize;
      const found = new Float32Array(ids.length * width);
      const read = ({ values: rows, firstRow }: { values: Float32Array; firstRow: number }) => found.set(rows, firstRow * width);
      await model.forward(ids, headless ? { logits: "none", states: { of: "all", read } } : { logits: read });
      await model.dispose();
      return found;
    };
    const expected = await values();
    for (const memories of [2, 3]) {
      const limit = await limitFor(checkpoint, options, memories);
      assertSameBits(await values(limit), expected, `${memories} memories`);
    }
    await checkpoint.close();
  });
}

test("one worker serves all memories, and ends with the model, as with a load that failed", async () => {
  const [, checkpoint] = MODELS[1]!;
  const memoryLimit = await limitFor(checkpoint, { ...SIZE, threads: 2 }, 4);
  const workers = { started: 0, ended: 0 };
  const spawnWorker: NonNullable<Host["spawnWorker"]> = (start) => {
    workers.started++;
    const handle = nodeHost.spawnWorker!(start);
    return { ...handle, end: async () => (await handle.end(), void workers.ended++) };
  };
  const host = { ...nodeHost, spawnWorker };
  const model = await load(checkpoint, { memoryLimit, threads: 2 }, host);
  await model.forward(drawIds(9), { logits: "last" });
  assert.equal([model.memories, workers], [4, { started: 1, ended: 0 }]);
  await model.dispose();
  assert.equal(workers, { started: 1, ended: 1 });
  assert.throws(() => model.kernels.memory, (error: unknown) => error instanceof DisposedError); // prettier-ignore

  const controller = new AbortController();
  const options = { memoryLimit, threads: 2, signal: controller.signal, onProgress: () => controller.abort() };
  assert.instance(await load(checkpoint, options, host).catch((error: unknown) => error), AbortError);
  // One that is being started is told to end, and not waited for.
  for (let wait = 0; workers.ended < 2 && wait < 2000; wait++) await sleep(5);
  assert.equal(workers, { started: 2, ended: 2 });
});

test("a layer that fits in no memory, and memory that is refused, are typed errors with the numbers", async () => {
  const [, checkpoint] = MODELS[1]!;
  const failure = (options: LoadOptions) => load(checkpoint, options).then(() => new Error("none"), (error: unknown) => error as Error); // prettier-ignore
  const smallest = await limitFor(checkpoint, SIZE, 4);
  let error = await failure({ memoryLimit: smallest - 24 * 65_536 });
  assert.instance(error, CapabilityError);
  assert.match(error.message, /^model\.layers\.0: needs \d+ bytes in one memory, which has room for \d+; /);
  error = await failure({ memoryLimit: 2 ** 19 });
  assert.instance(error, CapabilityError);
  assert.match(error.message, /needs \d+ bytes on top of \d+ already planned; this memory has at most 524224$/);
  for (const memoryLimit of [0, -1, 1.5, 2 ** 32 + 1, NaN]) {
    error = await failure({ memoryLimit });
    assert.instance(error, OptionError);
    assert.match(error.message, /^memoryLimit: got /);
  }
});

test("what is planned is what is made, whatever the division", async () => {
  const [, checkpoint] = MODELS[0]!;
  const { weights, kvCache } = (await memoryNeeded(checkpoint, nodeHost, SIZE)).bytes;
  for (const memories of [2, 3, 4]) {
    const options = { ...SIZE, memoryLimit: await limitFor(checkpoint, SIZE, memories) };
    const { bytes } = await memoryNeeded(checkpoint, nodeHost, options);
    const model = await load(checkpoint, options);
    assert.equal(model.memory(), bytes);
    assert.is(bytes.kvCache, kvCache, "no layer's cache is there twice");
    // Each memory has the tables of positions of its own, 2 x 256 x 8 floats and frequencies.
    assert.is(bytes.weights - weights, (memories - 1) * (4 * 2 * 256 * 8 + 64));
    await model.dispose();
  }
});

test.run();
