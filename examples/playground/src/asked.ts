/** Something that was asked of a model, and what became of it. */
import { type Explanation, explain } from "./explain.ts";
import type { Failure } from "./messages.ts";

export type Asked<T> =
  | { readonly kind: "idle" }
  /** With the text that has come. */
  | { readonly kind: "running"; readonly text: string }
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "failed"; readonly why: Explanation };

/**
 * Runs something whose states are shown.
 *
 * @param show is given each state there is
 * @param work is given what shows text as it comes; may reject with a `Failure`
 */
export async function runShown<T>(
  show: (asked: Asked<T>) => void,
  work: (onText: (text: string) => void) => Promise<T>,
): Promise<void> {
  let text = "";
  show({ kind: "running", text });
  try {
    const value = await work((piece) => show({ kind: "running", text: (text += piece) }));
    show({ kind: "done", value });
  } catch (error) {
    show({ kind: "failed", why: explain(error as Failure) });
  }
}
