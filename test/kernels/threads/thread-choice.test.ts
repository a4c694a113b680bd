import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ThreadChoice } from "../../../src/kernels/threads/thread-choice.ts";
import { mulberry32 } from "../../random.ts";

const SEED = 67;
const test = suite(`thread choice (seed ${SEED})`);

/** Milliseconds of a piece of work of size 1 by so many threads. */
type Machine = (threads: number) => { ms: number; stalled: boolean };

interface Run {
  /** Milliseconds it took, and as many pieces by the best number of threads would. */
  readonly ms: number;
  /** Pieces by each number of threads. */
  readonly pieces: ReadonlyMap<number, number>;
}

function run(choice: ThreadChoice, pieces: number, machine: Machine, workOf: (i: number) => number = () => 1): Run {
  const counts = new Map<number, number>();
  let total = 0;
  for (let i = 0; i < pieces; i++) {
    const { threads } = choice;
    const work = workOf(i);
    const { ms, stalled } = machine(threads);
    choice.tell({ ms: ms * work, work, stalled });
    counts.set(threads, (counts.get(threads) ?? 0) + 1);
    total += ms * work;
  }
  return { ms: total, pieces: counts };
}

/** Alone on a machine: almost so many times faster. */
const quiet: Machine = (threads) => ({ ms: 0.3 / threads + 0.02, stalled: false });
/** Beside others: whoever is more than one waits. */
const busy: Machine = (threads) => ({ ms: threads === 1 ? 0.32 : 0.5 * threads, stalled: threads > 1 });

test("on a quiet machine all threads are used but for a thousandth of the time", () => {
  for (const most of [2, 3, 16]) {
    const choice = new ThreadChoice(most);
    const best = quiet(most).ms;
    const { ms } = run(choice, 100_000, quiet);
    assert.is(choice.kept, most);
    assert.ok(ms < 1.001 * 100_000 * best, `${most} threads: ${ms} ms instead of ${100_000 * best}`);
  }
});

test("beside others it comes down to one thread soon, and stays there", () => {
  for (const most of [2, 3, 4, 8, 16]) {
    const choice = new ThreadChoice(most);
    let elapsed = 0;
    while (choice.kept > 1) elapsed += run(choice, 1, busy).ms;
    assert.ok(elapsed < 1000, `${most} threads: ${elapsed} ms`);
    const { ms } = run(choice, 100_000, busy);
    assert.is(choice.kept, 1);
    assert.ok(ms < 1.05 * 100_000 * 0.32, `${most} threads: ${ms} ms`);
  }
});

test("when the others have gone, it finds its way back to all threads", () => {
  for (const most of [2, 3, 16]) {
    const choice = new ThreadChoice(most);
    run(choice, 200_000, busy);
    assert.is(choice.kept, 1);
    let elapsed = 0;
    while (choice.kept < most) elapsed += run(choice, 1, quiet).ms;
    assert.ok(elapsed < 10_000, `${most} threads: ${elapsed} ms`);
  }
});

test("one of many cores that others use costs one thread", () => {
  const choice = new ThreadChoice(8);
  const machine: Machine = (threads) => ({ ms: threads > 7 ? 0.2 : 0.3 / threads + 0.02, stalled: threads > 7 });
  run(choice, 20_000, machine);
  assert.is(choice.kept, 7);
});

test("costs are compared by work, however unequal pieces are", () => {
  const random = mulberry32(SEED);
  const choice = new ThreadChoice(2);
  run(choice, 20_000, quiet, () => 1 + 9 * random());
  assert.is(choice.kept, 2);
  run(choice, 20_000, busy, () => 1 + 9 * random());
  assert.is(choice.kept, 1);
});

test("slices of a scheduler are no reason to change one's mind for long", () => {
  // Each piece is now and then held up for 3 ms, more often by two threads, which are faster all the same.
  const random = mulberry32(SEED);
  const machine: Machine = (threads) => {
    const held = random() < 0.004 * threads;
    return { ms: 0.3 / threads + (held ? 3 : 0), stalled: held && threads > 1 };
  };
  const choice = new ThreadChoice(2);
  const { pieces } = run(choice, 200_000, machine);
  assert.ok(pieces.get(2)! > 0.9 * 200_000, `${pieces.get(2)} of 200000`);
});

test("a choice may begin with what another one has learned; one thread is no choice", () => {
  assert.is(new ThreadChoice(4, 2).threads, 2);
  const alone = new ThreadChoice(1);
  assert.equal([...run(alone, 10_000, busy).pieces.keys()], [1]);
});

test.run();
