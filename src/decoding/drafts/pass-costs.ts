/** What passes of so many rows have taken lately. It has no clock: it is told. */

/** Times of a row count that are kept; their median counts. */
const KEPT = 5;
/** Passes after which times of a row count are old: the machine may have been busy then. */
const OLD = 256;
/** Times of a row count that have to be known: the first pass of a kind may compile something. */
const ENOUGH = 2;

interface Times {
  /** Milliseconds, the latest last. */
  readonly ms: number[];
  /** Number of the latest pass. */
  seen: number;
}

export class PassCosts {
  readonly #times = new Map<number, Times>();
  #passes = 0;

  /** @param ms of one pass of so many rows, which had nothing else in it */
  record(rows: number, ms: number): void {
    const times = this.#times.get(rows) ?? { ms: [], seen: 0 };
    times.ms.push(ms);
    if (times.ms.length > KEPT) times.ms.shift();
    times.seen = ++this.#passes;
    this.#times.set(rows, times);
  }

  /** Whether passes of so many rows are known by more than a guess. */
  known(rows: number): boolean {
    const times = this.#times.get(rows);
    return times !== undefined && times.ms.length >= ENOUGH && this.#passes - times.seen < OLD;
  }

  /**
   * What a pass takes, in passes of one row; undefined while those are not known. Between row counts that are
   * known it grows evenly. Beyond them each row takes what those of the largest took, which errs on the dear
   * side: the more rows, the less each.
   */
  of(rows: number): number | undefined {
    const { one } = this;
    if (one === undefined) return undefined;
    let [below, above] = [1, Infinity];
    for (const known of this.#times.keys()) {
      if (known <= rows) below = Math.max(below, known);
      if (known >= rows) above = Math.min(above, known);
    }
    const least = this.#typical(below) / one;
    if (below === rows) return least;
    if (above === Infinity) return (least * rows) / below;
    return least + ((this.#typical(above) / one - least) * (rows - below)) / (above - below);
  }

  /**
   * Milliseconds of a pass of one row; undefined while they are not known, or if no time passes (the clock of
   * deployed Workers stands still).
   */
  get one(): number | undefined {
    const one = this.known(1) ? this.#typical(1) : 0;
    return one > 0 ? one : undefined;
  }

  /** The median, of an even number the smaller one in the middle. */
  #typical(rows: number): number {
    const { ms } = this.#times.get(rows)!;
    return ms.toSorted((a, b) => a - b)[(ms.length - 1) >> 1]!;
  }
}
