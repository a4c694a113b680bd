/**
 * Transforms with numbers to tune. Each changes some rows of weights and, to undo it, some columns of others;
 * what is tuned sees no more of the model than these.
 *
 *   loss L of merged weights W'(parameters)        dL/dparameters = gradient(W, W', dL/dW')
 */
import type { Transform } from "../transform.ts";

/**
 * The two sides that a transform changes, or as many of their vectors as somebody looks at: columns of the
 * rows that it mixes (biases and activations made by these rows are further columns), and rows of the columns
 * that undo it.
 */
export interface Sides {
  readonly rows: Float64Array; // f64[N, n]
  readonly columns: Float64Array; // f64[m, K]
}

export interface TunableTransform {
  /** Layer and transform, for messages. */
  readonly name: string;
  /** Rows and columns of the sides; 0 columns where norms or the same rows undo it. */
  readonly N: number;
  readonly K: number;
  /** All numbers, one after another; whoever tunes them changes them here. */
  readonly parameters: Float64Array;
  /** The sides with the present parameters. @throws NumericError for a matrix that cannot be inverted */
  merge(sides: Sides): Sides;
  /** dL/dparameters. @param gradients dL/dW' */
  gradient(sides: Sides, merged: Sides, gradients: Sides): Float64Array;
  /** The transform of the present parameters. @throws NumericError for a matrix that cannot be inverted */
  transform(): Transform;
}

/** tanh(3/2): scales stay between e^-3 and e^3. */
const BOUND = 0.9051482536448664;

/**
 * A scale that no step can make 0 or too large: (1 + y) / (1 - y), y = tanh(3/2) x / sqrt(1 + x^2), which is
 * 1 for x = 0. Only roots and quotients, which every engine rounds alike; exponentials would not be.
 */
export function boundedScale(x: number): number {
  const y = (BOUND * x) / Math.sqrt(1 + x * x);
  return (1 + y) / (1 - y);
}

/** d log(scale) / dx. */
export function boundedScaleSlope(x: number): number {
  const root = Math.sqrt(1 + x * x);
  const y = (BOUND * x) / root;
  return (2 * BOUND) / (root * root * root * (1 - y * y));
}

/** The x of a scale, or of the nearest one well within the bounds. */
export function boundedScaleArgument(scale: number): number {
  const y = (scale - 1) / (scale + 1) / BOUND;
  const inside = Math.min(0.95, Math.max(-0.95, y));
  return inside / Math.sqrt(1 - inside * inside);
}

/**
 * Sizes over a common one, such that the least and the largest are equally far from 1; 1 where there is none.
 */
export function centered(sizes: ArrayLike<number>): Float64Array {
  let [least, most] = [Infinity, 0];
  for (let i = 0; i < sizes.length; i++) {
    const size = sizes[i]!;
    if (size > 0) [least, most] = [Math.min(least, size), Math.max(most, size)];
  }
  const center = most > 0 ? Math.sqrt(least) * Math.sqrt(most) : 1;
  return Float64Array.from(sizes, (size) => (size > 0 ? size / center : 1));
}
