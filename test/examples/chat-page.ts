/** What every page of the examples has: a field, Ask, Stop, an answer that grows, a line of status. */
import { BrowserPage } from "../../examples/playground/test/browser-page.ts";
import { CHROMIUM, launchBrowser } from "../runtimes/launch-browser.ts";
import { assert, type Checks } from "../checks.ts";
import { root } from "./start.ts";

const STATUS = `document.querySelector("[role=status]").innerText`;
const STOP = `[...document.querySelectorAll("button")].find((b) => b.innerText.trim() === "Stop")`;
/** Lengths of an answer while it came; only growth is looked at. */
const WATCH = (selector: string) => `{
  globalThis.lengths = [];
  new MutationObserver(() => lengths.push([...document.querySelectorAll(${JSON.stringify(selector)})].at(-1)?.textContent.length ?? 0))
    .observe(document.body, { childList: true, characterData: true, subtree: true });
}`;

/** As much of puppeteer's page as is used here besides. */
interface OpenPage {
  evaluateOnNewDocument(script: string): Promise<unknown>;
}

/**
 * Opens a page in Chromium and gives it to `use`; whatever happens, the browser is closed.
 *
 * @param before script that runs in the page before its own
 */
export async function inChromium(url: string, use: (page: BrowserPage) => Promise<void>, before = ""): Promise<void> {
  const browser = await launchBrowser(CHROMIUM);
  try {
    const opened = await browser.newPage();
    await (opened as typeof opened & OpenPage).evaluateOnNewDocument(before);
    const page = new BrowserPage(opened);
    await page.size(800, 600);
    await page.goto(url);
    await use(page);
    assert(page.problems.length === 0, page.problems.join("\n"));
  } finally {
    await browser.close();
  }
}

/** Where a page shows what. */
export interface Shown {
  /** Its last match is the answer. */
  readonly answer: string;
  /** What the status says once a model is there, if the page tells. */
  readonly ready?: RegExp;
  /** What it says after an answer, if anything. */
  readonly answered?: RegExp;
}

/** Loads, asks, asks again and stops, as a person would. */
export async function chatChecks(checks: Checks, name: string, page: BrowserPage, shown: Shown): Promise<void> {
  const text = `[...document.querySelectorAll(${JSON.stringify(shown.answer)})].at(-1)?.innerText`;
  const idle = `!document.querySelector("form button").disabled`;
  const says = (what: RegExp) => page.until<string>(String(what), `${what}.test(${STATUS}) && ${STATUS}`);
  const { ready, answered } = shown;
  if (ready) await checks.check(`${name}: loads, in a worker`, async () => says(ready));
  await checks.check(`${name}: an answer appears piece by piece`, async () => {
    await page.evaluate(WATCH(shown.answer));
    await page.click("Ask");
    await page.until("an answer", `(${text} ?? "").length > 100`);
    await page.until("its end", idle);
    if (answered) await says(answered);
    const lengths = await page.evaluate<number[]>("lengths");
    const distinct = new Set(lengths).size;
    assert(distinct > 20, `${distinct} lengths of the answer were seen, need more than 20`);
    await page.screenshot(`${root}build/examples/${name}.png`);
    return `${distinct} lengths`;
  });
  await checks.check(`${name}: Stop ends an answer, and the next one comes`, async () => {
    let stopped = 0;
    for (const question of ["Tell a story.", "And then?", "Go on.", "And then?"]) {
      await page.evaluate(`document.querySelector("input").focus()`);
      await page.evaluate(`document.querySelector("input").select()`);
      await page.type(question);
      await page.click("Ask");
      await page.until("text", `(${text} ?? "").length > 10`);
      // An answer that ended by itself meanwhile has nothing to be stopped.
      if (await page.evaluate<boolean>(`${STOP}.disabled ? false : (${STOP}.click(), true)`)) stopped++;
      await page.until("its end", idle);
      const status = await page.evaluate<string>(STATUS);
      assert(!/error|got|need/i.test(status), status);
    }
    assert(stopped > 0, "no answer was stopped");
    return `${stopped} of 4 answers stopped`;
  });
}
