/**
 * Rows that go through a model together, of one sequence or of many. Each layer computes row by row; only
 * positions, appending to the cache and attention look at which sequence a row belongs to, in the row table:
 *
 *   i32[M, 2]   position of the row's token in its sequence, address of the sequence's block table i32[]
 */
import type { Pointer } from "../kernels/pointer.ts";
import type { Workspace } from "./workspace.ts";

/** Consecutive tokens of one sequence. */
export interface Span {
  /** First row in the batch. */
  readonly begin: number;
  readonly rows: number;
  /** Position of the first one; the cache holds all before it. */
  readonly position: number;
  /** Address of the sequence's block table: the numbers of its blocks in the pool, i32[]. */
  readonly table: Pointer;
}

export interface Batch {
  /** One a row; not read where the residual stream is already there. */
  readonly ids: ArrayLike<number>;
  readonly rows: number; // M
  readonly spans: readonly Span[];
}

/** One sequence from position 0, with the blocks that `space` has in order. */
export function wholeSequence({ blockTable }: Workspace, rows: number, ids: ArrayLike<number> = []): Batch {
  return { ids, rows, spans: [{ begin: 0, rows, position: 0, table: blockTable }] };
}

/** Writes the row table; to be called before a batch's first block. */
export function enterRows({ kernels, buffers }: Workspace, { rows, spans }: Batch): void {
  const table = kernels.i32(buffers.rows, 2 * rows);
  for (const { begin, rows: count, position, table: blocks } of spans) {
    for (let row = 0; row < count; row++) {
      table[2 * (begin + row)] = position + row;
      table[2 * (begin + row) + 1] = blocks;
    }
  }
}
