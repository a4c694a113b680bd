/**
 * Starting kernel workers: those that start in time take part, whatever becomes of the others. A place that
 * starts none (a bundle without the worker's file, a policy, a limit of the system) has fewer threads.
 */
import { CapabilityError } from "../../errors.ts";
import type { Host, WorkerHandle } from "../../host/host.ts";
import { admit, boardWords, type WorkerStart } from "./job-board.ts";

/**
 * Longest time to wait for workers. They start in 0.1 s, on a phone in 1 s; browsers have been seen that
 * never start one and never say so (Firefox 153).
 */
export const START_LIMIT_MS = 10_000;

export interface StartedWorkers {
  /** Those that wait for their first job; the first has place 1. */
  readonly workers: readonly WorkerHandle[];
  /** The reason why there are fewer than asked for. */
  readonly shortfall: string | undefined;
}

/**
 * Starts a worker for each of `starts`, over one job board.
 *
 * @param signal stops waiting: no worker is left then
 * @throws CapabilityError if one cannot be started in the way the caller chose (`HostOptions.worker`); none
 *   is left then
 */
export async function startWorkers(
  starts: readonly WorkerStart[],
  spawn: NonNullable<Host["spawnWorker"]>,
  limitMs: number,
  signal: AbortSignal,
): Promise<StartedWorkers> {
  const workers = starts.map((start) => spawned(spawn, start));
  const failures = await outcomes(workers, limitMs, signal);
  const refusal = failures.find((failure) => failure instanceof CapabilityError);
  const all = refusal === undefined && !signal.aborted;
  const live = all ? admitted(starts, workers, failures) : [];
  for (const worker of workers) if (!live.includes(worker)) void worker.end().catch(() => {});
  if (refusal) {
    throw new CapabilityError(
      `threads: of ${workers.length} workers asked for, one did not start: ${refusal.message}`,
      { cause: refusal },
    ); // prettier-ignore
  }
  const failure = failures.find((reason) => reason !== undefined)?.message;
  const shortfall = live.length === workers.length ? undefined : (failure ?? "a worker died at its start");
  return { workers: live, shortfall };
}

/** What a runtime throws at once is a worker that does not become ready. */
function spawned(spawn: NonNullable<Host["spawnWorker"]>, start: WorkerStart): WorkerHandle {
  try {
    return spawn(start);
  } catch (error) {
    return { ready: Promise.reject(asError(error)), onDeath: () => {}, end: async () => {} };
  }
}

/** For each worker why it is not ready, or undefined if it is. */
async function outcomes(workers: readonly WorkerHandle[], limitMs: number, signal: AbortSignal): Promise<(Error | undefined)[]> {
  let stop!: (reason: string) => void;
  const late = new Promise<string>((resolve) => (stop = resolve));
  const onAbort = () => stop("it was told to end");
  const timer = setTimeout(() => stop(`no answer within ${limitMs / 1000} s of its start`), limitMs);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.all(
      workers.map(({ ready }, i) =>
        Promise.race([ready.then(() => undefined, asError), late.then((reason) => new Error(`worker ${i + 1}: ${reason}`))]),
      ),
    );
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** Gives places to the workers that are ready, one after another, unless they have died since. */
function admitted(
  starts: readonly WorkerStart[],
  workers: readonly WorkerHandle[],
  failures: readonly (Error | undefined)[],
): WorkerHandle[] {
  const live: WorkerHandle[] = [];
  for (const [i, start] of starts.entries()) {
    if (failures[i] === undefined && admit(boardWords(start), start.thread, live.length + 1)) live.push(workers[i]!);
  }
  return live;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
