/**
 * Row order of a module with q, k and v whose file has them head by head (GPT-NeoX, BLOOM:
 * `query_key_value`). The N = 3 H D rows are:
 *
 *     canonical   part * H D + head * D + i         part 0, 1, 2 for q, k, v
 *     stored      head * 3 D + part * D + i
 *
 * Whole rows move, in runs of D, so quantized rows move without being dequantized.
 */

/** Rows that lie together in both orders. */
export interface RowRun {
  readonly stored: number;
  readonly canonical: number;
  readonly rows: number;
}

/**
 * Gives the runs that make up canonical rows `[begin, end)` of a module with `outFeatures` rows, in canonical
 * order.
 */
export function byHeadRuns(outFeatures: number, headDim: number, begin = 0, end = outFeatures): RowRun[] {
  const runs: RowRun[] = [];
  for (let row = begin; row < end;) {
    const inHead = row % headDim;
    const rows = Math.min(headDim - inHead, end - row);
    runs.push({ stored: storedRow(row, outFeatures, headDim), canonical: row, rows });
    row += rows;
  }
  return runs;
}

function storedRow(row: number, outFeatures: number, headDim: number): number {
  const partRows = outFeatures / 3;
  const part = Math.floor(row / partRows);
  const head = Math.floor((row % partRows) / headDim);
  return (3 * head + part) * headDim + (row % headDim);
}

/**
 * Gives the order in which a file has the rows, for writing one that other readers understand.
 *
 * @returns canonical row at each stored one, `outFeatures` entries
 */
export function byHeadOrder(outFeatures: number, headDim: number): Uint32Array {
  const order = new Uint32Array(outFeatures);
  for (const { stored, canonical, rows } of byHeadRuns(outFeatures, headDim)) {
    for (let i = 0; i < rows; i++) order[stored + i] = canonical + i;
  }
  return order;
}
