import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Acceptance } from "../../../src/decoding/drafts/acceptance.ts";

const test = suite("acceptance");

test("before anything is known, longer matches are surer", () => {
  const acceptance = new Acceptance();
  let before = 0;
  for (let length = 2; length <= 64; length++) {
    const chance = acceptance.chance(length);
    assert.ok(chance >= before && chance > 0 && chance < 1, `${length}: ${chance}`);
    before = chance;
  }
});

test("what happens counts for lengths near it, and for no others", () => {
  const acceptance = new Acceptance();
  const [at8, at2, at32] = [8, 2, 32].map((length) => acceptance.chance(length));
  acceptance.record(9, false);
  assert.ok(acceptance.chance(8) < at8!);
  assert.is(acceptance.chance(2), at2);
  assert.is(acceptance.chance(32), at32);
  acceptance.record(40, true);
  assert.ok(acceptance.chance(32) > at32!);
});

test("chances come near the share of what was accepted, and follow it when it changes", () => {
  const acceptance = new Acceptance();
  for (let i = 0; i < 400; i++) acceptance.record(4, i % 4 !== 0);
  assert.ok(Math.abs(acceptance.chance(4) - 0.75) < 0.05, `${acceptance.chance(4)}`);
  for (let i = 0; i < 200; i++) acceptance.record(5, false);
  assert.ok(acceptance.chance(4) < 0.05);
});

test.run();
