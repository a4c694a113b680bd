/** A clock that stands still, as in deployed Workers, must not keep events from running. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel } from "../../src/core.ts";
import { describeModel } from "../../src/architecture/description.ts";
import { AbortError } from "../../src/errors.ts";
import { blockWork } from "../../src/model/block.ts";
import { EventLoopPacer, INTERVAL_WORK } from "../../src/model/event-loop-pacer.ts";
import { nodeHost } from "../../src/host/node.ts";
import { tinyConfig, tinyModel } from "../tiny-model.ts";

const SEED = 61;
const test = suite(`event loop pacer, seed ${SEED}`);

const { now } = performance;
let time = 1000;
let yields = 0;
const counting = {
  ...nodeHost,
  yieldToEvents: () => {
    yields++;
    return nodeHost.yieldToEvents();
  },
};
test.before.each(() => {
  performance.now = () => time;
  yields = 0;
});
test.after.each(() => {
  performance.now = now;
});

test("due by time alone, and not before", async () => {
  const pacer = new EventLoopPacer(counting);
  for (const [passed, due] of [[0, false], [7.9, false], [8, true], [100, true]] as const) {
    time = 1000 + passed;
    assert.is(pacer.due(), due, `${passed} ms`);
  }
  await pacer.letEventsRun();
  assert.not(pacer.due());
  time = 1000;
}); // prettier-ignore

test("due by work alone, and not before", async () => {
  const pacer = new EventLoopPacer(counting);
  for (const round of [1, 2]) {
    pacer.count(INTERVAL_WORK - 1);
    assert.not(pacer.due(), `round ${round}`);
    pacer.count(1);
    assert.ok(pacer.due(), `round ${round}`);
    await pacer.letEventsRun();
    assert.not(pacer.due(), `after round ${round}`);
  }
});

test("a block's work is that of its matrices and of attention", () => {
  const config = tinyConfig();
  const linear = 64 * 128 + 64 * 64 + 3 * 64 * 192;
  assert.is(blockWork(describeModel(config).blocks[0]!, config, 1, 0), linear + 2 * 64);
  assert.is(blockWork(describeModel(config).blocks[0]!, config, 5, 7), 5 * (linear + 2 * 64 * 12));
});

test("prefill and decode yield once for each interval of work, and see an abort, though the clock stands still", async () => {
  const folder = tinyModel(SEED);
  const model = await loadModel({ kind: "folder", folder }, counting, { threads: 1, contextSize: 256 });
  const { forwardPass, config } = model;
  const ids = Array.from({ length: 256 }, (_, i) => i + 1);
  const head = config.vocabSize * config.hiddenSize;
  // In chunks as `forward` makes them, so that what is expected is what was done.
  const forward = async (count: number, signal?: AbortSignal) => {
    const position = forwardPass.length;
    await forwardPass.forward(ids.slice(0, count), { logits: "last", signal });
    return config.layers * blockWork(describeModel(config).blocks[0]!, config, count, position) + head;
  };
  const run = async (step: number, work: number, signal?: AbortSignal) => {
    let done = 0;
    while (done < work) {
      if (forwardPass.length + step > 256) forwardPass.truncate(0);
      done += await forward(step, signal);
    }
    return done;
  };
  try {
    for (const [stage, step] of [["prefill", 64], ["decode", 1]] as const) {
      yields = 0;
      const done = await run(step, 2.5 * INTERVAL_WORK);
      assert.is(yields, Math.floor(done / INTERVAL_WORK), stage);

      const controller = new AbortController();
      setTimeout(() => controller.abort(), 0);
      try {
        await run(step, 2.5 * INTERVAL_WORK, controller.signal);
        assert.unreachable(`${stage}: the timer never fired`);
      } catch (error) {
        assert.instance(error, AbortError, stage);
      }
    }
  } finally {
    await model.dispose();
  }
}); // prettier-ignore

test.run();
