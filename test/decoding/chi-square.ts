/** Pearson's test that draws come from a distribution, with a false-alarm probability one can state. */
import * as assert from "uvu/assert";

/** A right sampler fails such a test for one seed in this many. */
const SEEDS_PER_FALSE_ALARM = 1e6;

/**
 * X^2 = sum (observed - expected)^2 / expected stays below d + 2 sqrt(d x) + 2 x with x = ln 10^6, which a
 * chi-square variable with d degrees of freedom exceeds with a probability of at most e^-x (Laurent and
 * Massart, 2000, lemma 1). Impossible outcomes never occur.
 *
 * @param counts how often each outcome was drawn
 * @param probabilities of the outcomes, sum 1; each expected count should be at least 5, or X^2 is no
 *   chi-square
 */
export function assertDrawnFrom(counts: readonly number[], probabilities: readonly number[], what: string): void {
  const draws = counts.reduce((a, b) => a + b);
  let statistic = 0;
  let freedom = -1;
  counts.forEach((observed, outcome) => {
    const expected = draws * probabilities[outcome]!;
    if (expected === 0) return assert.is(observed, 0, `${what}: drew ${outcome}, which is impossible`);
    assert.ok(expected >= 5, `${what}: only ${expected} draws of ${outcome} expected`);
    statistic += (observed - expected) ** 2 / expected;
    freedom++;
  });
  const x = Math.log(SEEDS_PER_FALSE_ALARM);
  const bound = freedom + 2 * Math.sqrt(freedom * x) + 2 * x;
  assert.ok(statistic <= bound, `${what}: chi-square ${statistic}, bound ${bound} with ${freedom} degrees of freedom`);
}
