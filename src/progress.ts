/** One step of long work. */
export interface Progress {
  /** The work going on, for a person: "download", "load", "calibrate", "quantize", "write", "perplexity". */
  readonly phase: string;
  /** Units done so far. */
  readonly done: number;
  /** Units in all. */
  readonly total: number;
  /** What is counted. */
  readonly unit: "bytes" | "tokens" | "layers" | "tensors" | "chunks" | "items" | "steps";
  /** Seconds left at the rate of the last few seconds; absent while there is no rate yet. */
  readonly secondsLeft?: number;
}

/** Function that is told of progress, at most 20 times a second. */
export type OnProgress = (progress: Progress) => void;

/**
 * The rate is that of so many milliseconds: long enough to smooth single steps, short enough to follow a
 * network that slows down.
 */
const RATE_MS = 5000;
/** The least time a rate is taken over: below it a rate is noise. */
const LEAST_MS = 200;

/**
 * Adds the time left to each step.
 *
 * @param now milliseconds of a steady clock
 */
export function withTimeLeft(onProgress: OnProgress, now = () => performance.now()): OnProgress {
  let phase: string | undefined;
  let steps: { readonly ms: number; readonly done: number }[] = [];
  return (progress) => {
    const { done, total } = progress;
    const ms = now();
    if (progress.phase !== phase || done < (steps.at(-1)?.done ?? 0)) steps = [];
    phase = progress.phase;
    steps.push({ ms, done });
    // The last step before the window begins it, so that rare steps have a rate too.
    while (steps.length > 2 && steps[1]!.ms <= ms - RATE_MS) steps.shift();
    const elapsed = ms - steps[0]!.ms;
    const covered = done - steps[0]!.done;
    if (elapsed < LEAST_MS || covered <= 0) return onProgress(progress);
    onProgress({ ...progress, secondsLeft: ((total - done) * elapsed) / covered / 1000 });
  };
}

/** The least time between two steps that are told: a display needs no more, and each may cost a paint. */
const PAUSE_MS = 50;

export interface PacedProgress {
  readonly report: OnProgress;
  /** Tells the last step, if it has not been told. */
  end(): void;
}

/**
 * Tells at most 20 steps a second, with the time left. The first and the last step of each phase are told
 * whenever they come; a phase that begins again has another first one.
 *
 * @param now milliseconds of a steady clock
 */
export function paced(onProgress: OnProgress, now = () => performance.now()): PacedProgress {
  const tell = withTimeLeft(onProgress, now);
  let told: Progress | undefined;
  let toldMs = -Infinity;
  let waiting: Progress | undefined;
  const deliver = (progress: Progress) => {
    told = progress;
    toldMs = now();
    waiting = undefined;
    tell(progress);
  };
  const end = () => {
    if (waiting) deliver(waiting);
  };
  return {
    end,
    report(progress) {
      const { phase, done, total } = progress;
      const latest = waiting ?? told;
      const begins = latest === undefined || phase !== latest.phase || done < latest.done;
      if (begins) end();
      // Bytes read twice count no further than the total.
      else if (latest === told && done === told!.done && total === told!.total) return;
      if (begins || done >= total || now() - toldMs >= PAUSE_MS) deliver(progress);
      else waiting = progress;
    },
  };
}

/** Runs work that tells its progress, `paced`, and tells the last step before it ends. */
export async function withPacedProgress<T>(
  onProgress: OnProgress | undefined,
  work: (report: OnProgress | undefined) => Promise<T>,
): Promise<T> {
  const progress = onProgress && paced(onProgress);
  try {
    return await work(progress?.report);
  } finally {
    progress?.end();
  }
}
