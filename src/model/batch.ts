/**
 * Rows that go through a model together, of one sequence or of many. Each layer computes row by row; only
 * positions, appending to the cache and attention look at which sequence a row belongs to, in the row table:
 *
 *   i32[M, 2]   position of the row's token in its sequence, address of the sequence's block table i32[]
 *   i32[M]      how many of its sequence's tokens the row may see
 */
import type { Workspace } from "./workspace/workspace.ts";

/** Consecutive tokens of one sequence. */
export interface Span {
  /** First row in the batch. */
  readonly begin: number;
  readonly rows: number;
  /** Position of the first one; the cache holds all before it. */
  readonly position: number;
  /** Which of a workspace's block tables is the sequence's: the same in all of a model. */
  readonly table: number;
}

/** Words of that table for each row. */
export const ROW_WORDS = 3;

export interface Batch {
  /** One a row; not read where the residual stream is already there. */
  readonly ids: ArrayLike<number>;
  readonly rows: number; // M
  readonly spans: readonly Span[];
}

/** One sequence from position 0, in a workspace with one block table, which has all blocks in order. */
export function wholeSequence(rows: number, ids: ArrayLike<number> = []): Batch {
  return { ids, rows, spans: [{ begin: 0, rows, position: 0, table: 0 }] };
}

/** Writes the row table of a workspace; to be called before a batch's first block there. */
export function enterRows({ kernels, buffers, blockTables, config }: Workspace, { rows, spans }: Batch): void {
  const table = kernels.i32(buffers.rows, ROW_WORDS * rows);
  for (const { begin, rows: count, position, table: number } of spans) {
    const blocks = blockTables[number]!;
    for (let row = 0; row < count; row++) {
      table[2 * (begin + row)] = position + row;
      table[2 * (begin + row) + 1] = blocks;
      table[2 * rows + begin + row] = position + (config.bidirectional ? count : row + 1);
    }
  }
}
