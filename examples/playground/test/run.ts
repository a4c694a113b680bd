/**
 * Opens the page in Chromium and Firefox and uses it. Needs `npm run build` at the root before.
 *
 *   npm run test:playground [-- chromium|firefox]     screenshots go to build/playground/
 *
 * A browser that is not on this machine is skipped, but with FPTQ_REQUIRE_DATA set it is a failure.
 */
import { existsSync, mkdirSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { CHROMIUM, FIREFOX, launchBrowser } from "../../../test/runtimes/launch-browser.ts";
import { EMBEDDED } from "../site.ts";
import { Accessibility } from "./accessibility.ts";
import { BrowserPage } from "./browser-page.ts";
import { assert, Checks } from "../../../test/checks.ts";
import { makeModels } from "./models.ts";
import { measure } from "./measure.ts";
import { NoWorkerError } from "./no-worker.ts";
import { goOffline } from "./offline.ts";
import { walkThrough } from "./scenario.ts";
import { buildPage, servePage } from "./server.ts";
import { checkSite } from "./site.ts";

const out = fileURLToPath(new URL("../../../build/playground", import.meta.url));
mkdirSync(out, { recursive: true });
/** Times that a browser is opened. */
const TRIES = 4;
const checks = new Checks();
const models = await makeModels(`${out}/model`);
await buildPage();
const server = await servePage({ model: models.directory });
const plain = await servePage({ model: models.directory, isolated: false });

await checks.check("headers", async () => {
  const wanted = { "content-security-policy": /script-src 'self' 'wasm-unsafe-eval'/, "x-content-type-options": /nosniff/, "referrer-policy": /no-referrer/, "cross-origin-opener-policy": /same-origin/, "cross-origin-embedder-policy": /require-corp/ }; // prettier-ignore
  for (const [name, pattern] of Object.entries(wanted)) assert(pattern.test(server.headers.get(name) ?? ""), name);
});

await checkSite(checks, server.headers);

/** What the page is about: where it is, its figures are printed. */
const real = process.env["FPTQ_PLAYGROUND_MODEL"] ?? EMBEDDED;
const figures = existsSync(real) ? await servePage({ model: real }) : undefined;

/** Opens a browser and walks through the page with it. */
async function visit(description: typeof CHROMIUM, name: string, visited: Checks): Promise<void> {
  const browser = await launchBrowser(description);
  try {
    const page = new BrowserPage(await browser.newPage());
    const accessibility = new Accessibility(page);
    const look = async (state: string) => {
      for (const [width, height] of [[1280, 800], [360, 740]] as const) {
        await page.size(width, height);
        await accessibility.checkWidth(`${state}, ${width} px`, width);
        for (const scheme of name === "chromium" ? (["light", "dark"] as const) : (["light"] as const)) {
          if (name === "chromium") await page.scheme(scheme);
          await page.screenshot(`${out}/${name}-${state}-${width}-${scheme}.png`);
          if (name === "chromium") await accessibility.look(`${state}, ${width} px, ${scheme}`);
        }
      }
      await page.size(1280, 800);
    }; // prettier-ignore
    const glance = (state: string) => page.screenshot(`${out}/${name}-${state}.png`);
    await page.size(1280, 800);
    await page.goto(server.url);
    await walkThrough(visited, { name, page, models, url: server.url, seesLongTasks: name === "chromium", look, glance });
    const axe = name === "chromium" ? `no rule of axe is broken in ${accessibility.looks} looks, and ` : "";
    await visited.check(`${name}: ${axe}nothing is wider than the page`, async () => {
      assert(accessibility.problems.length === 0, accessibility.problems.join("\n"));
    });
    await page.close();

    await visited.check(
      `${name}: a page without isolation has one thread, one without private files keeps no chats; both say so`,
      async () => {
        const alone = new BrowserPage(await browser.newPage());
        await alone.before(
          `StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException("no", "SecurityError"))`,
        );
        await alone.goto(plain.url);
        await alone.until("a model", `/1 thread,/.test(document.querySelector(".settings .facts")?.textContent)`);
        const notices = await alone.evaluate<string[]>(`[...document.querySelectorAll(".warning")].map((n) => n.textContent)`);
        assert(notices.length === 1 && /cross-origin isolated/.test(notices[0]!), JSON.stringify(notices));
        await alone.until("a word about chats", `/no private storage/.test(document.querySelector(".chats .hint")?.textContent)`);
        await alone.screenshot(`${out}/${name}-not-isolated.png`);
      },
    );
    await goOffline(visited, name, browser, models);
    if (figures) {
      await visited.check(`${name}: figures of ${basename(real)}`, async () => {
        const visitor = new BrowserPage(await browser.newPage());
        return measure(visitor, figures.url, name === "chromium");
      });
    }
  } finally {
    await browser.close();
  }
}

/** Visits, again where the browser starts no worker; checks of a visit that was broken off do not count. */
async function visitAgain(description: typeof CHROMIUM, name: string): Promise<void> {
  for (let left = TRIES - 1; ; left--) {
    const attempt = new Checks((error) => !(error instanceof NoWorkerError));
    try {
      await visit(description, name, attempt);
      return checks.add(attempt);
    } catch (error) {
      if (left === 0 || !(error instanceof NoWorkerError)) throw error;
      console.log(`${name}: ${error.message}; opened again`);
    }
  }
}

const [only] = process.argv.slice(2);
for (const description of [CHROMIUM, FIREFOX]) {
  const name = description.browser === "chrome" ? "chromium" : "firefox";
  if (only !== undefined && only !== name) continue;
  try {
    await visitAgain(description, name);
  } catch (error) {
    await checks.check(name, () => Promise.reject(error));
  }
}
await server.close();
await plain.close();
await figures?.close();
checks.end();
