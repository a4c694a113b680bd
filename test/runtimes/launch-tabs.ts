/**
 * Several tabs of Chromium that share an origin's storage: one closed while it loads, two that load at once,
 * and a quota that is too small.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import type { TabOutcome } from "./entries/tab.ts";
import type { Launched } from "./launch.ts";
import { CHROMIUM, launchBrowser, type Page } from "./launch-browser.ts";
import { type FileServer, serve } from "./serve.ts";
import { assert, collector, equal, type LogitsHash, type ModelName } from "./suite.ts";

export async function chromiumTabs(directory: string): Promise<Launched> {
  // Closed halfway means something only for a model of many blocks.
  const model: ModelName = existsSync(`${directory}/smollm2`) ? "smollm2" : "w4a8";
  const bytes = readdirSync(`${directory}/${model}`).reduce(
    (sum, name) => sum + statSync(`${directory}/${model}/${name}`).size,
    0,
  );
  const browser = await launchBrowser(CHROMIUM);
  const server = await serve(directory, { isolated: true, countWorkers: () => 0 });
  const open = async () => {
    const page = await browser.newPage();
    await page.goto(`${server.origin}/tab.html`);
    return page;
  };
  const load = async (page: Page, offline = false): Promise<TabOutcome> => {
    return (await page.evaluate(`tab.load("${model}", ${offline})`)) as TabOutcome;
  };
  const [check, checks] = collector();
  const logits: LogitsHash[] = [];
  const found = ({ hash, build, warnings }: TabOutcome, expectedWarnings = 0) => {
    logits.push({ model, build, threads: 1, hash });
    equal(warnings.length, expectedWarnings);
  };
  try {
    await check("a tab closed while it loads leaves a cache that the next one goes on with", async () => {
      const closed = await open();
      load(closed).catch(() => undefined); // the page is gone before it can answer
      while (((await closed.evaluate("tab.done")) as number) < bytes / 4);
      await closed.close();
      const sent = server.sent();
      found(await load(await open()));
      if (model === "smollm2") assert(server.sent() - sent < 0.95 * bytes, `${server.sent() - sent} of ${bytes} bytes`);
    });
    await check("two tabs that load at once do not disturb each other, and leave a whole cache", async () => {
      await clear(await open(), server);
      const tabs = [await open(), await open()];
      for (const outcome of await Promise.all(tabs.map((page) => load(page)))) found(outcome);
      const sent = server.sent();
      found(await load(await open(), true));
      equal(server.sent() - sent < 1e6, true); // the page itself
    });
    await check("a quota that is too small is one warning with numbers, and no cache", async () => {
      const page = await open();
      await clear(page, server);
      await (
        await page.createCDPSession()
      ).send("Storage.overrideQuotaForOrigin", { origin: server.origin, quotaSize: bytes / 4 });
      const outcome = await load(page);
      found(outcome, 1);
      const pattern =
        /^cache: cannot keep \d+ bytes in this page's private files \(\d+ bytes used, \d+ free\): .+; going on without it$/;
      assert(pattern.test(outcome.warnings[0]!), outcome.warnings[0]!);
    });
    return {
      version: /\d+(\.\d+)+/.exec(await browser.version())![0],
      result: { logits, checks } as unknown as Launched["result"],
    };
  } finally {
    await browser.close();
    server.close();
  }
}

async function clear(page: Page, { origin }: FileServer): Promise<void> {
  await (await page.createCDPSession()).send("Storage.clearDataForOrigin", { origin, storageTypes: "all" });
}
