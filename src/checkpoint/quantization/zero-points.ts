/**
 * Zero points of 4-bit weights, w = scale * (u - z), before they are packed: kernels trust what they get.
 */
import { CheckpointError } from "../../errors.ts";

/**
 * The largest zero point that kernels multiply: one more than the largest code. GPTQ's first format holds
 * z - 1 in 4 bits; AutoGPTQ once read 15 as 16, and reads it as 0 now, as this package does.
 */
export const MOST_ZERO_POINT = 16;

/**
 * Zero points as `pack_qb4zw` takes them.
 * @param what the tensor and file, for messages
 * @param values as the file gives them, one for each channel and group
 * @throws CheckpointError where one is not a whole number from 0 to 16
 */
export function zeroPoints(what: string, values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const zeros = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!(Number.isInteger(value) && value >= 0 && value <= MOST_ZERO_POINT)) {
      throw new CheckpointError(`${what}: zero point ${i}: got ${value}, need a whole number from 0 to ${MOST_ZERO_POINT}`);
    }
    zeros[i] = value;
  }
  return zeros;
}
