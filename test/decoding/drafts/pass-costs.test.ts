import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PassCosts } from "../../../src/decoding/drafts/pass-costs.ts";

const test = suite("pass costs");

function told(times: Readonly<Record<number, readonly number[]>>): PassCosts {
  const costs = new PassCosts();
  for (const [rows, all] of Object.entries(times)) for (const ms of all) costs.record(Number(rows), ms);
  return costs;
}

test("nothing is known without passes of one row, or where no time passes", () => {
  for (const costs of [told({}), told({ 4: [5, 5, 5] }), told({ 1: [5] }), told({ 1: [0, 0, 0], 4: [0, 0] })]) {
    assert.is(costs.of(4), undefined);
    assert.is(costs.one, undefined);
  }
});

test("a cost is the median of the last five times over that of one row", () => {
  const costs = told({ 1: [900, 2, 2, 3, 2, 90], 4: [7, 5] });
  assert.is(costs.one, 2);
  assert.is(costs.of(1), 1);
  assert.is(costs.of(4), 2.5, "of two the smaller");
});

test("between row counts that are known it is in between, beyond them in proportion", () => {
  const costs = told({ 1: [2, 2], 4: [6, 6], 8: [10, 10] });
  assert.is(costs.of(2), 1 + 2 / 3);
  assert.is(costs.of(6), 4);
  assert.is(costs.of(16), 10);
  assert.is(told({ 1: [2, 2] }).of(16), 16);
});

test("times are known if there are two of them, and old after 256 passes", () => {
  const costs = told({ 1: [2, 2], 4: [6] });
  assert.is(costs.known(4), false);
  costs.record(4, 6);
  assert.is(costs.known(4), true);
  assert.is(costs.known(3), false);
  for (let i = 0; i < 255; i++) costs.record(1, 2);
  assert.is(costs.known(4), true);
  costs.record(1, 2);
  assert.is(costs.known(4), false);
  assert.is(costs.of(4), 3, "old is better than nothing");
});

test.run();
