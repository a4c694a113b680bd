/** Time left at the rate of the last seconds. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { paced, type Progress, withPacedProgress, withTimeLeft } from "../src/progress.ts";

const test = suite("progress");

/** Steps at given seconds -> the time left that is told. */
function timesLeft(
  steps: readonly (readonly [seconds: number, done: number, phase?: string])[],
  total = 1000,
): (number | undefined)[] {
  let now = 0;
  const reported: Progress[] = [];
  const report = withTimeLeft(
    (progress) => reported.push(progress),
    () => now,
  );
  for (const [seconds, done, phase = "load"] of steps) {
    now = 1000 * seconds;
    report({ phase, done, total, unit: "bytes" });
  }
  return reported.map(({ secondsLeft }) => secondsLeft && Math.round(secondsLeft * 100) / 100);
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

/** Steps at given milliseconds -> those that are told, as "phase done". */
function toldOf(steps: readonly (readonly [ms: number, done: number, phase?: string])[], total = 1000, end = true): string[] {
  let now = 0;
  const seen: string[] = [];
  const progress = paced(
    ({ phase, done }) => seen.push(`${phase} ${done}`),
    () => now,
  );
  for (const [ms, done, phase = "load"] of steps) {
    now = ms;
    progress.report({ phase, done, total, unit: "bytes" });
  }
  if (end) progress.end();
  return seen;
}

test("2301 steps in a second are at most 20 and the last", () => {
  const steps = Array.from({ length: 2301 }, (_, i) => [(1000 * i) / 2301, i] as const);
  const seen = toldOf(steps, 2300);
  assert.is(seen.length, 21);
  assert.is(seen[0], "load 0");
  assert.is(seen.at(-1), "load 2300");
  assert.is(new Set(seen).size, 21);
});

test("slow steps are all told", () => assert.equal(toldOf([[0, 1], [50, 2], [100, 3]]), ["load 1", "load 2", "load 3"])); // prettier-ignore

test("the last step is told though it is not the whole", () => {
  assert.equal(toldOf([[0, 1], [1, 2], [2, 3]]), ["load 1", "load 3"]); // prettier-ignore
  assert.equal(toldOf([[0, 1], [1, 2], [2, 3]], 1000, false), ["load 1"]); // prettier-ignore
});

test("the last step of a phase is told before the next phase", () => {
  assert.equal(toldOf([[0, 1, "a"], [1, 2, "a"], [2, 3, "a"], [3, 1, "b"], [4, 2, "b"]]), ["a 1", "a 3", "b 1", "b 2"]); // prettier-ignore
});

test("a phase that begins again ends first", () => {
  assert.equal(toldOf([[0, 1], [1, 2], [2, 0], [3, 1]]), ["load 1", "load 2", "load 0", "load 1"]); // prettier-ignore
});

test("what is complete is told at once, and once", () => {
  assert.equal(toldOf([[0, 1], [1, 1000], [2, 1000], [60, 1000]], 1000, false), ["load 1", "load 1000"]); // prettier-ignore
});

test("the last step comes before the work is over, whether it succeeds or fails", async () => {
  for (const fails of [false, true]) {
    const seen: number[] = [];
    const work = withPacedProgress(
      ({ done }) => seen.push(done),
      async (report) => {
        for (const done of [1, 2, 3]) report!({ phase: "load", done, total: 9, unit: "bytes" });
        if (fails) throw new RangeError("broken");
        return 7;
      },
    );
    const end = await work.catch((error: unknown) => error);
    if (fails) assert.instance(end, RangeError);
    else assert.is(end, 7);
    assert.is(seen[0], 1);
    assert.is(seen.at(-1), 3);
  }
  assert.is(await withPacedProgress(undefined, async (report) => report), undefined);
});

test.run();
