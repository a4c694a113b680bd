/**
 * How many tokens to draft: as many as make tokens come fastest, by what passes take and by how likely drafts
 * are accepted. A pass of 8 rows takes 5 to 6 times one of a single row on this package's kernels, so drafts
 * pay only where nearly all are accepted.
 *
 * What a generation risks is bounded. It has an allowance, in passes of one row: one to begin with, a
 * hundredth for each such pass, and what drafts have gained. What drafts lose is paid from it, none are tried
 * while it is empty, and none that could lose more than two passes beyond it. So drafts begin short, grow
 * with their success, and end where that ends; a generation they fail in takes three passes and a hundredth
 * longer, at most.
 */
import type { PassCosts } from "./pass-costs.ts";

/** A pass that had only rows of one generation in it. */
export interface DraftedPass {
  /** The token before the drafts, and the drafts. */
  readonly rows: number;
  /** Tokens that came of it: those accepted, and the one after them. */
  readonly tokens: number;
  readonly ms: number;
}

/** Decides for one generation. */
export interface DraftPolicy {
  /**
   * How many tokens to draft, at most as many as there are chances.
   * @param chances that a draft is accepted if those before it are
   */
  length(chances: readonly number[]): number;
  passed(pass: DraftedPass): void;
}

/** Drafts have to promise so many times the tokens a second: chances and times are both estimates. */
const LEAST_GAIN = 1.03;
/** Share of the rows that has to be expected to be accepted where a number of rows is tried out. */
const LEAST_SHARE = 0.8;
const FIRST_ALLOWANCE = 1;
/** What each pass of one row adds. */
const ALLOWED = 0.01;
/** Gains beyond it are kept. */
const MOST_ALLOWANCE = 16;
/** What a pass may lose beyond the allowance. */
const BEYOND = 2;

export class PayingDrafts implements DraftPolicy {
  readonly #costs: PassCosts;
  #allowance = FIRST_ALLOWANCE;

  /** @param costs of the model's passes, which all its generations have in common */
  constructor(costs: PassCosts) {
    this.#costs = costs;
  }

  length(chances: readonly number[]): number {
    if (this.#costs.one === undefined || this.#allowance <= 0) return 0;
    let [tokens, reached, best, speed] = [1, 1, 0, LEAST_GAIN];
    for (let drafts = 1; drafts <= chances.length; drafts++) {
      reached *= chances[drafts - 1]!;
      tokens += reached;
      const rows = drafts + 1;
      if (!isStep(rows)) continue;
      const known = this.#costs.known(rows);
      // Times that are old may have been dear for another reason.
      const cost = known ? this.#costs.of(rows)! : Math.min(rows, this.#costs.of(rows)!);
      if (cost - 1 > this.#allowance + BEYOND) break;
      if (!known && tokens >= LEAST_SHARE * rows) return drafts;
      if (tokens / cost > speed) [best, speed] = [drafts, tokens / cost];
    }
    return best;
  }

  passed({ rows, tokens, ms }: DraftedPass): void {
    this.#costs.record(rows, ms);
    const { one } = this.#costs;
    if (rows === 1) this.#allow(ALLOWED);
    else if (one !== undefined) this.#allow(tokens - ms / one);
  }

  #allow(passes: number): void {
    this.#allowance = Math.min(MOST_ALLOWANCE, this.#allowance + passes);
  }
}

/** 2, 3, 4, 6, 8, 12, 16 ...: few enough that the times of each are known soon. */
function isStep(rows: number): boolean {
  const odd = rows / (rows & -rows);
  return odd === 1 || odd === 3;
}
