import { getEventListeners } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { follow } from "../../src/decoding/follow-signal.ts";

const test = suite("signals that generations follow");

test("a signal has one listener for all that follow it, and none when they have ended", () => {
  const { signal } = new AbortController();
  const ends = Array.from({ length: 40 }, () => follow(signal, new AbortController()));
  assert.is(getEventListeners(signal, "abort").length, 1);
  for (const end of ends.slice(1)) end();
  assert.is(getEventListeners(signal, "abort").length, 1);
  ends[0]!();
  assert.is(getEventListeners(signal, "abort").length, 0);
  follow(signal, new AbortController());
  assert.is(getEventListeners(signal, "abort").length, 1);
});

test("those that still follow are aborted, with the signal's reason", () => {
  const source = new AbortController();
  const [first, second, late] = [new AbortController(), new AbortController(), new AbortController()];
  const end = follow(source.signal, first);
  follow(source.signal, second);
  end();
  end();
  source.abort("enough");
  assert.equal([first.signal.aborted, second.signal.aborted, second.signal.reason], [false, true, "enough"]);
  follow(source.signal, late);
  assert.is(late.signal.reason, "enough");
});

test("nothing is followed without a signal", () => {
  const controller = new AbortController();
  follow(undefined, controller)();
  assert.is(controller.signal.aborted, false);
});

test.run();
