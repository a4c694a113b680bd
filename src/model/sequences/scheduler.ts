/**
 * Which sequences go through the model together: those that wait, first come first served, as many rows as a
 * pass has room for. Steps of one token go before prompts, so that a long prompt does not stop the others; a
 * prompt goes in pieces, and beside such steps in small ones, so that nobody's text waits long for the next
 * token.
 *
 * Drafts are rows that may turn out to be for nothing. They go along only where a sequence is alone, so that
 * nobody waits for them.
 *
 * Room in the cache is given in order of arrival. Who needs more than is free takes it from sequences that
 * nobody is running, the one not used for longest first, then from those that came later; what they lose they
 * compute again. The first in line always fits, so nobody waits for ever.
 */
import { AbortError, DisposedError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { ForwardOptions } from "../forward-pass.ts";
import type { Sequence } from "./sequence.ts";

/**
 * Rows of prompts in a pass that has steps of one token too, at most. Passes of 64 rows prefill about as fast
 * as those of 256 (measured: SmolLM2-135M, one thread, within 10 %) and take a quarter of the time.
 */
export const PROMPT_ROWS_BESIDE_STEPS = 64;

/** A sequence that wants its ids computed. */
export interface Job {
  readonly sequence: Sequence;
  /** First of its ids whose logits are wanted, if any are. */
  readonly from: number;
  /**
   * The first of them whose logits have not been given: those given once are not given again when lost rows
   * are computed anew.
   */
  next: number;
  /** How many of the last ids are drafts of which is not decided whether they go along. */
  drafts: number;
  readonly options: ForwardOptions;
  readonly resolve: (logits: Float32Array | undefined) => void;
  readonly reject: (error: unknown) => void;
  settled: boolean;
}

/** A part of a job that one pass does. */
export interface Part {
  readonly job: Job;
  /** Rows of it, the next ones of its sequence. */
  readonly rows: number;
}

/** What a scheduler asks of a model. */
export interface Passes {
  readonly maxRows: number;
  /** Whether all rows of a sequence have to be in one pass. */
  readonly whole: boolean;
  /** Makes room for the next rows of a sequence; says whether there was. */
  reserve(job: Job, rows: number): boolean;
  /** Makes room for more rows, as far as it is free; says for how many in all. */
  reserveFree(job: Job, rows: number): number;
  /** Runs parts and settles the jobs that are done or failed. */
  run(parts: readonly Part[]): Promise<void>;
}

export class Scheduler {
  readonly #passes: Passes;
  readonly #host: Host;
  readonly #jobs: Job[] = [];
  #looping = false;
  #arrivals = 0;
  /** Sequences in the latest pass. */
  #together = 0;
  /** Those of them that took a step of one token: they will most likely take another. */
  #steps = 0;
  #wake: () => void = () => {};
  #ended = false;

  constructor(passes: Passes, host: Host) {
    this.#passes = passes;
    this.#host = host;
  }

  /** A place in the line, for all steps of one generation. */
  arrive(): number {
    return ++this.#arrivals;
  }

  /** @returns what `ForwardPass.forward` does */
  evaluate(sequence: Sequence, from: number, options: ForwardOptions): Promise<Float32Array | undefined> {
    if (this.#ended) return Promise.reject(new DisposedError("model: got one that was disposed, need to load it again"));
    return new Promise((resolve, reject) => {
      const { drafts = 0 } = options;
      this.#jobs.push({ sequence, from, next: from, drafts, options, resolve, reject, settled: false });
      this.changed();
      if (!this.#looping) void this.#loop();
    });
  }

  /** Ends the jobs of a sequence, or all, with an error. */
  end(sequence: Sequence | undefined, error: Error): void {
    if (!sequence) this.#ended = true;
    for (const job of this.#jobs) if (!sequence || job.sequence === sequence) settle(job, () => job.reject(error));
    this.changed();
  }

  /** Something is different: room may have become free. */
  changed(): void {
    this.#wake();
  }

  async #loop(): Promise<void> {
    this.#looping = true;
    try {
      while (this.#jobs.length > 0) {
        // Those that went together will ask again at about the same time: once events have run, they have.
        if (this.#together > 1 || this.#jobs.length > 1) await this.#host.yieldToEvents();
        const parts = this.#compose();
        if (parts.length > 0) await this.#run(parts);
        else if (this.#jobs.length > 0) await this.#changes();
      }
    } finally {
      this.#looping = false;
    }
  }

  async #run(parts: readonly Part[]): Promise<void> {
    this.#together = parts.length;
    this.#steps = parts.filter(({ rows }) => rows === 1).length;
    try {
      await this.#passes.run(parts);
    } catch (error) {
      for (const { job } of parts) settle(job, () => job.reject(error));
    }
    this.#dropSettled();
  }

  #dropSettled(): void {
    for (let i = this.#jobs.length - 1; i >= 0; i--) if (this.#jobs[i]!.settled) this.#jobs.splice(i, 1);
  }

  /**
   * The parts of the next pass, each in order of arrival; single tokens have their row before prompts have
   * any.
   */
  #compose(): Part[] {
    wanted(
      this.#jobs.map((job) => ({ job, rows: 0 })),
      "forward pass",
    );
    this.#dropSettled();
    const missing = ({ sequence, drafts }: Job) => sequence.length - drafts - sequence.held.length;
    const line = this.#jobs.toSorted((a, b) => a.sequence.rank! - b.sequence.rank!);
    const { maxRows, whole } = this.#passes;
    const isStep = (job: Job) => !whole && missing(job) === 1;
    let single = line.filter(isStep).length;
    let room = maxRows;
    let promptRoom = !whole && single + this.#steps > 0 ? PROMPT_ROWS_BESIDE_STEPS : maxRows;
    const parts: Part[] = [];
    for (const job of line) {
      const takesStep = isStep(job);
      const rows = takesStep ? Math.min(1, room) : Math.min(room - Math.min(single, room), promptRoom, missing(job));
      if (takesStep) single--;
      if (rows < 1 || (whole && rows < missing(job)) || !this.#passes.reserve(job, rows)) continue;
      // What was found in shared blocks need not be computed.
      const left = Math.min(rows, missing(job));
      const drafts = left === missing(job) ? this.#settleDrafts(job, line.length === 1 ? room - left : 0) : 0;
      parts.push({ job, rows: left + drafts });
      room -= left;
      if (!takesStep) promptRoom -= left;
    }
    return parts;
  }

  /** Decides how many of a job's drafts go along with its other rows, and leaves the rest out. */
  #settleDrafts(job: Job, most: number): number {
    const { sequence } = job;
    const others = sequence.length - job.drafts - sequence.held.length;
    const wished = Math.min(job.drafts, most);
    const drafts = wished > 0 ? this.#passes.reserveFree(job, others + wished) - others : 0;
    sequence.leaveOut(job.drafts - drafts);
    job.drafts = 0;
    return drafts;
  }

  /** Resolves when room may have become free, or a waiting job is aborted. */
  async #changes(): Promise<void> {
    const signals = this.#jobs.flatMap(({ options }) => options.signal ?? []);
    const wake = () => this.#wake();
    for (const signal of signals) signal.addEventListener("abort", wake);
    await new Promise<void>((resolve) => (this.#wake = resolve));
    for (const signal of signals) signal.removeEventListener("abort", wake);
    this.#wake = () => {};
  }
}

/** Settles a job once. */
export function settle(job: Job, how: () => void): void {
  if (job.settled) return;
  job.settled = true;
  how();
}

/** Ends the jobs that were aborted; says whether anybody still wants the result of a pass. */
export function wanted(parts: readonly Part[], work: string): boolean {
  for (const { job } of parts) {
    const { signal } = job.options;
    if (signal?.aborted) settle(job, () => job.reject(new AbortError(`${work}: aborted`, { cause: signal.reason })));
  }
  return parts.some(({ job }) => !job.settled);
}
