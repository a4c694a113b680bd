/**
 * GPTQ (Frantar et al. 2022): rounds the columns of a weight one after another, each to the code nearest to
 * where it best makes up for the errors of those before it. With H = U^T U the output error of a row is
 *
 *   e H e^T = sum over j of U[j,j]^2 * (t[j] - s q[j])^2,   e = w - s q,
 *     t[j] = w[j] + (sum over k > j of U[j,k] * e[k]) / U[j,j]
 *
 * so going from the last column to the first, q[j] = code(t[j] / s) makes each term as small as it can be.
 * This is the paper's update (its inverse Hessian is never formed), and Babai's nearest plane. Columns come
 * in reverse order of rounding.
 *
 *   w           f32[N, K]
 *   factor      f64[K, stride]        U (cholesky.ts)
 *   groups      i32[K]                which scale of its row a column has; read where scales are given
 *   importance  f32[K], 0 for ones    of a column's error in a scale search (search-scales.ts)
 *   top         the largest code, which tells the kind (code-grid.ts)
 *   scales      f32[N, K/G]           given, or written if `search` is 1: group g is columns
 *                                     g G .. g G + G - 1, and its scale is searched when the first of them is
 *                                     due, on weights that make up for all errors so far
 *   codes       i8[N, K]              written
 *   errors      f64[panels, K, 8]     written: e, eight rows side by side
 *   losses      f64[N]                written: e H e^T
 *
 * Order: f64, k ascending; products with earlier columns and with columns of the block are two sums, added. t
 * / s is rounded in f64. Preconditions: K even, G a multiple of 8 and at most 128 if `search`; scratch has
 * 128 + 96 * G bytes; scales are not 0. Units: panels of 8 rows; the last may have fewer. Reads and writes
 * nothing outside the shapes.
 *
 * Why panels of 8 rows, two columns at a time: eight accumulators of two rows each. U is read once for 8
 * rows.
 */
import { roundCode } from "./code-grid";
import { projectTwo } from "../linear/project";
import { bestScale } from "./search-scales";

const BLOCK: i32 = 32;

/**
 * Scales of the group of columns low .. high-1 for `rows` rows. Its weights after the best answer to all
 * errors so far come from the same recursion without rounding. scratch: f64[2, 8] of a projection, f64[G, 8]
 * of moved errors, f32[8, G] of moved weights.
 */
function searchGroup(
  w: usize,
  factor: usize,
  importance: usize,
  scale: usize,
  errors: usize,
  scratch: usize,
  rows: i32,
  K: i32,
  rowBytes: usize,
  G: i32,
  groupsOfRow: i32,
  low: i32,
  top: i32,
  type: i32,
): void {
  const sums = scratch,
    moved = scratch + 128,
    weights = moved + ((<usize>G) << 6);
  for (let c = G - 1; c >= 0; c--) {
    const j = low + c;
    const u = factor + <usize>j * rowBytes;
    const pivot = load<f64>(u + ((<usize>j) << 3));
    projectTwo(u + ((<usize>low) << 3), 0, moved, c + 1, G, sums);
    for (let r = 0; r < rows; r++) {
      const base = load<f64>(errors + ((<usize>j) << 6) + ((<usize>r) << 3));
      const shift = (base + load<f64>(sums + ((<usize>r) << 3))) / pivot;
      store<f64>(moved + ((<usize>c) << 6) + ((<usize>r) << 3), -shift);
      const value = <f64>load<f32>(w + ((<usize>(r * K + j)) << 2));
      store<f32>(weights + ((<usize>(r * G + c)) << 2), <f32>(value + shift));
    }
    // Rows a partial panel lacks: their sums are computed and thrown away, so they must not be leftovers that
    // turn into NaN.
    for (let r = rows; r < 8; r++) store<f64>(moved + ((<usize>c) << 6) + ((<usize>r) << 3), 0);
  }
  const slice: usize = importance == 0 ? 0 : importance + ((<usize>low) << 2);
  for (let r = 0; r < rows; r++) {
    const found = bestScale(weights + ((<usize>(r * G)) << 2), slice, G, top, type);
    store<f32>(scale + ((<usize>(r * groupsOfRow)) << 2), found);
  }
}

export function round_gptq_f32(
  w: usize,
  factor: usize,
  groups: usize,
  importance: usize,
  scales: usize,
  codes: usize,
  errors: usize,
  losses: usize,
  N: i32,
  K: i32,
  stride: i32,
  G: i32,
  top: i32,
  type: i32,
  search: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  const rowBytes = (<usize>stride) << 3;
  const groupsOfRow = K / G;
  const block = search ? G : BLOCK;
  for (let panel = begin; panel < end; panel++) {
    const n = panel << 3;
    const rows = min(N - n, 8);
    const wPanel = w + ((<usize>(n * K)) << 2);
    const scalePanel = scales + ((<usize>(n * groupsOfRow)) << 2);
    const codePanel = codes + <usize>(n * K);
    const e = errors + ((<usize>(n * K)) << 3);
    const loss = losses + ((<usize>n) << 3);
    for (let r = 0; r < rows; r++) store<f64>(loss + ((<usize>r) << 3), 0);
    for (let high = K; high > 0; high -= block) {
      const low = max(high - block, 0);
      // Until a column's error is known, its place holds what the errors of earlier blocks ask of it.
      for (let j = low; j < high; j += 2) {
        projectTwo(factor + <usize>j * rowBytes, rowBytes, e, high, K, e + ((<usize>j) << 6));
      }
      if (search) {
        const scale = scalePanel + ((<usize>(low / G)) << 2);
        searchGroup(wPanel, factor, importance, scale, e, scratch, rows, K, rowBytes, G, groupsOfRow, low, top, type);
      }
      for (let j = high - 1; j >= low; j--) {
        const u = factor + <usize>j * rowBytes;
        const pivot = load<f64>(u + ((<usize>j) << 3));
        const at = e + ((<usize>j) << 6);
        const group = search ? j / G : load<i32>(groups + ((<usize>j) << 2));
        projectTwo(u, 0, e, j + 1, high, scratch);
        for (let r = 0; r < 8; r++) {
          const slot = at + ((<usize>r) << 3);
          if (r >= rows) {
            store<f64>(slot, 0);
            continue;
          }
          const weight = <f64>load<f32>(wPanel + ((<usize>(r * K + j)) << 2));
          const scale = <f64>load<f32>(scalePanel + ((<usize>(r * groupsOfRow + group)) << 2));
          const target = weight + (load<f64>(slot) + load<f64>(scratch + ((<usize>r) << 3))) / pivot;
          const q = roundCode(target / scale, top);
          store<i8>(codePanel + <usize>(r * K + j), <i8>q);
          store<f64>(slot, weight - q * scale);
          const miss = pivot * (target - q * scale);
          const sum = loss + ((<usize>r) << 3);
          store<f64>(sum, load<f64>(sum) + miss * miss);
        }
      }
    }
  }
}
