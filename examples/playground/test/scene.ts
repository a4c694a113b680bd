/** What every part of a walk through the page is given, and what it does again and again. */
import type { BrowserPage } from "./browser-page.ts";
import type { Models } from "./models.ts";

export interface Scene {
  readonly name: string;
  readonly page: BrowserPage;
  readonly models: Models;
  readonly url: string;
  /** Whether the browser tells of tasks of the main thread that were long. */
  readonly seesLongTasks: boolean;
  /** Called in every state worth a picture. */
  look(state: string): Promise<void>;
  /** A picture alone, where things move. */
  glance(state: string): Promise<void>;
}

/** Whether a question can be asked. */
export const READY = `document.querySelector(".composer .primary:not([disabled])")?.innerText === "Send"`;
/** How many answers have ended. */
export const ANSWERS = `document.querySelectorAll("article.assistant dl.figures").length`;

/** An empty conversation, which it may be already. */
export async function newChat(page: BrowserPage): Promise<void> {
  if (await page.evaluate<boolean>(`document.querySelector("article") === null`)) return;
  await page.click("New chat");
  await page.until("an empty chat", `document.querySelector("article") === null`);
}

export async function ask(page: BrowserPage, text: string): Promise<void> {
  await page.evaluate(`document.getElementById("prompt").focus()`);
  await page.type(text);
  await page.press("Enter");
}
