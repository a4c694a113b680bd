/**
 * The short convolution of LFM2 in double precision, C[t] * (sum over k of w[k] v[t - K + 1 + k] + b) with
 * v = B * u, over one channel of one sequence from its beginning.
 */

export interface Channel {
  /** By token. */
  readonly b: readonly number[];
  readonly c: readonly number[];
  readonly u: readonly number[];
  /** K of them, the latest token's last. */
  readonly weights: readonly number[];
  readonly bias: number;
}

/** @returns each token's output, and the sum of magnitudes that its rounding errors are parts of */
export function shortConvolution({ b, c, u, weights, bias }: Channel): { value: number; magnitude: number }[] {
  const K = weights.length;
  return b.map((_, t) => {
    const products = weights.flatMap((weight, k) => {
      const token = t - K + 1 + k;
      return token < 0 ? [] : [weight * b[token]! * u[token]!];
    });
    const value = c[t]! * (products.reduce((sum, product) => sum + product, 0) + bias);
    const magnitude = Math.abs(c[t]!) * (products.reduce((sum, product) => sum + Math.abs(product), 0) + Math.abs(bias));
    return { value, magnitude };
  });
}
