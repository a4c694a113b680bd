import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TokenCache } from "../../src/decoding/token-cache.ts";
import { AbortError, CapabilityError } from "../../src/errors.ts";
import { mulberry32 } from "../random.ts";
import { ToyForwardPass } from "./toy-model.ts";

const test = suite("token cache (seed 31)");

/** Logits that tell the whole context: V values from a hash of all ids. */
const hashOf = (ids: readonly number[]) => ids.reduce((h, id) => Math.imul(h ^ (id + 1), 0x01000193), 0x811c9dc5) >>> 0;
const toy = (options: { chunkSize?: number; contextSize?: number } = {}) =>
  new ToyForwardPass({ vocabSize: 4, logits: (ids) => [hashOf(ids) / 2 ** 32, 0, 0, 0], ...options });
const fail = () => {
  throw new RangeError("reader");
};
const read = (logits: Float32Array) => logits[0]!;

test("whatever was cached, the logits are those of the whole sequence, and only what differs is evaluated", async () => {
  const random = mulberry32(31);
  const pass = toy();
  const cache = new TokenCache(pass);
  let before: number[] = [];
  for (let round = 0; round < 200; round++) {
    const keep = Math.floor(random() * (before.length + 1));
    const ids = [
      ...before.slice(0, keep),
      ...Array.from({ length: 1 + Math.floor(random() * 5) }, () => Math.floor(random() * 2)),
    ];
    if (ids.length > 40) ids.length = 7;
    let common = 0;
    while (common < Math.min(before.length, ids.length - 1) && before[common] === ids[common]) common++;
    assert.is(await cache.evaluate(ids, read), Math.fround(hashOf(ids) / 2 ** 32));
    assert.is(pass.calls.at(-1), ids.length - common);
    assert.equal(cache.ids, ids);
    assert.equal(pass.cached, ids);
    before = ids;
  }
});

test("the same sequence again evaluates its last id, whose logits are wanted", async () => {
  const pass = toy();
  const cache = new TokenCache(pass);
  await cache.evaluate([1, 2, 3], read);
  await cache.evaluate([1, 2, 3], read);
  await cache.evaluate([1, 2], read);
  assert.equal(pass.calls, [3, 1, 1]);
  assert.equal(cache.ids, [1, 2]);
});

test("after an abort the cache knows which whole chunks it kept, and goes on from there", async () => {
  const pass = toy({ chunkSize: 2 });
  const cache = new TokenCache(pass);
  const controller = new AbortController();
  let chunks = 0;
  pass.onChunk = () => {
    if (++chunks === 3) controller.abort();
  };
  const error = await cache.evaluate([1, 2, 3, 0, 1, 2], read, controller.signal).catch((e: unknown) => e);
  assert.instance(error, AbortError);
  assert.equal(cache.ids, [1, 2, 3, 0]);
  await cache.evaluate([1, 2, 3, 0, 1, 2], read);
  assert.equal(pass.calls, [6, 2]);
});

test("an abort before anything was evaluated takes nothing from what was there, its last id included", async () => {
  const pass = toy({ chunkSize: 2 });
  const cache = new TokenCache(pass);
  await cache.evaluate([1, 2], read);
  cache.give([1, 2, 3], 3);
  cache.settle();
  assert.equal(
    [cache.ids, pass.cached],
    [
      [1, 2, 3],
      [1, 2],
    ],
  );
  const controller = new AbortController();
  pass.onChunk = () => controller.abort();
  for (const ids of [
    [1, 2, 3],
    [1, 2, 3, 0],
  ]) {
    const error = await cache.evaluate(ids, read, controller.signal).catch((e: unknown) => e);
    assert.instance(error, AbortError);
    assert.equal(cache.ids, [1, 2, 3]);
  }
});

test("a text that was given is left as it was given, more or less of it evaluated; another's is not touched", () => {
  const pass = toy();
  const cache = new TokenCache(pass);
  pass.append([1, 2, 3, 0]);
  const text = [1, 2];
  cache.give(text, 2);
  assert.equal(cache.givenIds, [1, 2]);
  cache.leave([1, 2]);
  assert.equal(cache.ids, [1, 2, 3, 0]);
  cache.leave(text);
  assert.equal(
    [cache.ids, cache.givenIds],
    [
      [1, 2],
      [1, 2],
    ],
  );
});

test("a pass that someone else emptied is noticed", async () => {
  const pass = toy();
  const cache = new TokenCache(pass);
  await cache.evaluate([1, 2, 3], read);
  pass.truncate(0);
  assert.equal(cache.ids, []);
  await cache.evaluate([1, 2, 3], read);
  cache.clear();
  await cache.evaluate([1, 2, 3, 0], read);
  assert.equal(pass.calls, [3, 3, 4]);
});

test("two evaluations at once are refused, and the first is not disturbed", async () => {
  const cache = new TokenCache(toy());
  const first = cache.evaluate([1, 2], read);
  assert.instance(await cache.evaluate([3], read).catch((e: unknown) => e), CapabilityError);
  assert.is(await first, Math.fround(hashOf([1, 2]) / 2 ** 32));
  await cache.evaluate([3], read);
});

test("an error while reading the logits leaves the cache usable", async () => {
  const pass = toy();
  const cache = new TokenCache(pass);
  assert.instance(await cache.evaluate([1, 2], fail).catch((e: unknown) => e), RangeError);
  await cache.evaluate([1, 2, 3], read);
  assert.equal(pass.calls, [2, 1]);
});

test.run();
