/** A byte offset into linear memory. */
export type Pointer = number;
