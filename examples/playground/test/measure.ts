/** Figures of a real model, printed and not judged: they are the machine's as much as the page's. */
import { assert } from "../../../test/checks.ts";
import type { BrowserPage } from "./browser-page.ts";
import { NoWorkerError, SILENCE } from "./no-worker.ts";
import { longestTask, watchLongTasks } from "./long-tasks.ts";

/**
 * Sends as soon as it can, and gives the milliseconds from the start of the page's loading to the first text
 * of the answer.
 */
const FIRST_TEXT = `new Promise((resolve) => {
  let sent = false;
  const step = () => {
    const button = document.querySelector(".composer .primary");
    if (!sent && button && !button.disabled) {
      const text = document.getElementById("prompt");
      text.value = "Why is the sky blue?";
      text.dispatchEvent(new Event("input", { bubbles: true }));
      button.click();
      sent = true;
    }
    const silence = ${SILENCE};
    if (document.querySelector("article.assistant .text")?.textContent) resolve(performance.now());
    else if (silence !== undefined) resolve(silence);
    else requestAnimationFrame(step);
  };
  step();
})`;

async function firstText(page: BrowserPage): Promise<number> {
  const outcome = await page.evaluate<number | string>(FIRST_TEXT);
  if (typeof outcome === "string") throw new NoWorkerError(outcome);
  return outcome;
}

/** @returns for people to read */
export async function measure(page: BrowserPage, url: string, seesLongTasks: boolean): Promise<string> {
  await page.goto(url);
  const cold = await firstText(page);
  await page.goto(url);
  const warm = await firstText(page);
  await page.press("Escape");
  await page.until("an end", `document.querySelector("article.assistant dl.figures") !== null`);
  await page.click("New chat");
  await page.until("an empty chat", `document.querySelector("article") === null`);
  await page.fill("maxTokens", "256");
  await watchLongTasks(page, seesLongTasks);
  await page.evaluate(`document.getElementById("prompt").focus()`);
  await page.type("Write a long story about a lighthouse keeper.");
  await page.press("Enter");
  await page.until("an end", `document.querySelector("article.assistant dl.figures") !== null`);
  const tasks = await longestTask(page, seesLongTasks);
  const figures = await page.text("article.assistant dl.figures");
  assert(warm > 0 && cold > 0, "no first text");
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
  return `first text ${seconds(cold)} after the first visit began, ${seconds(warm)} after the second; ${tasks}; ${figures.replaceAll(/\s+/g, " ")}`;
}
