/**
 * `examples/electron` without Electron, whose program is not on the npm registry: its main process and the
 * process of its model in Node, its preload script and page in Chromium, joined by a stand-in for Electron's
 * own interface alone.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { installed } from "../runtimes/launch.ts";
import { CHROMIUM, launchBrowser } from "../runtimes/launch-browser.ts";
import { BrowserPage } from "../../examples/playground/test/browser-page.ts";
import { chatChecks } from "./chat-page.ts";
import { assert, type Checks } from "../checks.ts";
import { environment, install, root, started } from "./start.ts";

/** As much of puppeteer's page as is used here besides. */
interface OpenPage {
  goto(url: string): Promise<unknown>;
}

export async function electronChecks(checks: Checks): Promise<void> {
  await checks.check("electron: npm ci", () => install("electron"));
  await checks.check("electron: the main process starts", async () => {
    const hooks = fileURLToPath(new URL("electron/hooks.js", import.meta.url));
    const node = installed("node");
    const main = await started(
      spawn(node, ["--import", hooks, "main.js"], {
        cwd: `${root}examples/electron`,
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
        env: environment(),
      }),
    );
    const browser = await launchBrowser(CHROMIUM);
    try {
      const opened = await browser.newPage();
      await (opened as OpenPage).goto(main.url);
      const page = new BrowserPage(opened);
      await page.size(720, 560);
      await checks.check("electron: the page has what the preload script gives it, and no more", async () => {
        const given = await page.evaluate<string[]>("[typeof require, typeof process, ...Object.keys(fptq)]");
        assert(given.join() === "undefined,undefined,ask,stop,onAnswer", given.join());
        assert(/"contextIsolation":true,"sandbox":true,"nodeIntegration":false/.test(main.log()), main.log());
      });
      await chatChecks(checks, "electron", page, { answer: ".assistant", ready: /^Ready$/, answered: /^\d+ tokens a second/ });
      assert(page.problems.length === 0, page.problems.join("\n"));
    } finally {
      await browser.close();
      await main.stop();
    }
  });
}
