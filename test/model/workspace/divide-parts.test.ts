import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CapabilityError } from "../../../src/errors.ts";
import { divideParts } from "../../../src/model/workspace/divide-parts.ts";

const test = suite("divided parts");

const parts = (...sizes: number[]) => sizes.map((bytes, i) => ({ name: `part ${i}`, bytes }));
const divide = (room: number, ...sizes: number[]) =>
  divideParts(parts(...sizes), room).map((memory) => memory.map(({ bytes }) => bytes));

test("in order, as many in each memory as fit", () => {
  assert.equal(divide(10, 1, 2, 3), [[1, 2, 3]]);
  assert.equal(divide(10, 4, 6, 1), [[4, 6], [1]]);
  assert.equal(divide(10, 4, 7, 3, 1), [[4], [7, 3], [1]]);
  assert.equal(divide(10, 10, 10, 10), [[10], [10], [10]]);
  assert.equal(divide(0, 0, 0), [[0, 0]]);
  assert.equal(divide(10), []);
});

test("a part that fits in no memory is named, with what it needs and what there is", () => {
  try {
    divide(10, 3, 11, 1);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, CapabilityError);
    assert.match((error as Error).message, /^part 1: needs 11 bytes in one memory, which has room for 10; /);
  }
});

test.run();
