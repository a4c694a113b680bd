/** Letting other events run, by what the web platform has. */

/**
 * Messages are ordinary tasks: first come, first served, so timers get their turn. In a page, `setTimeout`
 * would wait 4 ms (HTML standard, timers nested five deep) or a second if it is hidden; `scheduler.yield`
 * resumes ahead of timers, which never fire then (measured: Chromium 156).
 */
export function yieldByMessage(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener("message", () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(undefined);
  });
}

/** Yields by a timer, for places without messages between parts of one thread. */
export function yieldByTimer(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
