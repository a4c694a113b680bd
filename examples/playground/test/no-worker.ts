/**
 * A browser that starts no worker, as Firefox 153 does now and then, whatever page asks it to. The library
 * then computes with one thread and the page waits for its engine; both say so in a warning.
 */

/** Says that the browser has to be opened again before anything can be seen of the page. */
export class NoWorkerError extends Error {}

/** An expression for the page: the warning about a worker that did not start, or undefined. */
export const SILENCE = `[...document.querySelectorAll(".warning")].map((n) => n.textContent).find((text) => text.includes("no answer within"))`;
