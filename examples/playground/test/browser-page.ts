/**
 * A page of a real browser as the tests handle it: by what it says to a person, under the names a screen
 * reader gives things.
 */
import { writeFileSync } from "node:fs";
import { NoWorkerError, SILENCE } from "./no-worker.ts";
import type { Page } from "../../../test/runtimes/launch-browser.ts";

/** As much of puppeteer's page as is used here besides. */
interface PuppeteerPage extends Page {
  on(event: "pageerror", handler: (error: Error) => void): void;
  on(event: "console", handler: (message: { type(): string; text(): string }) => void): void;
  setViewport(size: { width: number; height: number }): Promise<void>;
  emulateMediaFeatures(features: { name: string; value: string }[]): Promise<void>;
  evaluateOnNewDocument(script: string): Promise<unknown>;
  screenshot(options: { type: "png" }): Promise<Uint8Array>;
  readonly keyboard: { press(key: string): Promise<void>; type(text: string): Promise<void> };
}

/** Longest wait for anything. A busy machine may pause a browser for minutes. */
const LIMIT_MS = 300_000;

export class BrowserPage {
  /** Errors nobody caught, and violations of the policy, which browsers report in the console. */
  readonly problems: string[] = [];
  readonly #page: PuppeteerPage;

  constructor(page: Page) {
    this.#page = page as PuppeteerPage;
    this.#page.on("pageerror", ({ message }) => this.problems.push(message));
    this.#page.on("console", (message) => {
      if (message.type() === "error" && /Content.Security.Policy/i.test(message.text())) this.problems.push(message.text());
    });
  }

  goto = (url: string) => this.#page.goto(url);
  size = (width: number, height: number) => this.#page.setViewport({ width, height });
  press = (key: string) => this.#page.keyboard.press(key);
  type = (text: string) => this.#page.keyboard.type(text);
  close = () => this.#page.close();
  /** Runs a script before those of every page that is opened from now on. */
  before = (script: string) => this.#page.evaluateOnNewDocument(script);

  async scheme(name: "light" | "dark"): Promise<void> {
    await this.#page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: name }]);
  }

  /** @param script an expression; a promise is waited for */
  evaluate<T>(script: string): Promise<T> {
    return this.#page.evaluate(script) as Promise<T>;
  }

  async screenshot(file: string): Promise<void> {
    writeFileSync(file, await this.#page.screenshot({ type: "png" }));
  }

  /**
   * Waits until an expression is neither false, null, undefined, nor empty, and gives it.
   *
   * @throws NoWorkerError if it does not become so because the browser started no worker
   */
  async until<T>(what: string, expression: string): Promise<T> {
    const ends = performance.now() + LIMIT_MS;
    while (performance.now() < ends) {
      const value = await this.evaluate<T>(expression);
      if (value) return value;
      const silence = await this.evaluate<string | undefined>(SILENCE);
      if (silence !== undefined) throw new NoWorkerError(silence);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    const shown = await this.evaluate<string>("document.body.innerText");
    throw new Error(`${what}: not seen after ${LIMIT_MS / 1000} s; the page says\n${shown}`);
  }

  text = (selector: string) => this.until<string>(selector, `document.querySelector(${JSON.stringify(selector)})?.innerText`);

  /** Clicks the button or tab with this label. */
  async click(label: string): Promise<void> {
    const find = `[...document.querySelectorAll("button")].find((b) => b.innerText.trim() === ${JSON.stringify(label)} && !b.disabled)`;
    await this.until(`a button "${label}"`, `!!${find}`);
    await this.evaluate(`${find}.click()`);
  }

  /** Sets a field of a form, as a person leaves it. */
  async fill(name: string, value: string): Promise<void> {
    await this.until(`a field "${name}"`, `document.querySelector('[name=${name}]') !== null`);
    await this.evaluate(`{
      const field = document.querySelector('[name=${name}]');
      field.value = ${JSON.stringify(value)};
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }`);
  }

  /** Drops files of the server on a place. */
  async drop(urls: readonly string[], selector: string): Promise<void> {
    const fetched = `${JSON.stringify(urls)}.map((url) => fetch(url).then((response) => response.blob()).then((blob) => new File([blob], url.split("/").at(-1))))`;
    await this.evaluate(`Promise.all(${fetched}).then((files) => {
      const transfer = new DataTransfer();
      for (const file of files) transfer.items.add(file);
      const init = { dataTransfer: transfer, bubbles: true, cancelable: true };
      document.querySelector(${JSON.stringify(selector)}).dispatchEvent(new DragEvent("drop", init));
    })`);
  }
}
