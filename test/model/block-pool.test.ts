/** Which blocks of the cache are shared, kept and taken, in texts of a few tokens more than a block. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BlockPool, type HeldBlocks } from "../../src/model/sequences/block-pool.ts";

const BLOCK = 64;
const test = suite("block pool");

/** A pool that knows what each block has, by the copies and records it was told of. */
function poolOf(blocks: number) {
  const copies: [from: number, to: number][] = [];
  const pool = new BlockPool(blocks, (from, to) => copies.push([from, to]));
  /** Holds a text; what it did not find is how much of it had to be computed. */
  const hold = (ids: readonly number[]): { held: HeldBlocks; computed: number } => {
    const held = pool.match(ids, ids.length - 1);
    const computed = ids.length - held.length;
    if (!pool.extend(held, computed)) throw new Error("no room");
    pool.record(held, ids.slice(held.length));
    return { held, computed };
  };
  const runOnce = (ids: readonly number[]) => {
    const { held, computed } = hold(ids);
    pool.truncate(held, 0);
    return computed;
  };
  return { pool, copies, hold, runOnce };
}

const textOf = (seed: number, length: number) => Array.from({ length }, (_, i) => 1000 * seed + i);
const SYSTEM = textOf(0, 3 * BLOCK + 10);

test("a text that is gone is found by the next one that begins like it", () => {
  const { runOnce } = poolOf(8);
  assert.is(runOnce([...SYSTEM, 1, 2]), SYSTEM.length + 2);
  assert.is(runOnce([...SYSTEM, 3, 4, 5]), 3);
});

test("two that begin alike both stay: each goes on without paying for what it said before", () => {
  const { runOnce, copies } = poolOf(12);
  const [a, b] = [
    [...SYSTEM, ...textOf(1, 70)],
    [...SYSTEM, ...textOf(2, 70)],
  ];
  runOnce(a);
  assert.is(runOnce(b), 70);
  assert.equal(copies, [[3, 5]], "the block they part in was copied");
  assert.is(runOnce([...a, 7]), 1);
  assert.is(runOnce([...b, 7]), 1);
});

test("where there is no room for both, the newer has the block", () => {
  const { runOnce, copies } = poolOf(4);
  runOnce([...SYSTEM, 1, 2]);
  assert.is(runOnce([...SYSTEM, 3]), 1);
  assert.equal(copies, []);
  assert.is(runOnce([...SYSTEM, 1, 2]), 2);
});

test("its own tail, given up, is overwritten in place", () => {
  const { pool, hold, copies } = poolOf(8);
  const { held } = hold(SYSTEM);
  pool.truncate(held, SYSTEM.length - 3);
  assert.ok(pool.extend(held, 1));
  pool.record(held, [99]);
  assert.equal(copies, []);
  pool.truncate(held, 0);
  assert.equal(pool.match(SYSTEM, SYSTEM.length).length, SYSTEM.length - 3);
});

test("what was not used for longest is taken first, the end of a text before its beginning", () => {
  const { runOnce, pool } = poolOf(6);
  const [a, b] = [textOf(1, 2 * BLOCK), textOf(2, 2 * BLOCK)];
  const found = (ids: readonly number[]) => {
    const held = pool.match(ids, ids.length);
    const { length } = held;
    pool.truncate(held, 0);
    return length;
  };
  runOnce(a);
  runOnce(b);
  runOnce([...a, 5]); // used again: b is the older one now
  runOnce(textOf(3, 2 * BLOCK)); // one block is free, and takes one of b's
  assert.is(found(a), 2 * BLOCK);
  assert.is(found(b), BLOCK);
});

test("a block is held by as many as share it, and free when the last one lets go", () => {
  const { pool, hold } = poolOf(8);
  const [first, second] = [hold([...SYSTEM, 1]), hold([...SYSTEM, 2])];
  assert.is(pool.sharedTokens, 3 * BLOCK);
  assert.is(pool.freeTokens, 3 * BLOCK);
  pool.truncate(first.held, 0);
  assert.is(pool.sharedTokens, 0);
  pool.truncate(second.held, 0);
  assert.is(pool.freeTokens, pool.tokens);
});

test.run();
