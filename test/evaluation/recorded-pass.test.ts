import { suite } from "uvu";
import * as assert from "uvu/assert";
import { klDivergence } from "../../src/evaluation/kl-divergence.ts";
import { RecordedPass } from "../../src/evaluation/recorded-pass.ts";
import { ToyForwardPass } from "../decoding/toy-model.ts";
import { mulberry32 } from "../random.ts";

const test = suite("recorded pass (seed 71)");
const V = 7;

/** Everything since the chunk began and the seed decide, so that a wrong context gives other logits. */
const toy = (seed: number, chunkSize = 3) =>
  new ToyForwardPass({
    vocabSize: V,
    contextSize: 64,
    chunkSize,
    logits: (ids) => {
      const hash = ids.reduce((h, id, i) => Math.imul(h ^ (id + 1 + i), 0x01000193), 0x811c9dc5 ^ seed) >>> 0;
      return Array.from({ length: V }, (_, id) => Math.fround(((hash >>> (4 * id)) & 15) / 5));
    },
  });

const evaluated = ({ calls }: ToyForwardPass) => calls.reduce((sum, ids) => sum + ids, 0);

const random = mulberry32(71);
const TEXT = Array.from({ length: 100 }, () => Math.floor(random() * V));

for (const contextSize of [16, 33, 64]) {
  test(`chunks of ${contextSize}: the same statistics as without it, and the base is run once`, async () => {
    const pass = toy(1);
    const recorded = new RecordedPass(pass);
    const expected = await klDivergence(toy(1), toy(2), TEXT, { contextSize });
    assert.equal(await klDivergence(recorded, toy(2), TEXT, { contextSize }), expected);
    const once = evaluated(pass);
    assert.is(once, Math.floor(TEXT.length / contextSize) * (contextSize - 1));
    assert.equal(await klDivergence(recorded, toy(2), TEXT, { contextSize }), expected);
    const third = await klDivergence(toy(1), toy(3), TEXT, { contextSize });
    assert.equal(await klDivergence(recorded, toy(3), TEXT, { contextSize }), third);
    assert.is(evaluated(pass), once);
    assert.is(recorded.length, 0);
    assert.is(pass.length, 0);
  });
}

test("keeps no more bytes than it may, and runs the model again for the rest", async () => {
  const pass = toy(1);
  const scored = 8 - 1;
  const recorded = new RecordedPass(pass, 2 * 4 * V * scored);
  const expected = await klDivergence(toy(1), toy(2), TEXT, { contextSize: 16 });
  for (const runs of [6, 6 + 4]) {
    assert.equal(await klDivergence(recorded, toy(2), TEXT, { contextSize: 16 }), expected);
    assert.is(evaluated(pass), 15 * runs);
  }
});

test("goes on where an interrupted recording ended", async () => {
  const pass = toy(1);
  const recorded = new RecordedPass(pass);
  await klDivergence(recorded, toy(2), TEXT, { contextSize: 16, chunks: 2 });
  const interrupted = new AbortController();
  const chunks = klDivergence(recorded, toy(2), TEXT, {
    contextSize: 16,
    signal: interrupted.signal,
    onProgress: ({ done }) => done === 4 && interrupted.abort(),
  });
  await chunks.then(
    () => assert.unreachable(),
    () => {},
  );
  assert.is(pass.length, 0);
  const expected = await klDivergence(toy(1), toy(2), TEXT, { contextSize: 16 });
  assert.equal(await klDivergence(recorded, toy(2), TEXT, { contextSize: 16 }), expected);
});

test("refuses what it has not recorded", async () => {
  const recorded = new RecordedPass(toy(1));
  let refused = false;
  await recorded.forward([1, 2], { logits: (block) => void recorded.crossEntropy(block, [2, 3]) });
  recorded.truncate(0);
  await recorded.forward([1, 2], {
    logits: (block) => {
      assert.throws(() => recorded.crossEntropy(block, [2, 4]), /other targets/);
      refused = true;
    },
  });
  assert.ok(refused);
});

test.run();
