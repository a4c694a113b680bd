import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkFinite, draw, minP, penalizeRepetition, topK, topP } from "../../../src/decoding/sampling/logits-processors.ts";
import { NumericError } from "../../../src/errors.ts";
import { mulberry32, normal } from "../../random.ts";
import { softmax } from "../toy-model.ts";

const test = suite("logits processors (seed 11)");
const random = mulberry32(11);
const gaussian = normal(random);

// Naive definitions, on all tokens sorted.
const ranked = (logits: Float32Array) => Array.from(logits.keys()).toSorted((a, b) => logits[b]! - logits[a]! || a - b);
const naiveTopP = (probabilities: Float32Array, ids: number[], p: number) => {
  const mass = ids.reduce((sum, id) => sum + probabilities[id]!, 0);
  for (let n = 1; n <= ids.length; n++) {
    if (ids.slice(0, n).reduce((sum, id) => sum + probabilities[id]!, 0) >= p * mass) return n;
  }
  return undefined;
};

/** Logits of several kinds: spread, all ties, many ties, of both signs and with both zeros. */
const KINDS: Record<string, (V: number) => Float32Array> = {
  gaussian: (V) => Float32Array.from({ length: V }, () => 3 * gaussian()),
  equal: (V) => new Float32Array(V).fill(-1.5),
  coarse: (V) => Float32Array.from({ length: V }, () => Math.round(2 * gaussian())),
  zeros: (V) => Float32Array.from({ length: V }, () => (random() < 0.5 ? -0 : 0)),
  ascending: (V) => Float32Array.from({ length: V }, (_, i) => i - V / 2),
  descending: (V) => Float32Array.from({ length: V }, (_, i) => V / 2 - i),
  extreme: (V) => Float32Array.from({ length: V }, () => gaussian() * 10 ** (60 * random() - 30)),
};

for (const [kind, make] of Object.entries(KINDS)) {
  for (const V of [1, 2, 3, 7, 8, 9, 64, 1000]) {
    test(`top-k equals the first k of a full sort: ${kind} V=${V}`, () => {
      const logits = make(V);
      const expected = ranked(logits);
      for (const k of new Set([1, 2, 3, Math.ceil(V / 9), Math.ceil(V / 8), Math.ceil(V / 2), V - 1, V, V + 1, Infinity])) {
        if (k < 1) continue;
        const ids = new Uint32Array(V + 1).fill(0xffffffff);
        const count = topK(logits, k, ids, new Float64Array(V));
        assert.is(count, Math.min(k, V));
        assert.equal(Array.from(ids.subarray(0, count)), expected.slice(0, count), `k=${k}`);
        assert.is(ids[V], 0xffffffff, "wrote past the end");
      }
    });
  }
}

for (const V of [1, 2, 17, 300]) {
  test(`top-p and min-p keep what their definitions keep: V=${V}`, () => {
    for (let round = 0; round < 20; round++) {
      const logits = KINDS[round % 2 === 0 ? "gaussian" : "coarse"]!(V);
      const probabilities = softmax(logits, 1);
      const order = ranked(logits);
      const ids = Uint32Array.from(order);
      for (const count of [1, Math.ceil(V / 2), V]) {
        const candidates = order.slice(0, count);
        const mass = candidates.reduce((sum, id) => sum + probabilities[id]!, 0);
        for (const p of [0, 1e-6, 0.1, 0.5, 0.9, 0.95, 0.999, 1]) {
          assert.is(topP(probabilities, ids, count, p, mass), naiveTopP(probabilities, candidates, p), `top-p ${p} of ${count}`);
          const likely = candidates.filter((id) => probabilities[id]! >= p * probabilities[candidates[0]!]!);
          assert.is(minP(probabilities, ids, count, p), likely.length, `min-p ${p} of ${count}`);
        }
      }
    }
  });
}

test("top-p says so when the candidates do not reach p", () => {
  const probabilities = Float32Array.of(0.5, 0.25, 0.125, 0.125);
  assert.is(topP(probabilities, Uint32Array.of(0, 1), 2, 0.75, 1), 2);
  assert.is(topP(probabilities, Uint32Array.of(0, 1), 2, 0.76, 1), undefined);
});

test("a draw inverts the running sum", () => {
  const probabilities = Float32Array.of(0.25, 0, 0.5, 0.25);
  const ids = Uint32Array.of(2, 1, 0, 3);
  const at = (uniform: number) => draw(probabilities, ids, 4, uniform);
  assert.equal([0, 0.49999, 0.5, 0.74999, 0.75, 1 - 2 ** -53].map(at), [2, 2, 0, 0, 3, 3]);
  assert.is(at(1), 3, "even where rounding makes the target the whole sum");
  assert.is(draw(probabilities, Uint32Array.of(1, 2), 2, 0), 2, "a token without probability is never drawn");
});

test("repetition penalty: every distinct recent token once, by the sign of its logit", () => {
  const logits = Float32Array.of(2, -2, 0, 4, 5, 6);
  const stamps = new Uint32Array(6);
  penalizeRepetition(logits, [5, 0, 1, 0, 2, 3], { penalty: 1.25, lastN: 5 }, stamps, 1);
  assert.equal(logits, Float32Array.of(2 / 1.25, -2 * 1.25, 0, 4 / 1.25, 5, 6), "the first token is outside the window");
  penalizeRepetition(logits, [5, 0, 1, 0, 2, 3], { penalty: 2, lastN: Infinity }, stamps, 2);
  assert.equal(logits, Float32Array.of(1 / 1.25, -4 * 1.25, 0, 2 / 1.25, 5, 3), "a later step penalizes again");
});

test("repetition penalty rounds as float32 arithmetic does", () => {
  for (let i = 0; i < 1000; i++) {
    const logit = Math.fround(10 * gaussian());
    const penalty = 1 + random();
    const logits = Float32Array.of(logit);
    penalizeRepetition(logits, [0], { penalty, lastN: 1 }, new Uint32Array(1), 1);
    const p = Math.fround(penalty);
    assert.is(logits[0], Math.fround(logit <= 0 ? logit * p : logit / p));
  }
});

test("the first logit that is no finite number is named", () => {
  checkFinite(Float32Array.of(0, -3.4e38, 3.4e38, -0));
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (const at of [0, 1, 3]) {
      const logits = Float32Array.of(1, 2, 3, 4);
      logits[at] = bad;
      assert.throws(
        () => checkFinite(logits),
        (error: unknown) => error instanceof NumericError && error.message.includes(`got ${bad} for token ${at}`),
      );
    }
  }
});

test.run();
