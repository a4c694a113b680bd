/** How threads share jobs: who claims what, whatever delays them. The protocol stands in `job-board.ts`. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Worker } from "node:worker_threads";
import { kernelThreads } from "../../../src/host/node/node-threads.ts";
import { beginOf, BOARD_BYTES, claimAll, claimShare, openJob } from "../../../src/kernels/threads/job-board.ts";
import { offsetBy, type Pointer } from "../../../src/kernels/pointer.ts";
import { mulberry32 } from "../../random.ts";
import { bundled } from "../bundled.ts";
import { delayAtomics } from "../delay-atomics.ts";
import { openPool } from "../open-pool.ts";

const SEED = 61;
const test = suite(`job board (seed ${SEED})`);
const random = mulberry32(SEED);
const below = (count: number) => Math.floor(random() * count);

// A thread that waits for another one for ever cannot be interrupted from within.
const GUARD = `setTimeout(() => { console.error("hung for two minutes"); process.kill(process.pid, "SIGKILL"); }, 120_000)`;
const guard = new Worker(GUARD, { eval: true });
guard.unref();
test.after(async () => void (await guard.terminate()));

const startDelayed = kernelThreads(
  new URL("../../../dist/host/node/node-thread-watcher.js", import.meta.url),
  bundled("delayed-worker.mjs"),
);

const boardOf = () => ({ board: new Int32Array(BOARD_BYTES / 4), values: new Float64Array(BOARD_BYTES / 8) });

test("shares are one range after another, from 0 to all units, each claimed once", () => {
  for (let large = 1; large <= 5; large++)
    for (let units = large; units <= 40; units++)
      for (const [shared, piece] of [[units, 0], ...[1, 3, 8].map((size) => [below(Math.floor(units / large) + 1) * large || units, size])] as const) {
        const { board, values } = boardOf();
        const shares = openJob(board, values, { kernel: 0, memory: 0, units, work: [], large, shared: shared!, piece: piece! });
        const claimed = [0];
        for (let share: number; (share = claimShare(board)) >= 0;) claimed.push(share);
        assert.equal(claimed, Array.from({ length: shares }, (_, share) => share));
        assert.is(beginOf(board, 0), 0);
        for (const share of claimed) assert.ok(beginOf(board, share) < beginOf(board, share + 1), `share ${share} is empty`);
        assert.is(beginOf(board, shares), units);
        assert.is(claimShare(board), -1);
      } // prettier-ignore
});

test("what nobody is to compute is claimed at once", () => {
  const { board, values } = boardOf();
  openJob(board, values, { kernel: 0, memory: 0, units: 9, work: [], large: 4, shared: 9, piece: 0 });
  assert.is(claimShare(board), 1);
  assert.is(claimAll(board), 2);
  assert.is(claimAll(board), 0);
  assert.is(claimShare(board), -1);
});

const ROW = 16;
const ROWS = 24;

/**
 * Jobs `x += y` over rows of several regions in two memories, with other arguments each time: a unit that is
 * computed twice or not at all, or in the memory or by the arguments of another job, is a sum that is wrong.
 */
async function addInTurn(threads: number, jobs: number, delays: number | string, poll: number): Promise<void> {
  const spawn = (start: Parameters<typeof startDelayed>[0]) => startDelayed(Object.assign(start, { delays }));
  const { kernels, data, all } = await openPool(threads, spawn, { poll, memories: 2 });
  await kernels.threadsStarted();
  assert.is(kernels.threads, threads);
  const pointers = Array.from({ length: 3 }, (_, i) => offsetBy(data, 4 * ROW * ROWS * i)) as [Pointer, Pointer, Pointer];
  const ones = offsetBy(data, 4 * ROW * ROWS * 3);
  for (const memory of all) memory.f32(ones, ROW * ROWS).fill(1);
  const regions = all.flatMap((memory) => pointers.map((x) => ({ memory, x, expected: new Float32Array(ROW * ROWS) })));
  const stop = typeof delays === "number" ? delayAtomics(delays) : () => {};
  try {
    for (let job = 0; job < jobs; job++) {
      const [region, K, units] = [regions[below(regions.length)]!, ROW / (1 + below(2)), 2 + below(ROWS - 1)];
      kernels.useThreads(2 + below(threads - 1));
      region.memory.split("add_f32", units, region.x, ones, K);
      for (let i = 0; i < units * K; i++) region.expected[i]!++;
      for (const [i, { memory, x, expected }] of regions.entries()) {
        const sums = memory.f32(x, ROW * ROWS);
        assert.is(sums.findIndex((sum, n) => sum !== expected[n]), -1, `job ${job}, region ${i}`); // prettier-ignore
      }
    }
  } finally {
    stop();
    await kernels.dispose();
  }
}

for (const threads of [2, 3])
  for (const poll of [50, 0])
    test(`${threads} threads that are delayed anywhere compute each unit once, poll ${poll}`, () =>
      addInTurn(threads, 3000, 1000 * threads + poll, poll));

test("workers that never get to claim a share are not waited for", () => addInTurn(3, 300, "before its first share", 50));

test.run();
