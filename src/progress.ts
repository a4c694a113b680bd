/** One step of long work. */
export interface Progress {
  /** The work going on, for a person: "download", "load", "calibrate", "quantize", "write", "perplexity". */
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly unit: "bytes" | "tokens" | "layers" | "tensors" | "chunks" | "items" | "steps";
  /** Seconds left at the rate of the last few seconds; absent while there is no rate yet. */
  readonly secondsLeft?: number;
}

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
