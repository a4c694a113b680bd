import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TokenCache } from "../../src/decoding/token-cache.ts";
import { AbortError, NumericError, OptionError } from "../../src/errors.ts";
import { perplexity, type PerplexityProgress } from "../../src/evaluation/perplexity.ts";
import { negativeLogLikelihood, ToyForwardPass } from "../decoding/toy-model.ts";
import { mulberry32 } from "../random.ts";

const test = suite("perplexity (seed 51)");
const V = 7;

/** The next token depends on everything since the chunk began, so that a wrong context gives a wrong loss. */
function logitsAfter(ids: readonly number[]): number[] {
  const hash = ids.reduce((h, id, i) => Math.imul(h ^ (id + 1 + i), 0x01000193), 0x811c9dc5) >>> 0;
  return Array.from({ length: V }, (_, id) => Math.fround(((hash >>> (4 * id)) & 15) / 5));
}
const toy = (chunkSize = Infinity) => new ToyForwardPass({ vocabSize: V, contextSize: 64, chunkSize, logits: logitsAfter });

const random = mulberry32(51);
const TEXT = Array.from({ length: 100 }, () => Math.floor(random() * V));

/** llama-perplexity's loop, by the definition. */
function oracle(ids: readonly number[], n: number, chunks: number, first: number, bos?: number) {
  const losses: number[][] = [];
  const text = bos === undefined ? ids : [bos, ...ids]; // `common_tokenize(ctx, prompt, true)`
  for (let c = 0; c < chunks; c++) {
    const chunk = text.slice(c * n, (c + 1) * n);
    if (bos !== undefined) chunk[0] = bos;
    losses.push([]);
    for (let row = first; row < n - 1; row++) {
      const logits = logitsAfter(chunk.slice(0, row + 1));
      losses[c]!.push(negativeLogLikelihood(logits, chunk[row + 1]!));
    }
  }
  const all = losses.flat();
  const mean = all.reduce((a, b) => a + b) / all.length;
  const variance = all.reduce((a, b) => a + (b - mean) ** 2, 0) / all.length;
  return {
    ppl: Math.exp(mean),
    standardError: Math.exp(mean) * Math.sqrt(variance / (all.length - 1)),
    scored: all.length,
    means: losses.map((chunk) => chunk.reduce((a, b) => a + b) / chunk.length),
  };
}

/**
 * Double precision in another order. At most 200 losses below 8: each of 200 additions rounds by at most
 * 2^-53 of a sum below 1600, of squared deviations below 12800. The deviation that the standard error divides
 * by is at least 0.1.
 */
function assertClose(actual: number, expected: number, what: string): void {
  assert.ok(
    Math.abs(actual - expected) <= 2 ** -53 * 200 * 12800 * 10 * expected,
    `${what}: got ${actual}, expected ${expected}`,
  );
}

for (const n of [4, 5, 16, 33, 64]) {
  for (const chunkSize of [Infinity, 1, 3, 8]) {
    for (const bos of [undefined, 6]) {
      test(`equals the definition: chunks of ${n}, evaluated by ${chunkSize}, ${bos === undefined ? "no bos" : "bos"}`, async () => {
        const chunks = Math.floor((TEXT.length + (bos === undefined ? 0 : 1)) / n);
        const result = await perplexity(toy(chunkSize), TEXT, { contextSize: n, bosTokenId: bos });
        assert.is(result.chunks, chunks);
        assert.is(result.tokens, chunks * n);
        for (const [got, means, expected] of [
          [result.secondHalf, result.meanNllSecondHalf, oracle(TEXT, n, chunks, Math.floor(n / 2), bos)],
          [result.allPositions, result.meanNllAllPositions, oracle(TEXT, n, chunks, 0, bos)],
        ] as const) {
          assert.is(got.scored, expected.scored);
          assertClose(got.ppl, expected.ppl, "ppl");
          assertClose(got.standardError, expected.standardError, "standard error");
          expected.means.forEach((mean, c) => assertClose(means[c]!, mean, `mean of chunk ${c}`));
        }
        assert.is(result.ppl, result.secondHalf.ppl);
        assert.is(result.pplAllPositions, result.allPositions.ppl);
      });
    }
  }
}

test("of 512 tokens, targets 257 to 511 are scored, and 1 to 511", async () => {
  const pass = new ToyForwardPass({ vocabSize: 2, contextSize: 512, logits: () => [0, 0] });
  const { secondHalf, allPositions } = await perplexity(pass, new Int32Array(1100));
  assert.is(secondHalf.scored, 2 * 255);
  assert.is(allPositions.scored, 2 * 511);
  assertClose(secondHalf.ppl, 2, "a fair coin");
  assert.is(secondHalf.standardError, 0, "which never surprises");
});

test("the text is not changed by the bos of a chunk", async () => {
  const ids = [...TEXT];
  await perplexity(toy(), ids, { contextSize: 16, bosTokenId: 6 });
  assert.equal(ids, TEXT);
});

test("fewer chunks on demand, with progress and the estimate so far after each", async () => {
  const seen: PerplexityProgress[] = [];
  const result = await perplexity(toy(), TEXT, { contextSize: 16, chunks: 3, onProgress: (p) => seen.push(p) });
  assert.is(result.chunks, 3);
  assert.equal(
    seen.map(({ phase, done, total, unit }) => ({ phase, done, total, unit })),
    [1, 2, 3].map((done) => ({ phase: "perplexity", done, total: 3, unit: "chunks" })),
  );
  seen.forEach(({ secondHalf }, c) => assertClose(secondHalf.ppl, oracle(TEXT, 16, c + 1, 8).ppl, `after chunk ${c}`));
  assert.equal(seen[2]!.allPositions, result.allPositions);
  assert.is((await perplexity(toy(), TEXT, { contextSize: 16, chunks: 99 })).chunks, 6, "at most what the text has");
});

test("an abort between chunks and within one", async () => {
  for (const at of [1, 4]) {
    const pass = toy(8);
    const controller = new AbortController();
    let passed = 0;
    pass.onChunk = () => {
      if (++passed === at) controller.abort();
    };
    const error = await perplexity(pass, TEXT, { contextSize: 16, signal: controller.signal }).catch((e: unknown) => e);
    assert.instance(error, AbortError);
    assert.is(pass.length, 0);
  }
  const pass = toy();
  const error = await perplexity(pass, TEXT, { contextSize: 16, signal: AbortSignal.abort() }).catch((e: unknown) => e);
  assert.instance(error, AbortError);
  assert.equal(pass.calls, []);
});

test("a conversation in the cache before is forgotten, not mixed in", async () => {
  const pass = toy();
  const cache = new TokenCache(pass);
  await cache.evaluate([1, 2, 3], () => {});
  const { ppl } = await perplexity(pass, TEXT, { contextSize: 16 });
  assert.is(ppl, (await perplexity(toy(), TEXT, { contextSize: 16 })).ppl);
  assert.equal(cache.ids, []);
});

for (const [what, ids, options, message] of [
  ["a text too short", TEXT.slice(0, 15), { contextSize: 16 }, /text: got 15 tokens, need at least 16/],
  ["a chunk larger than the cache", TEXT, { contextSize: 65 }, /contextSize: got 65, need a whole number from 4 to 64/],
  ["a chunk without a second half", TEXT, { contextSize: 3 }, /contextSize: got 3/],
  ["no chunks", TEXT, { contextSize: 16, chunks: 0 }, /chunks: got 0, need a whole number of at least 1/],
] as const) {
  test(`refused with what was got and needed: ${what}`, async () => {
    const error = await perplexity(toy(), ids, options).catch((e: unknown) => e);
    assert.instance(error, OptionError);
    assert.match((error as Error).message, message);
  });
}

test("a loss that is no number is an error naming its place", async () => {
  const pass = new ToyForwardPass({ vocabSize: 2, logits: (ids) => (ids.length === 5 ? [NaN, 0] : [0, 0]) });
  const error = await perplexity(pass, new Int32Array(16), { contextSize: 8 }).catch((e: unknown) => e);
  assert.instance(error, NumericError);
  assert.match((error as Error).message, /token 5 of chunk 0/);
});

test.run();
