import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  bf16ToF32, decodeBF16, decodeF16, decodeF32, encodeBF16, encodeF16, f16ToF32, f32ToBf16, f32ToF16,
} from "../../../src/checkpoint/formats/float-formats.ts"; // prettier-ignore
import { assertSameBits } from "../../oracle/compare.ts";
import { mulberry32 } from "../../random.ts";

const test = suite("float formats (seed 5)");
const random = mulberry32(5);

/**
 * Every finite value of a 16-bit format in ascending order of magnitude is given by its bits, so neighbours
 * are bits + 1.
 */
function checkNearest(toF32: (bits: number) => number, fromF32: (value: number) => number, infinity: number, what: string): void {
  for (let bits = 0; bits < infinity - 1; bits++) {
    const [low, high] = [toF32(bits), toF32(bits + 1)];
    const middle = (low + high) / 2; // exact: one more bit than the format has
    const even = bits % 2 === 0 ? bits : bits + 1;
    const down = Math.fround(middle) - 2 ** Math.max(-149, Math.floor(Math.log2(middle)) - 23);
    const up = Math.fround(middle) + 2 ** Math.max(-149, Math.floor(Math.log2(middle)) - 23);
    for (const [value, expected] of [
      [low, bits],
      [middle, even],
      [down, bits],
      [up, bits + 1],
    ] as const) {
      if (fromF32(value) !== expected) assert.unreachable(`${what}: ${value}: got ${fromF32(value)}, expected ${expected}`);
      if (fromF32(-value) !== (expected | 0x8000)) assert.unreachable(`${what}: ${-value}: got ${fromF32(-value)}`);
    }
  }
}

test("float16: every value, every tie, and one float32 step to both sides of it", () =>
  checkNearest(f16ToF32, f32ToF16, 0x7c00, "f16"));

test("bfloat16: every normal value and tie", () => {
  for (let bits = 0x0080; bits < 0x7f7f; bits++) {
    const wide = (bits << 16) >>> 0;
    const value = (offset: number) => new Float32Array(Uint32Array.of(wide + offset).buffer)[0]!;
    assert.is(bf16ToF32(bits), value(0));
    const even = bits % 2 === 0 ? bits : bits + 1;
    for (const [offset, expected] of [
      [0, bits],
      [0x7fff, bits],
      [0x8000, even],
      [0x8001, bits + 1],
    ] as const) {
      if (f32ToBf16(value(offset)) !== expected) assert.unreachable(`${value(offset)}: expected ${expected}`);
    }
  }
});

test("overflow, infinity and NaN", () => {
  assert.is(f32ToF16(65519.996), 0x7bff);
  assert.is(f32ToF16(65520), 0x7c00);
  assert.is(f32ToF16(-Infinity), 0xfc00);
  assert.is(f16ToF32(0xfc00), -Infinity);
  assert.ok(Number.isNaN(f16ToF32(f32ToF16(Number.NaN))));
  assert.ok(Number.isNaN(bf16ToF32(f32ToBf16(Number.NaN))));
  assert.is(f32ToBf16(Infinity), 0x7f80);
  assert.is(f32ToBf16(3.4028234663852886e38), 0x7f80);
  assert.ok(Object.is(f16ToF32(0x8000), -0));
});

test("arrays, at every address", () => {
  const values = Float32Array.from({ length: 100 }, () => (random() - 0.5) * 10 ** (8 * random() - 4));
  for (const offset of [0, 1, 2, 3]) {
    const shifted = (bytes: Uint8Array) => {
      const copy = new Uint8Array(bytes.length + offset);
      copy.set(bytes, offset);
      return copy.subarray(offset);
    };
    assertSameBits(decodeF32(shifted(new Uint8Array(values.buffer))), values, "f32");
    assertSameBits(decodeF16(shifted(encodeF16(values))), values.map((v) => f16ToF32(f32ToF16(v))), "f16"); // prettier-ignore
    assertSameBits(decodeBF16(shifted(encodeBF16(values))), values.map((v) => bf16ToF32(f32ToBf16(v))), "bf16"); // prettier-ignore
  }
});

test.run();
