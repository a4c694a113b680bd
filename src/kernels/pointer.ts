/**
 * Addresses in linear memory: a type of their own, so that a count in a pointer's place does not compile, nor
 * arguments that are swapped.
 */
declare const address: unique symbol;

/** A byte offset into linear memory. */
export type Pointer = number & { readonly [address]: true };

/** No address: what an argument is that may be left out. */
export const NULL = 0 as Pointer;

/** The address `bytes` after another. */
export function offsetBy(pointer: Pointer, bytes: number): Pointer {
  return (pointer + bytes) as Pointer;
}
