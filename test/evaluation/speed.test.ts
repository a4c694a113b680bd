import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AbortError, OptionError } from "../../src/errors.ts";
import { forwardSpeed, type SpeedOptions, type SpeedTest } from "../../src/evaluation/speed.ts";
import { ToyForwardPass } from "../decoding/toy-model.ts";

const test = suite("speed");

const toy = () => new ToyForwardPass({ vocabSize: 11, contextSize: 64, logits: () => new Float32Array(11) });

async function measure(speedTest: Partial<SpeedTest>, options?: SpeedOptions) {
  const forwardPass = toy();
  const result = await forwardSpeed(forwardPass, { promptTokens: 0, generatedTokens: 0, depth: 0, ...speedTest }, options);
  return { forwardPass, ...result };
}

async function failure(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => assert.unreachable("it should have failed"),
    (error: Error) => error,
  ) as Promise<Error>;
}

test("a prompt goes through at once, generated tokens one at a time, after a warm-up", async () => {
  assert.equal((await measure({ promptTokens: 12 }, { repetitions: 2 })).forwardPass.calls, [12, 12, 12]);
  assert.equal((await measure({ generatedTokens: 3 }, { repetitions: 2 })).forwardPass.calls, [1, 1, 1, 1, 1, 1, 1, 1, 1]);
  const both = await measure({ promptTokens: 5, generatedTokens: 2 }, { repetitions: 1, warmup: false });
  assert.equal(both.forwardPass.calls, [5, 1, 1]);
});

test("the depth is evaluated once; the warm-up generates a few tokens only", async () => {
  const { forwardPass } = await measure({ generatedTokens: 20, depth: 30 }, { repetitions: 2 });
  assert.equal(forwardPass.calls, [30, ...Array.from({ length: 16 + 20 + 20 }, () => 1)]);
  assert.equal(forwardPass.cached, []);
});

test("rates are tokens over time, one for each repetition", async () => {
  const { samplesNs, samplesTs } = await measure({ promptTokens: 5, generatedTokens: 2 }, { repetitions: 4 });
  assert.is(samplesNs.length, 4);
  assert.equal(
    samplesTs,
    samplesNs.map((ns) => (1e9 * 7) / ns),
  );
});

/** Contents of the KV cache before each call. */
async function seen(seed: number): Promise<number[]> {
  const forwardPass = toy();
  const ids: number[] = [];
  forwardPass.onChunk = () => ids.push(...forwardPass.cached);
  await forwardSpeed(forwardPass, { promptTokens: 0, generatedTokens: 20, depth: 20 }, { seed, repetitions: 1 });
  return ids;
}

test("ids come from the seed and are in the vocabulary", async () => {
  const first = await seen(1);
  assert.ok(first.every((id) => Number.isInteger(id) && id >= 0 && id < 11));
  assert.equal(await seen(1), first);
  assert.not.equal(await seen(2), first);
});

test("a test that is empty or too long for the cache is refused before anything runs", async () => {
  for (const [speedTest, pattern] of [
    [{}, /test: got no tokens to process, need/],
    [{ promptTokens: 60, depth: 5 }, /got 65 tokens, need at most 64/],
    [{ promptTokens: -1 }, /promptTokens: got -1/],
    [{ promptTokens: 1, depth: 0.5 }, /depth: got 0.5/],
  ] as const) {
    const error = await failure(measure(speedTest));
    assert.instance(error, OptionError);
    assert.match(error.message, pattern);
  }
  assert.instance(await failure(measure({ promptTokens: 1 }, { repetitions: 0 })), OptionError);
});

test("an abort leaves an empty cache", async () => {
  const forwardPass = toy();
  const abort = new AbortController();
  forwardPass.onChunk = () => forwardPass.cached.length >= 8 && abort.abort();
  const work = forwardSpeed(forwardPass, { promptTokens: 0, generatedTokens: 20, depth: 0 }, { signal: abort.signal });
  assert.instance(await failure(work), AbortError);
  assert.equal(forwardPass.cached, []);
});

test.run();
