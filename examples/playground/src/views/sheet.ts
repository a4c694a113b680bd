/**
 * The settings as a sheet over a narrow page: what lies below takes neither keys nor pointers, and the
 * keyboard goes into the sheet and back to the button that opened it.
 */
import type { Page } from "./page.ts";

export const SHEET_CLOSE = "sheet-close";
export const SHEET_OPEN = "sheet-open";

const narrow = matchMedia("(max-width: 55.99rem)");

export const isNarrow = () => narrow.matches;

/** Calls back whenever the page becomes narrow or wide. */
export const onWidth = (changed: () => void) => narrow.addEventListener("change", changed);

/** @param then is called when the sheet can be used; at once where the settings lie beside the content */
export function openSheet(
  { state, changed }: Page,
  then: () => void = () => document.getElementById(SHEET_CLOSE)!.focus(),
): void {
  if (!isNarrow()) return then();
  state.sheet = true;
  changed();
  // After the drawing that `changed` asked for.
  requestAnimationFrame(() => requestAnimationFrame(then));
}

export function closeSheet({ state, changed }: Page): void {
  if (!state.sheet) return;
  state.sheet = false;
  changed();
  requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById(SHEET_OPEN)?.focus()));
}
