/** KL divergence of two models over a text: by the definition, whatever the blocks. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AbortError, NumericError, OptionError } from "../../src/errors.ts";
import { klDivergence } from "../../src/evaluation/kl-divergence.ts";
import { textKlDivergence } from "../../src/evaluation/text-divergence.ts";
import { logSoftmax } from "../decoding/toy-model.ts";
import { mulberry32 } from "../random.ts";
import { logitsAfter, toyLanguageModel, VOCABULARY } from "./toy-language-model.ts";

const SEED = 61;
const test = suite(`KL divergence of models (seed ${SEED})`);
const random = mulberry32(SEED);
const TEXT = Array.from({ length: 400 }, () => Math.floor(random() * VOCABULARY));

const baseLogits = (ids: readonly number[]) => logitsAfter(ids);
const otherLogits = (ids: readonly number[]) => logitsAfter(ids).map((value, v) => value + logitsAfter(ids, 1)[v]! / 8);
const models = (chunkSize = Infinity) => ({
  base: toyLanguageModel(baseLogits, { chunkSize }).pass,
  model: toyLanguageModel(otherLogits, { chunkSize }).pass,
});

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
/** The standard error of a mean. */
const standardError = (values: readonly number[]) =>
  Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)) / (values.length - 1));

function oracle(n: number, chunks: number) {
  const [divergences, losses, baseLosses, changes, same] = [[], [], [], [], []] as number[][];
  for (let c = 0; c < chunks; c++) {
    const chunk = TEXT.slice(c * n, (c + 1) * n);
    for (let row = Math.floor(n / 2); row < n - 1; row++) {
      const context = chunk.slice(0, row + 1);
      const [p, q] = [logSoftmax(baseLogits(context)), logSoftmax(otherLogits(context))];
      const target = chunk[row + 1]!;
      divergences!.push(p.reduce((sum, lnP, v) => sum + Math.exp(lnP) * (lnP - q[v]!), 0));
      baseLosses!.push(-p[target]!);
      losses!.push(-q[target]!);
      changes!.push(Math.exp(q[target]!) - Math.exp(p[target]!));
      same!.push(p.indexOf(Math.max(...p)) === q.indexOf(Math.max(...q)) ? 1 : 0);
    }
  }
  return { divergences: divergences!, losses: losses!, baseLosses: baseLosses!, changes: changes!, same: same! };
}

const close = (actual: number, expected: number, what: string) =>
  assert.ok(
    Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected)),
    `${what}: got ${actual}, expected ${expected}`,
  );

for (const n of [4, 17, 180]) {
  for (const chunkSize of [Infinity, 7]) {
    test(`equals the definition: chunks of ${n}, evaluated by ${chunkSize}`, async () => {
      const { base, model } = models(chunkSize);
      const result = await klDivergence(base, model, TEXT, { contextSize: n, chunks: 2 });
      const expected = oracle(n, 2);
      assert.is(result.chunks, 2);
      assert.is(result.tokens, 2 * n);
      assert.is(result.scored, expected.losses.length);
      close(result.kld.mean.value, mean(expected.divergences), "mean KLD");
      close(result.kld.mean.standardError, standardError(expected.divergences), "its error");
      close(result.kld.maximum, Math.max(...expected.divergences), "maximum");
      close(result.kld.minimum, Math.min(...expected.divergences), "minimum");
      close(result.ppl.value, Math.exp(mean(expected.losses)), "ppl");
      close(result.basePpl.value, Math.exp(mean(expected.baseLosses)), "base ppl");
      const differences = expected.losses.map((loss, i) => loss - expected.baseLosses[i]!);
      close(result.lnPplRatio.value, mean(differences), "ln ratio");
      close(result.lnPplRatio.standardError, standardError(differences), "its error is that of the paired differences");
      close(result.pplRatio.value, Math.exp(mean(differences)), "ratio");
      close(result.deltaP.mean.value, mean(expected.changes), "change of p");
      close(result.rmsDeltaP.value, Math.sqrt(mean(expected.changes.map((change) => change ** 2))), "rms change");
      close(result.sameTop.value, mean(expected.same), "same top");
      assert.is(base.length + model.length, 0);
    });
  }
}

test("quantiles interpolate between neighbours", async () => {
  const { base, model } = models();
  const { kld } = await klDivergence(base, model, TEXT, { contextSize: 100 });
  const sorted = oracle(100, 4).divergences.toSorted((a, b) => a - b);
  for (const { fraction, value } of [{ fraction: 0.5, value: kld.median }, ...kld.quantiles]) {
    const place = fraction * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
    close(value, low + (place - Math.floor(place)) * (high - low), `${fraction}`);
  }
});

test("a model does not diverge from itself", async () => {
  const [base, model] = [models().base, models().base];
  const { kld, sameTop, pplRatio, deltaP } = await klDivergence(base, model, TEXT, { contextSize: 32 });
  assert.equal([kld.mean.value, kld.maximum, deltaP.maximum], [0, 0, 0]);
  assert.equal([sameTop.value, pplRatio.value, pplRatio.standardError], [1, 1, 0]);
});

test("progress with the statistics so far, and an abort that leaves both caches empty", async () => {
  const { base, model } = models();
  const seen: number[] = [];
  const controller = new AbortController();
  const run = klDivergence(base, model, TEXT, {
    contextSize: 100,
    signal: controller.signal,
    onProgress: ({ done, total, statistics }) => {
      seen.push(done, total, statistics.scored);
      if (done === 2) controller.abort();
    },
  });
  assert.instance(await run.catch((error: unknown) => error), AbortError);
  assert.equal(seen, [1, 4, 49, 2, 4, 98]);
  assert.is(base.length + model.length, 0);
});

test("refused: a short text, vocabularies of different size or with different tokens", async () => {
  const { base, model } = models();
  const failure = async (work: Promise<unknown>) => (await work.catch((error: unknown) => error)) as Error;
  const short = await failure(klDivergence(base, model, TEXT.slice(0, 9), { contextSize: 10 }));
  assert.instance(short, OptionError);
  assert.match(short.message, /text: got 9 tokens, need at least 10/);
  const small = toyLanguageModel(() => [0, 0], { vocabSize: 2 });
  assert.match(
    (await failure(klDivergence(base, small.pass, TEXT))).message,
    /vocabulary: got 2 tokens, need 128, those of the base model/,
  );
  const [one, other] = [toyLanguageModel(baseLogits).model, toyLanguageModel(baseLogits).model];
  Object.assign(other.tokenizer, { idToToken: (id: number) => (id === 65 ? "Z" : String.fromCodePoint(id)) });
  assert.match((await failure(textKlDivergence(one, other, "text"))).message, /vocabulary: id 65: got "Z", need "A"/);
});

test("a value that is no number is an error naming its chunk", async () => {
  const { base } = models();
  const broken = toyLanguageModel((ids) =>
    ids.length > 5 ? Array.from({ length: VOCABULARY }, () => Number.NaN) : baseLogits(ids),
  );
  const error = await klDivergence(base, broken.pass, TEXT, { contextSize: 10 }).catch((caught: unknown) => caught);
  assert.instance(error, NumericError);
  assert.match((error as Error).message, /chunk 0/);
});

test.run();
