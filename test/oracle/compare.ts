/** Comparison against an oracle, with a bound per element and a message that says where and by how much. */
import * as assert from "uvu/assert";

/**
 * Every |actual[i] - expected[i]| is at most bound(i).
 * @throws an assertion error naming the worst index, both values, the bound there and how many elements are
 *   outside
 */
export function assertWithin(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  bound: (index: number) => number,
  what: string,
): void {
  assert.is(actual.length, expected.length, `${what}: length`);
  let worst = -1;
  let worstExcess = 0;
  let outside = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (difference <= bound(i)) continue;
    outside++;
    const excess = Number.isNaN(difference) ? Infinity : difference / bound(i);
    if (worst < 0 || excess > worstExcess) [worst, worstExcess] = [i, excess];
  }
  if (outside === 0) return;
  assert.unreachable(
    `${what}: ${outside} of ${expected.length} outside; worst at ${worst}: got ${actual[worst]}, ` +
      `expected ${expected[worst]}, bound ${bound(worst)}`,
  );
}

/** Bit for bit, so that -0 differs from 0 and NaN equals itself. */
export function assertSameBits(actual: Float32Array, expected: Float32Array, what: string): void {
  assert.is(actual.length, expected.length, `${what}: length`);
  const a = new Uint32Array(actual.buffer, actual.byteOffset, actual.length);
  const e = new Uint32Array(expected.buffer, expected.byteOffset, expected.length);
  for (let i = 0; i < e.length; i++) {
    if (a[i] !== e[i]) assert.unreachable(`${what}: at ${i}: got ${actual[i]}, expected ${expected[i]}`);
  }
}

/** Rounding unit of float32: half the distance from 1 to the next number. */
export const F32_EPSILON = 2 ** -24;
