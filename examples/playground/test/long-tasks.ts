/** How long the main thread was held by one task (Long Tasks API; Chromium has it, Firefox does not). */
import { assert } from "../../../test/checks.ts";
import type { BrowserPage } from "./browser-page.ts";

/** @param supported whether this browser is to report them */
export async function watchLongTasks(page: BrowserPage, supported: boolean): Promise<void> {
  const found = await page.evaluate<boolean>(`PerformanceObserver.supportedEntryTypes.includes("longtask")`);
  assert(found === supported, `long tasks are ${found ? "" : "not "}reported here`);
  if (!supported) return;
  await page.evaluate(`{
    globalThis.longTasks = [];
    globalThis.longTaskObserver = new PerformanceObserver((list) => longTasks.push(...list.getEntries()));
    longTaskObserver.observe({ type: "longtask" });
  }`);
}

/** Since it was watched. Tasks below 50 ms are none to this API. */
export async function longestTask(page: BrowserPage, supported: boolean): Promise<string> {
  if (!supported) return "long tasks are not reported by this browser";
  const longest = await page.evaluate<number>(`{
    longTasks.push(...longTaskObserver.takeRecords());
    longTaskObserver.disconnect();
    Math.max(0, ...longTasks.map(({ duration }) => duration));
  }`);
  assert(Number.isFinite(longest), `longest task: ${longest}`);
  return longest === 0 ? "no task of the main thread took 50 ms" : `longest task of the main thread ${longest} ms`;
}
