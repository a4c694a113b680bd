/** The page without its server: it opens again, isolated as before, and the model answers. */
import type { launchBrowser } from "../../../test/runtimes/launch-browser.ts";
import { BrowserPage } from "./browser-page.ts";
import { assert, type Checks } from "../../../test/checks.ts";
import type { Models } from "./models.ts";
import { ANSWERS, ask, READY } from "./scene.ts";
import { servePage } from "./server.ts";

type Browser = Awaited<ReturnType<typeof launchBrowser>>;

export async function goOffline(checks: Checks, name: string, browser: Browser, { directory }: Models): Promise<void> {
  await checks.check(`${name}: opens and answers when its server is gone`, async () => {
    const server = await servePage({ model: directory });
    const page = new BrowserPage(await browser.newPage());
    await page.goto(server.url);
    await page.until("a model", READY);
    await page.until("a service worker", `navigator.serviceWorker.ready.then(({ active }) => active?.state === "activated")`);
    await server.close();
    await page.goto(server.url);
    await page.until("a model", READY);
    assert(await page.evaluate<boolean>("crossOriginIsolated"), "the page is no longer isolated");
    await page.fill("maxTokens", "8");
    await ask(page, "Hello");
    await page.until("an answer", `${ANSWERS} === 1`);
    await page.click("Layers");
    await page.until("the report", `document.querySelector("[name=loaded-quantity] [value=weight_sqnr_db]") !== null`);
    assert(page.problems.length === 0, page.problems.join("\n"));
    await page.close();
  });
}
