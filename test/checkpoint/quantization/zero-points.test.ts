/** Zero points at the border: what a kernel may be given, and the sentence about what it may not. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CheckpointError } from "../../../src/errors.ts";
import { zeroPoints } from "../../../src/checkpoint/quantization/zero-points.ts";

const test = suite("zero points");

test("whole numbers from 0 to 16 are taken as they are", () => {
  const all = Array.from({ length: 17 }, (_, i) => i);
  assert.equal(zeroPoints("w", all), Uint8Array.from(all));
  assert.equal(zeroPoints("w", Int8Array.from(all)), Uint8Array.from(all));
  assert.equal(zeroPoints("w", []), new Uint8Array());
});

test("anything else is refused by its place and value", () => {
  for (const wrong of [-1, 17, 128, 255, 0.5, NaN, Infinity]) {
    try {
      zeroPoints("model.safetensors: layers.0.q.qzeros", [8, wrong, 3]);
      assert.unreachable(`${wrong} was taken`);
    } catch (error) {
      assert.instance(error, CheckpointError);
      const expected = `model.safetensors: layers.0.q.qzeros: zero point 1: got ${wrong}, need a whole number from 0 to 16`;
      assert.is((error as Error).message, expected);
    }
  }
});

test.run();
