/** Addresses in linear memory. */

/** A byte offset into linear memory. */
export type Pointer = number;

/** No address: what an argument is that may be left out. */
export const NULL = 0;

/** The address `bytes` after another. */
export function offsetBy(pointer: Pointer, bytes: number): Pointer {
  return pointer + bytes;
}
