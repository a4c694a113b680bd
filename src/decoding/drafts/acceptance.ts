/**
 * How often a foretold token is the one that comes, by the length of the match that foretells it. It is
 * learnt from every token of a generation, whether it was drafted or not: to know that drafts would be
 * accepted costs nothing.
 */

/**
 * Chances before anything is known, from this length of a match on (measured:
 * docs/measurements/2026-11-29-epyc-drafts.md).
 */
const PRIOR = [
  [2, 0.4], [3, 0.5], [4, 0.65], [6, 0.75], [8, 0.82], [12, 0.9], [16, 0.93], [24, 0.95], [32, 0.97],
] as const; // prettier-ignore
/** The number of tokens the prior counts for. */
const PRIOR_WEIGHT = 8;
/** Tokens that count, at most, so that a text may change. */
const MEMORY = 64;

export class Acceptance {
  readonly #chances: number[] = PRIOR.map(([, chance]) => chance);
  readonly #weights: number[] = PRIOR.map(() => PRIOR_WEIGHT);

  /** @param length of the match, 2 or more */
  record(length: number, accepted: boolean): void {
    const index = classOf(length);
    const weight = (this.#weights[index] = Math.min(this.#weights[index]! + 1, MEMORY));
    this.#chances[index]! += (Number(accepted) - this.#chances[index]!) / weight;
  }

  /** The chance that a token is accepted that a match of this length foretells. */
  chance(length: number): number {
    return this.#chances[classOf(length)]!;
  }
}

const classOf = (length: number) => PRIOR.findLastIndex(([least]) => length >= least);
