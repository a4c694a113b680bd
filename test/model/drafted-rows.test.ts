/**
 * Rows that may be for nothing: they have the bits they would have one by one, leave no trace where they are
 * forgotten or fail, and take nothing from other sequences.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { NumericError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { PassTime } from "../../src/model/forward-pass.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import type { Sequence } from "../../src/model/sequences/sequence.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { SIMD_BUILDS } from "../kernels/kernel-memory.ts";
import { quantizedTinyModel } from "../quantized-tiny-model.ts";
import { mulberry32 } from "../random.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 97;
const test = suite(`drafted rows (seed ${SEED})`);
const random = mulberry32(SEED);
const floats = await openSafetensorsCheckpoint(tinyModel(SEED));
const quantized = await quantizedTinyModel(SEED);
const V = floats.config.vocabSize;

const drawIds = (count: number) => Array.from({ length: count }, () => Math.floor(random() * V));
const load = (checkpoint: Checkpoint, options: LoadOptions = {}) =>
  Transformer.load(checkpoint, nodeHost, { threads: 1, contextSize: 256, chunkSize: 48, cacheTokens: 1024, ...options });

/** Logits of all rows of a call whose last ids are drafts. */
async function drafted(sequence: Sequence, ids: readonly number[], drafts: number, passes: PassTime[] = []) {
  const rows: Float32Array[] = [];
  await sequence.forward(ids, {
    drafts,
    onPass: (pass) => passes.push(pass),
    logits: ({ values, firstRow, rows: count }) => {
      assert.is(firstRow, rows.length);
      for (let row = 0; row < count; row++) rows.push(values.slice(row * V, (row + 1) * V));
    },
  });
  return rows;
}

for (const [kind, checkpoint] of [["floats", floats], ["W4A8", quantized]] as const) {
  test(`${kind}: logits after each draft are those of the same ids one by one`, async () => {
    for (const build of SIMD_BUILDS) {
      for (const threads of [1, 2]) {
        const model = await load(checkpoint, { build, threads });
        for (const length of [1, 40, 62, 63, 64, 120]) {
          for (const drafts of [1, 2, 3, 7, 16]) {
            const ids = drawIds(length + 1 + drafts);
            using one = model.createSequence();
            using many = model.createSequence();
            for (const sequence of [one, many]) await sequence.forward(ids.slice(0, length), { logits: "none" });
            const passes: PassTime[] = [];
            const found = await drafted(many, ids.slice(length), drafts, passes);
            assert.is(found.length, 1 + drafts);
            assert.equal(passes.map(({ rows }) => rows), [1 + drafts]); // prettier-ignore
            for (const [row, logits] of found.entries())
              assertSameBits(logits, (await one.forward([ids[length + row]!], { logits: "last" }))!, `${length}, row ${row}`);
            // Two are kept, and it goes on.
            const kept = length + 1 + Math.min(2, drafts);
            for (const sequence of [one, many]) sequence.truncate(kept);
            const next = drawIds(1);
            const [a, b] = [await one.forward(next, { logits: "last" }), await many.forward(next, { logits: "last" })];
            assertSameBits(b!, a!, `${length}, after ${kept}`);
          }
        }
        await model.dispose();
      }
    }
  });
} // prettier-ignore

test("beside others there are no drafts: each has the one row it needs", async () => {
  const model = await load(floats);
  const sequences = [1, 2, 3].map(() => model.createSequence());
  await Promise.all(sequences.map((sequence) => sequence.forward(drawIds(9), { logits: "none" })));
  const passes: PassTime[] = [];
  const found = await Promise.all(sequences.map((sequence) => drafted(sequence, drawIds(5), 4, passes)));
  assert.equal(found.map(({ length }) => length), [1, 1, 1]); // prettier-ignore
  assert.equal(sequences.map(({ length }) => length), [10, 10, 10]); // prettier-ignore
  assert.equal(passes, [], "a pass of several is nobody's");
  assert.is((await drafted(sequences[0]!, drawIds(5), 4, passes)).length, 5);
  await model.dispose();
});

test("a pass has no more rows than it can", async () => {
  const model = await load(floats, { chunkSize: 6 });
  using sequence = model.createSequence();
  await sequence.forward(drawIds(3), { logits: "none" });
  assert.is((await drafted(sequence, drawIds(17), 16)).length, 6);
  assert.is(sequence.length, 9);
  await model.dispose();
});

test("drafts take free blocks, and none that another sequence has", async () => {
  const model = await load(floats, { cacheTokens: 128, contextSize: 128 });
  using sequence = model.createSequence();
  await sequence.forward(drawIds(60), { logits: "none" });
  const idle = model.createSequence();
  await idle.forward(drawIds(64), { logits: "none" });
  assert.is((await drafted(sequence, drawIds(9), 8)).length, 4, "64 tokens are a block");
  assert.is(idle.held.length, 64);
  sequence.truncate(61);
  idle.dispose();
  assert.is((await drafted(sequence, drawIds(9), 8)).length, 9);
  await model.dispose();
});

test("a call that ends early keeps no draft: by an abort, or by an error of who reads", async () => {
  const model = await load(floats);
  using sequence = model.createSequence();
  await sequence.forward(drawIds(20), { logits: "none" });
  const fail = () => {
    throw new RangeError("reader");
  };
  const failed = await sequence.forward(drawIds(6), { logits: fail, drafts: 5 }).catch((error: unknown) => error);
  assert.instance(failed, RangeError);
  assert.is(sequence.length, 21);
  assert.is(sequence.held.length, 21);
  const signal = AbortSignal.abort();
  const aborted = await sequence.forward(drawIds(6), { logits: () => {}, drafts: 5, signal }).catch((error: unknown) => error);
  assert.is((aborted as Error).name, "AbortError");
  assert.is(sequence.length, 21);
  await model.dispose();
});

test("numbers that break behind a draft break the call, and nothing stays of it", async () => {
  const BAD = 11;
  const poisoned = checkpointView(floats, {
    readF32: async (name: string, options?: Parameters<Checkpoint["readF32"]>[1]) => {
      const values = await floats.readF32(name, options);
      const [begin, end] = options?.rows ?? [0, V];
      if (name === "model.embed_tokens.weight" && begin <= BAD && BAD < end)
        values[(BAD - begin) * floats.config.hiddenSize] = NaN;
      return values;
    },
  });
  const model = await load(poisoned);
  using sequence = model.createSequence();
  const fine = (count: number) => drawIds(count).map((id) => (id === BAD ? 0 : id));
  await sequence.forward(fine(10), { logits: "none" });
  const error = await drafted(sequence, [...fine(2), BAD], 2).catch((thrown: unknown) => thrown);
  assert.instance(error, NumericError);
  assert.is(sequence.length, 10);
  await sequence.forward(fine(3), { logits: "none" });
  assert.is(sequence.length, 13);
  await model.dispose();
});

test.run();
