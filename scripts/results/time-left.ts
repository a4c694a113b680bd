/** How long rows that are still to be measured will take. */
import { needsHessians } from "../../src/quantizer/recipe/recipe.ts";
import type { MadeWith, Results } from "./results-file.ts";

/**
 * Seconds on two cores of a Sapphire Rapids Xeon, to begin with; only their proportions matter once a row is
 * done.
 */
const FIRST_GUESS = {
  calibration: 55,
  hessians: 290,
  statistics: 15,
  text: 25,
  lambada: 75,
  hellaswag: 120,
  parts: 600,
  testSet: 1200,
};

function firstGuess({ recipe, evaluate }: MadeWith): number {
  // The activations alone, which come first: the rows after them use the same calibration.
  if (evaluate.length === 0) return FIRST_GUESS.calibration;
  const quantizing = recipe === null ? 0 : FIRST_GUESS[needsHessians(recipe) ? "hessians" : "statistics"];
  return evaluate.reduce((sum, evaluation) => sum + FIRST_GUESS[evaluation], quantizing);
}

export class TimeLeft {
  #expected = 0;
  #taken = 0;
  readonly #results: Results;

  /** @param results of earlier runs: what a row took then is the best guess of what it takes now */
  constructor(results: Results) {
    this.#results = results;
  }

  /** A row took so long. */
  add(id: string, wanted: MadeWith, seconds: number): void {
    this.#expected += this.#guess(id, wanted);
    this.#taken += seconds;
  }

  /** Seconds, at the pace of the rows so far. */
  of(rows: readonly { readonly id: string; readonly wanted: MadeWith }[]): number {
    const pace = this.#expected > 0 ? this.#taken / this.#expected : 1;
    return pace * rows.reduce((sum, { id, wanted }) => sum + this.#guess(id, wanted), 0);
  }

  #guess(id: string, wanted: MadeWith): number {
    const earlier = this.#results.rows[id];
    return earlier && earlier.failure === undefined ? earlier.seconds : firstGuess(wanted);
  }
}
