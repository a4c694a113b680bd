/**
 * Makes the README's picture of the page: three questions to the embedded model at temperature 0, in
 * Chromium. Needs `npm run build` at the root before.
 *
 *   npm run picture     writes docs/playground.png, and docs/playground.json with the digest of the model
 *
 * A test at the root fails while the digest is not that of the model that is there.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CHROMIUM, launchBrowser } from "../../../test/runtimes/launch-browser.ts";
import { EMBEDDED } from "../site.ts";
import { BrowserPage } from "./browser-page.ts";
import { buildPage, servePage } from "./server.ts";

const QUESTIONS = [
  "What is the largest ocean on Earth?",
  "Name three primary colors.",
  "What is photosynthesis? Answer in one sentence.",
];
const docs = fileURLToPath(new URL("../../../docs", import.meta.url));

await buildPage(EMBEDDED);
const server = await servePage({ model: EMBEDDED });
const browser = await launchBrowser(CHROMIUM);
try {
  const page = new BrowserPage(await browser.newPage());
  await page.size(1280, 760);
  await page.goto(server.url);
  await page.until("a model", `document.querySelector(".composer .primary:not([disabled])")?.innerText === "Send"`);
  await page.fill("temperature", "0");
  await page.fill("maxTokens", "48");
  for (const [i, question] of QUESTIONS.entries()) {
    await page.evaluate(`document.getElementById("prompt").focus()`);
    await page.type(question);
    await page.press("Enter");
    await page.until("an answer", `document.querySelectorAll("article.assistant dl.figures").length === ${i + 1}`);
  }
  await page.screenshot(`${docs}/playground.png`);
} finally {
  await browser.close();
  await server.close();
}
const index = readFileSync(`${EMBEDDED}/model.safetensors.index.json`);
const digest = createHash("sha256").update(index).digest("hex");
writeFileSync(`${docs}/playground.json`, `${JSON.stringify({ index_sha256: digest }, null, 2)}\n`);
