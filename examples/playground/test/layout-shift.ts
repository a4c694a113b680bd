/** How much of a page moves by itself (Layout Instability API; Chromium has it, Firefox does not). */
import { assert } from "../../../test/checks.ts";
import type { BrowserPage } from "./browser-page.ts";

/** Sum of the shifts nobody caused; below 0.1 is called good (web.dev/cls), and this page needs no shift. */
const LIMIT = 0.02;

/** Since the page was opened. */
export async function checkLayout(page: BrowserPage): Promise<string> {
  const shifts = await page.evaluate<{ value: number; moved: string }[]>(`new Promise((resolve) => {
    // What is buffered comes in a later task; nothing comes where nothing moved.
    const found = [];
    new PerformanceObserver((list) => found.push(...list.getEntries())).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve(found.filter((entry) => !entry.hadRecentInput).map(({ value, sources }) => ({
      value,
      moved: sources.map(({ node }) => (node?.nodeType === 1 ? node : node?.parentElement)?.outerHTML.slice(0, 60)).join(" | "),
    }))), 200);
  })`);
  const sum = shifts.reduce((total, { value }) => total + value, 0);
  assert(sum <= LIMIT, `${sum}: ${JSON.stringify(shifts)}`);
  return `layout shift ${sum.toFixed(4)}`;
}
