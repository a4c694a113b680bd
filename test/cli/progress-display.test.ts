import { suite } from "uvu";
import * as assert from "uvu/assert";
import { displayProgress, progressLine } from "../../src/cli/progress-display.ts";
import type { Progress } from "../../src/progress.ts";
import { TextSink } from "./command-harness.ts";

const test = suite("progress");

/** Reports `steps` of a phase, `secondsPerStep` apart, on a stream that is a terminal or not. */
function show(isTTY: boolean, steps: readonly Progress[], secondsPerStep: number): string {
  const stream = new TextSink(isTTY);
  let seconds = 0;
  {
    using progress = displayProgress(stream, () => seconds);
    for (const step of steps) {
      progress.onProgress(step);
      seconds += secondsPerStep;
    }
  }
  return stream.text;
}

const tokens = (phase: string, total: number, ...done: number[]): Progress[] =>
  done.map((count) => ({ phase, done: count, total, unit: "tokens" }));

test("where there is no terminal: a line every ten seconds, and one when a phase ends", () => {
  const steps = [...tokens("calibrate", 100, 0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100), ...tokens("write", 7, 0, 7)];
  assert.is(
    show(false, steps, 4),
    [
      "calibrate: 30 of 100 tokens (30 %), 28.0 s left",
      "calibrate: 60 of 100 tokens (60 %), 16.0 s left",
      "calibrate: 90 of 100 tokens (90 %), 4.00 s left",
      "calibrate: 100 tokens in 40.0 s",
      "write: 7 tokens in 4.00 s",
      "",
    ].join("\n"),
  );
});

test("short work leaves nothing behind, on a terminal or elsewhere", () => {
  const steps = tokens("load", 4, 0, 1, 2, 3, 4);
  assert.is(show(false, steps, 0.05), "");
  assert.is(show(true, steps, 0.05), "");
});

test("on a terminal a bar with the time left, cleared when done, then the line", () => {
  const text = show(true, tokens("calibrate", 100, 0, 25, 50, 75, 100), 2);
  assert.match(text, /calibrate █+░+ {2}25 % \| 25 of 100 tokens \| 6\.00 s left/);
  // eslint-disable-next-line no-control-regex
  assert.match(text, /\x1B\[2?K[^]*calibrate: 100 tokens in 8\.00 s\n$/);
  assert.not.match(text, /\?25l/, "the cursor is never hidden: an abrupt exit could not show it again");
});

test("work that fails leaves no line that says it was done", () => {
  assert.is(show(false, tokens("calibrate", 100, 0, 10), 4), "");
  assert.not.match(show(true, tokens("calibrate", 100, 0, 10, 20), 4), /calibrate: /);
});

test("bytes are written as such; an unknown total breaks nothing", () => {
  const bytes: Progress = { phase: "load", done: 1 << 20, total: 3 << 20, unit: "bytes" };
  assert.is(progressLine(bytes, 2), "load: 1.00 MiB of 3.00 MiB (33 %), 4.00 s left");
  assert.is(progressLine({ phase: "load", done: 0, total: 0, unit: "items" }, 2), "load: 0 of 0 items (100 %)");
});

test.run();
