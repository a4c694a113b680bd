import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LONGEST_MATCH, MatchModel } from "../../../src/decoding/drafts/match-model.ts";
import { mulberry32 } from "../../random.ts";

const SEED = 29;
const test = suite(`match model (seed ${SEED})`);

function over(ids: readonly number[]): MatchModel {
  const model = new MatchModel(ids.length + 1);
  for (const id of ids) model.push(id);
  return model;
}

test("what was never there foretells nothing: no ids, one, all different", () => {
  for (const ids of [[], [7], [7, 7], [1, 2, 3, 4, 5], [1, 2, 1]]) {
    const model = over(ids);
    assert.is(model.length, 0, `${ids}`);
    assert.is(model.next, undefined);
    assert.equal(model.draft(4), []);
  }
});

test("a pair and a triple are followed by what followed them", () => {
  const pair = over([1, 2, 3, 9, 8, 1, 2]);
  assert.is(pair.length, 2);
  assert.is(pair.next, 3);
  assert.equal(pair.draft(3), [3, 9, 8]);
  const triple = over([5, 1, 2, 3, 9, 1, 2, 4, 5, 1, 2]);
  assert.is(triple.length, 3, "the pair is nearer, the triple longer");
  assert.equal(triple.draft(2), [3, 9]);
});

test("of two places with as long a match the latest counts", () => {
  assert.equal(over([1, 2, 3, 0, 1, 2, 4, 0, 9, 1, 2]).draft(1), [4]);
});

test("a text that repeats itself is foretold beyond its end", () => {
  for (const period of [1, 2, 3, 5]) {
    const ids = Array.from({ length: 4 * period + 3 }, (_, i) => 10 + (i % period));
    const expected = Array.from({ length: 40 }, (_, i) => 10 + ((ids.length + i) % period));
    assert.equal(over(ids).draft(40), expected, `period ${period}`);
  }
});

test("a match grows by the token it foretold, to 32, and ends with another", () => {
  const text = Array.from({ length: 60 }, (_, i) => 100 + i);
  const model = new MatchModel(200);
  for (const id of [...text, 1]) model.push(id);
  for (const [i, id] of text.entries()) {
    model.push(id);
    assert.is(model.length, i === 0 ? 0 : Math.min(i + 1, LONGEST_MATCH), `after ${i + 1}`);
  }
  assert.is(model.next, 1);
  model.push(2);
  assert.is(model.length, 0);
});

test("any match is one, and none longer is in the last places that a plain search finds", () => {
  const random = mulberry32(SEED);
  for (const V of [2, 3, 8, 50]) {
    const ids: number[] = [];
    const model = new MatchModel(600);
    for (let i = 0; i < 600; i++) {
      const id = random() < 0.3 && ids.length > 9 ? ids[ids.length - 9]! : Math.floor(random() * V);
      ids.push(id);
      model.push(id);
      const longest = longestOf(ids);
      assert.ok(model.length <= longest, `V ${V}, ${i}: ${model.length} of ${longest}`);
      if (V === 50) assert.is(model.length, longest, `V ${V}, ${i}`);
      if (model.length === 0) continue;
      const ending = ids.slice(-model.length);
      const draft = model.draft(5);
      assert.is(draft.length, 5);
      assert.ok(
        places(ids, ending).some((at) => [...ids, ...draft].slice(at, at + 5).join() === draft.join()),
        `V ${V}, ${i}`,
      );
    }
  }
});

/** Where the ending was before: places of the id behind it. */
function places(ids: readonly number[], ending: readonly number[]): number[] {
  return ids.flatMap((_, at) => (at >= ending.length && ending.every((id, i) => ids[at - ending.length + i] === id) ? [at] : []));
}

/** Length of the longest ending that was there before, 2 to 32, else 0. */
function longestOf(ids: readonly number[]): number {
  for (let length = Math.min(LONGEST_MATCH, ids.length - 1); length >= 2; length--)
    if (places(ids, ids.slice(-length)).length > 0) return length;
  return 0;
}

test("it takes as many ids as it has room for, whatever they are", () => {
  const model = new MatchModel(3);
  for (const id of [2 ** 20, 0, 2 ** 21 - 1]) model.push(id);
  assert.is(model.length, 0);
});

test.run();
