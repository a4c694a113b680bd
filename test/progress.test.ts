/** Time left at the rate of the last seconds. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Progress, withTimeLeft } from "../src/progress.ts";

const test = suite("progress");

/** Steps at given seconds -> the time left that is told. */
function timesLeft(
  steps: readonly (readonly [seconds: number, done: number, phase?: string])[],
  total = 1000,
): (number | undefined)[] {
  let now = 0;
  const told: Progress[] = [];
  const report = withTimeLeft(
    (progress) => told.push(progress),
    () => now,
  );
  for (const [seconds, done, phase = "load"] of steps) {
    now = 1000 * seconds;
    report({ phase, done, total, unit: "bytes" });
  }
  return told.map(({ secondsLeft }) => secondsLeft && Math.round(secondsLeft * 100) / 100);
}

test("a steady rate", () => assert.equal(timesLeft([[0, 0], [1, 100], [2, 200], [10, 1000]]), [undefined, 9, 8, 0])); // prettier-ignore

test("no rate before two steps, or within a moment", () => {
  assert.equal(timesLeft([[0, 0], [0.1, 500], [1, 600]]), [undefined, undefined, 0.67]); // prettier-ignore
});

test("a network that slows down is followed within seconds", () => {
  const fast = Array.from({ length: 10 }, (_, i) => [i, i * 50] as const);
  const slow = Array.from({ length: 10 }, (_, i) => [10 + i, 455 + 5 * i] as const);
  assert.is(timesLeft([...fast, ...slow]).at(-1), 100);
});

test("steps far apart have a rate", () => assert.equal(timesLeft([[0, 0], [60, 100], [120, 200]]), [undefined, 540, 480])); // prettier-ignore

test("a new phase, or one that begins again, has no rate yet", () => {
  assert.equal(timesLeft([[0, 0], [1, 100], [2, 0, "write"], [3, 500, "write"], [4, 0, "write"]]), [undefined, 9, undefined, 1, undefined]); // prettier-ignore
});

test("a standstill says nothing", () => assert.equal(timesLeft([[0, 100], [9, 100]]), [undefined, undefined])); // prettier-ignore

test.run();
