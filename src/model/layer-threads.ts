/**
 * Runs layers by as many threads as are fastest at the time, and says so when they hold each other up. A
 * layer is a piece of work of which a model has many alike, so what they cost can be compared, within one
 * prompt too. No bit depends on the number of threads.
 */
import type { Kernels } from "../kernels/kernels.ts";
import { ThreadChoice } from "../kernels/threads/thread-choice.ts";

/** A layer was held up if the calling thread slept so much of its time waiting for others, */
const STALLED_PART = 1 / 4;
/** and as long: shares of unequal size make it wait too. */
const STALLED_MS = 1;
/** Among so many layers that several threads shared, */
const WATCHED_LAYERS = 512;
/** so many have to be held up to be worth a warning: a short disturbance is none. */
const MANY_STALLS = 16;
/** So many milliseconds of layers in a row by fewer threads than there are, as more are slower, are too. */
const LONG_FEWER_MS = 2000;

export class LayerThreads {
  readonly #kernels: Kernels;
  readonly #now: () => number;
  readonly #onWarning: ((message: string) => void) | undefined;
  /** One for each power of two of rows: what is best for a token need not be best for a prompt. */
  readonly #choices = new Map<number, ThreadChoice>();
  #latest: ThreadChoice | undefined;
  #layers = 0;
  #stalls = 0;
  #fewerMs = 0;
  #warned = false;

  /**
   * @param onWarning told once that threads hold each other up
   * @param now milliseconds
   */
  constructor(kernels: Kernels, onWarning: ((message: string) => void) | undefined, now = () => performance.now()) {
    this.#now = now;
    this.#kernels = kernels;
    this.#onWarning = onWarning;
  }

  /**
   * @param rows of the pass
   * @param work of the layer, in any unit
   */
  run(rows: number, work: number, layer: () => void): void {
    const kernels = this.#kernels;
    if (kernels.threads === 1) return layer();
    const choice = this.#choiceFor(rows);
    const { threads } = choice;
    kernels.useThreads(threads);
    const slept = kernels.sleptMs;
    const began = this.#now();
    layer();
    const ms = this.#now() - began;
    const sleptMs = kernels.sleptMs - slept;
    const stalled = sleptMs >= STALLED_MS && sleptMs >= STALLED_PART * ms;
    choice.tell({ ms, work, stalled });
    if (this.#warned) return;
    this.#fewerMs = choice.kept < kernels.threads ? this.#fewerMs + ms : 0;
    if (threads > 1) this.#count(stalled);
    if (this.#stalls >= MANY_STALLS || this.#fewerMs >= LONG_FEWER_MS) this.#warn();
  }

  #choiceFor(rows: number): ThreadChoice {
    const size = Math.clz32(rows);
    let choice = this.#choices.get(size);
    if (!choice) {
      choice = new ThreadChoice(this.#kernels.threads, this.#latest?.kept);
      this.#choices.set(size, choice);
    }
    return (this.#latest = choice);
  }

  #count(stalled: boolean): void {
    if (this.#layers === WATCHED_LAYERS) this.#layers = this.#stalls = 0;
    this.#layers++;
    if (stalled) this.#stalls++;
  }

  #warn(): void {
    this.#warned = true;
    this.#onWarning?.(
      `threads: ${this.#kernels.threads} hold each other up, since other programs use the cores too; fewer are used while ` +
        "that is faster. Ask for fewer threads, or leave them cores of their own",
    );
  }
}
