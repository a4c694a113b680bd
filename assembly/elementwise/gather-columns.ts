/**
 * Columns of int8 rows in another order, for weights whose groups are not of neighbouring columns (GPTQ's
 * act-order): the weights' columns are sorted by group once, while loading, and rows follow.
 *
 *   y[m,k]    = q[m, columns[k]]
 *   sums[m,g] = -8 * sum of y[m,k] over the k of group g
 *
 *   q        i8[M, K]
 *   columns  i32[K]        0..K-1
 *   y        i8[M, K]      not in the place of q
 *   sums     i32[M, K/G]   as quantize-activations.ts writes them
 *
 * Units of work: rows begin..end; pointers are those of row 0. Preconditions: K % G == 0. Any alignment.
 * Reads and writes nothing outside the shapes. A row is K loads, the products that follow it N * K: nothing
 * here is worth a vector.
 */

export function gather_qd8(q: usize, columns: usize, y: usize, sums: usize, K: i32, G: i32, begin: i32, end: i32): void {
  const groups = K / G;
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = q + m * K;
    let to = y + m * K;
    let column = columns;
    let sum = sums + ((m * groups) << 2);
    for (const sumEnd = sum + ((<usize>groups) << 2); sum < sumEnd; sum += 4) {
      let total = 0;
      for (const groupEnd = to + <usize>G; to < groupEnd; to++, column += 4) {
        const value = <i32>load<i8>(row + <usize>load<i32>(column));
        store<i8>(to, <i8>value);
        total += value;
      }
      store<i32>(sum, -8 * total);
    }
  }
}
