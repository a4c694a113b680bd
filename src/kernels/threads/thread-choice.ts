/**
 * How many threads to use, learned from what work costs by them. Where other programs use the cores, a thread
 * that is put off its core holds up all that wait for it, and fewer threads are faster, down to one.
 *
 * Now and then another number is tried for a moment, and kept if it is cheaper. A trial that fails is made
 * again after twice the time. While nothing hints at other programs, trials are rare and end at once.
 *
 * There is no clock here: time is what it is told of.
 */

/** A trial, and the latest costs it is compared with: many slices of a scheduler, 1 to 4 ms each. */
const TRIAL_MS = 96;
/** A trial that goes badly may end after so long, */
const SHORT_TRIAL_MS = 12;
/** if work costs by so much more, */
const MUCH = 1.25;
/** but not after fewer pieces of work. */
const LEAST_PIECES = 4;
/** What is kept costs by so much less. */
const CHEAPER = 0.95;
/** Time between trials of fewer threads where some were held up, and of more: doubled each time, */
const FIRST_WAIT_MS = 64;
/** at most, so that trials take about a fortieth of the time. */
const LAST_WAIT_MS = 4096;
/** It is so many times longer for fewer threads where none was held up. */
const UNSUSPECTED = 16;

/** What a piece of work cost. */
export interface Cost {
  readonly ms: number;
  /** How much work it was, in any unit. */
  readonly work: number;
  /** Whether the calling thread was held up by others. */
  readonly stalled: boolean;
}

export class ThreadChoice {
  readonly #most: number;
  #kept: number;
  #costs = new Costs();
  #trial: { readonly threads: number; readonly costs: Costs } | undefined;
  readonly #fewer = new Pace();
  readonly #more = new Pace();
  #stalled = false;
  /** How many threads less or more the next trial may have: twice as many as led to something cheaper. */
  #step = 1;

  /** @param kept the number to begin with */
  constructor(most: number, kept = most) {
    this.#most = most;
    this.#kept = kept;
  }

  /** The number to use for the next piece of work. */
  get threads(): number {
    return this.#trial ? this.#trial.threads : this.#kept;
  }

  /** The number that is used outside of trials. */
  get kept(): number {
    return this.#kept;
  }

  /** @param cost of a piece of work by `threads` threads */
  tell(cost: Cost): void {
    if (this.#trial) {
      this.#trial.costs.add(cost);
      this.#judge(this.#trial);
      return;
    }
    this.#costs.add(cost);
    this.#costs.forget();
    this.#fewer.pass(cost.ms);
    this.#more.pass(cost.ms);
    this.#stalled ||= cost.stalled;
    if (this.#costs.pieces < LEAST_PIECES) return;
    const [kept, most, step] = [this.#kept, this.#most, this.#step];
    if (kept > 1 && this.#fewer.isDue(this.#stalled ? 1 : UNSUSPECTED)) this.#try(this.#fewer, [kept - step, kept / 2, 1]);
    else if (kept < most && this.#more.isDue(1)) this.#try(this.#more, [kept + step, 2 * kept, most]);
  }

  #try(pace: Pace, counts: readonly number[]): void {
    const threads = Math.ceil(counts[pace.failures % counts.length]!);
    this.#trial = { threads: Math.max(1, Math.min(this.#most, threads)), costs: new Costs() };
  }

  #judge({ threads, costs }: { readonly threads: number; readonly costs: Costs }): void {
    const ratio = costs.mean / this.#costs.mean;
    const isSuspected = this.#stalled || this.#kept < this.#most;
    const isBad = ratio > MUCH && (!isSuspected || costs.ms >= SHORT_TRIAL_MS);
    if (costs.pieces < LEAST_PIECES || (costs.ms < TRIAL_MS && !isBad)) return;
    const isLess = threads < this.#kept;
    this.#trial = undefined;
    this.#stalled = false;
    this.#step = 1;
    if (ratio >= CHEAPER) return (isLess ? this.#fewer : this.#more).fail();
    this.#step = 2 * Math.abs(threads - this.#kept);
    this.#kept = threads;
    this.#costs = costs;
    this.#stalled = costs.stalled;
    // More threads that soon turn out to be slower were a mistake, as if their trial had failed: a thread
    // that slept is given its core at once, but not for long.
    if (isLess) this.#more.repent();
    else this.#more.win();
    this.#fewer.begin();
  }
}

/** When to try fewer threads again, or more. */
class Pace {
  failures = 0;
  #sinceMs = 0;
  #waitMs = FIRST_WAIT_MS;

  pass(ms: number): void {
    this.#sinceMs += ms;
  }

  isDue(times: number): boolean {
    return this.#sinceMs >= times * this.#waitMs;
  }

  begin(): void {
    this.failures = this.#sinceMs = 0;
    this.#waitMs = FIRST_WAIT_MS;
  }

  fail(): void {
    this.failures++;
    this.#sinceMs = 0;
    this.#waitMs = Math.min(2 * this.#waitMs, LAST_WAIT_MS);
  }

  /** The wait stays until time has told. */
  win(): void {
    this.failures = this.#sinceMs = 0;
  }

  /** What was won is given back: a failure if that was not long ago. */
  repent(): void {
    if (this.#sinceMs < LAST_WAIT_MS) this.fail();
    else this.begin();
  }
}

/** Costs of several pieces of work, the latest ones if `forget` is called. */
class Costs {
  ms = 0;
  pieces = 0;
  stalled = false;
  #work = 0;

  get mean(): number {
    return this.ms / this.#work;
  }

  add({ ms, work, stalled }: Cost): void {
    this.ms += ms;
    this.#work += work;
    this.pieces++;
    this.stalled ||= stalled;
  }

  forget(): void {
    if (this.ms < 2 * TRIAL_MS) return;
    this.ms /= 2;
    this.#work /= 2;
  }
}
