/** Means of samples and how sure one can be of them. */

/** A value and its standard error, in the same unit. */
export interface Uncertain {
  /** Estimate. */
  readonly value: number;
  /** Standard error of it. */
  readonly standardError: number;
}

export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/**
 * The standard deviation of a sample: the root of the sum of squares over n - 1. 0 for fewer than two values.
 */
export function standardDeviation(values: ArrayLike<number>): number {
  return Math.sqrt(covariance(values, values));
}

/**
 * The covariance of two samples of equal length n: the sum of products of deviations over n - 1. 0 for fewer
 * than two pairs.
 */
export function covariance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length < 2) return 0;
  const [aCenter, bCenter] = [mean(a), mean(b)];
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - aCenter) * (b[i]! - bCenter);
  return sum / (a.length - 1);
}

/** The mean, and its standard error: the standard deviation of the sample over sqrt n. */
export function uncertainMean(values: ArrayLike<number>): Uncertain {
  return { value: mean(values), standardError: standardDeviation(values) / Math.sqrt(values.length) };
}

/**
 * The mean of a - b over the same items. Its error is that of the differences, so what both find hard does
 * not count twice.
 * @throws Error if there are not as many of both
 */
export function uncertainDifference(a: readonly number[], b: readonly number[]): Uncertain {
  if (a.length !== b.length) throw new Error(`paired samples: got ${a.length} and ${b.length} values`);
  return uncertainMean(a.map((value, i) => value - b[i]!));
}

/** exp of an uncertain value; its error to first order: exp(x) dx. */
export function uncertainExp({ value, standardError }: Uncertain): Uncertain {
  const exponential = Math.exp(value);
  return { value: exponential, standardError: exponential * standardError };
}

/**
 * The value below which this fraction of a sample lies, interpolated linearly between neighbours (numpy's
 * default, llama-perplexity's rule).
 * @param sorted ascending, at least one
 */
export function quantile(sorted: ArrayLike<number>, fraction: number): number {
  const position = fraction * (sorted.length - 1);
  const below = Math.floor(position);
  const weight = position - below;
  return (1 - weight) * sorted[below]! + weight * sorted[Math.min(below + 1, sorted.length - 1)]!;
}
