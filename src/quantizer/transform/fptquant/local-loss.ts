/**
 * What the local stage makes small (FPTQuant's, with p = 4 after LR-QAT, Bondarenko et al. 2024): the L_p
 * norms of merged weights, and of activations as they are transformed, each relative to what it was at the
 * start.
 *
 *   weights       (mean |x|^4)^(1/4)
 *   activations   (mean |x|^4)^(1/4) / (mean x^2)^(1/2), which no scale of all of them changes
 *
 * Roots of roots and products only, which every engine rounds alike.
 */
import type { Sides } from "./tunable.ts";

/** A block of one side of `Sides`: rows [row[0], row[1]) and columns [column[0], column[1]). */
export interface Term {
  readonly side: keyof Sides;
  readonly kind: "weights" | "activations";
  readonly row: readonly [number, number];
  readonly column: readonly [number, number];
  /** Elements of a row of the side. */
  readonly width: number;
}

export interface Loss {
  /** One for each term. */
  readonly norms: readonly number[];
  readonly gradients: Sides;
}

/**
 * @param starts norms of terms at the start; a term that was 0 there counts for nothing
 */
export function localLoss(merged: Sides, terms: readonly Term[], starts?: readonly number[]): Loss {
  const gradients = { rows: new Float64Array(merged.rows.length), columns: new Float64Array(merged.columns.length) };
  const norms = terms.map((term, i) => {
    const start = starts?.[i] ?? 1;
    return addTerm(merged[term.side], term, gradients[term.side], start > 0 ? 1 / start : 0);
  });
  return { norms, gradients };
}

/** The mean of terms relative to their starts. */
export function relativeLoss(norms: readonly number[], starts: readonly number[]): number {
  const shares = norms.flatMap((norm, i) => (starts[i]! > 0 ? [norm / starts[i]!] : []));
  return shares.length === 0 ? 1 : shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

/** Adds weight * dnorm/dx to the gradient. @returns the norm */
function addTerm(x: Float64Array, { kind, row, column, width }: Term, gradient: Float64Array, weight: number): number {
  const count = (row[1] - row[0]) * (column[1] - column[0]);
  let [squares, fourths] = [0, 0];
  for (let r = row[0]; r < row[1]; r++) {
    for (let at = r * width + column[0]; at < r * width + column[1]; at++) {
      const square = x[at]! * x[at]!;
      squares += square;
      fourths += square * square;
    }
  }
  if (!(fourths > 0)) return fourths; // 0, or NaN, which stays
  const size = Math.sqrt(Math.sqrt(fourths / count));
  const root = kind === "weights" ? 1 : Math.sqrt(squares / count);
  const norm = size / root;
  // d log(size)/dx = x^3 / fourths, d log(root)/dx = x / squares
  const [cubic, linear] = [(weight * norm) / fourths, kind === "weights" ? 0 : (weight * norm) / squares];
  for (let r = row[0]; r < row[1]; r++) {
    for (let at = r * width + column[0]; at < r * width + column[1]; at++) {
      const value = x[at]!;
      gradient[at]! += cubic * value * value * value - linear * value;
    }
  }
  return norm;
}
