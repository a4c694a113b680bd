/** Workers that a browser never starts: Firefox 153 has been seen to, and says nothing. */

/** Longest time for a worker's script to begin. */
const START_LIMIT_MS = 30_000;

/**
 * Warns of a worker that sends nothing for too long. It may still start, so this is no failure.
 *
 * @param worker sends a message as soon as its script runs
 * @param name what a person calls it
 */
export function watchStart(worker: Worker, name: string, warn: (message: string) => void): void {
  const timer = setTimeout(() => {
    warn(
      `The browser has not started the ${name}: no answer within ${START_LIMIT_MS / 1000} s. Starting the browser again may help.`,
    );
  }, START_LIMIT_MS);
  for (const event of ["message", "error"]) worker.addEventListener(event, () => clearTimeout(timer), { once: true });
}
