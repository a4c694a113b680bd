/** GELU in double precision, without the cancellation of 1 + erf(x) below zero. */

/** The standard normal distribution function, to about 1e-13 of itself. */
export function normalDistribution(x: number): number {
  const t = Math.abs(x);
  const density = Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  // Near zero the series of phi(t) t^(2k+1) / (2k+1)!!, all of one sign; beyond, Laplace's continued fraction
  // of Mills' ratio.
  if (t < 3) {
    let [term, sum] = [t, t];
    for (let k = 1; term > sum * 1e-17; k++) sum += term *= (t * t) / (2 * k + 1);
    return x < 0 ? 0.5 - density * sum : 0.5 + density * sum;
  }
  let fraction = t;
  for (let k = 200; k > 0; k--) fraction = t + k / fraction;
  return x < 0 ? density / fraction : 1 - density / fraction;
}

/** x/2 (1 + erf(x / sqrt 2)) */
export const gelu = (x: number): number => x * normalDistribution(x);

/** x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
export const geluTanh = (x: number): number => x / (1 + Math.exp(-Math.sqrt(8 / Math.PI) * (x + 0.044715 * x ** 3)));
