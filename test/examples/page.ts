/** `examples/page`: no bundler; also where the browser offers less than a current one on a desk. */
import { readFileSync } from "node:fs";
import type { BrowserPage } from "../../examples/playground/test/browser-page.ts";
import { chatChecks, inChromium } from "./chat-page.ts";
import { assert, type Checks } from "../checks.ts";
import { install, npmStart, root } from "./start.ts";

/** Scripts that take something away in the worker, whose text the page makes a `Blob` of. */
const inWorker = (script: string) =>
  `globalThis.Blob = class extends Blob { constructor(parts, type) { super([${JSON.stringify(script)}, ...parts], type); } };`;

/** What a browser may lack, and what the page then says. */
const LIMITS: readonly (readonly [what: string, script: string, says: RegExp])[] = [
  [
    "a private window without storage",
    `navigator.storage.getDirectory = caches.open = () => Promise.reject(new DOMException("refused", "SecurityError"));`,
    /^Ready: .*cache: this page may keep nothing/,
  ],
  [
    "no SIMD",
    `WebAssembly.validate = () => false; WebAssembly.compile = () => Promise.reject(new WebAssembly.CompileError("no"));`,
    /^kernels: got an engine whose WebAssembly has no SIMD, need .* Safari 16.4 or newer/,
  ],
  [
    "memory for less than the model",
    `{ const { Memory } = WebAssembly;
      WebAssembly.Memory = class extends Memory { constructor(size) {
        if (size.initial > 512) throw new RangeError("could not allocate memory");
        super(size);
      } };
    }`,
    /^memory: needs \d+ bytes, about \d+ are available; a smaller contextSize/,
  ],
  ["a page that is not isolated", `Object.defineProperty(globalThis, "crossOriginIsolated", { value: false });`, /^Ready: 1 thread.*headers Cross-Origin/],
]; // prettier-ignore

/** The status and every warning of the page once it says something for good. */
const SAID = `(/^Loading/.test(document.querySelector("#status").textContent) ? "" : [document.querySelector("#status").textContent, ...warned].join("; "))`;

export async function pageChecks(checks: Checks): Promise<void> {
  await checks.check("page: npm ci", () => install("page"));
  await checks.check("page: starts", async () => {
    const server = await npmStart("page", ["0"]);
    try {
      await inChromium(server.url, async (page) => {
        await chatChecks(checks, "page", page, {
          answer: "#answer",
          ready: /^Ready: \d+ thread/,
          answered: /^\d+ tokens a second/,
        });
        await checks.check("page: threads are allowed, files come from the package as it is", async () => {
          assert(await page.evaluate<boolean>("crossOriginIsolated"), "the page is not isolated");
          const html = readFileSync(`${root}examples/page/index.html`, "utf8");
          assert(!/<script[^>]+src=/.test(html), "more than one file");
        });
      });
      for (const [what, script, says] of LIMITS) {
        await checks.check(`page: ${what}`, () => {
          const warnings = `globalThis.warned = []; console.warn = (text) => warned.push(text);`;
          let said = "";
          const look = async (page: BrowserPage) => {
            said = await page.until("a word", SAID);
            assert(says.test(said), `got ${said}, need ${says}`);
          };
          return inChromium(server.url, look, `${warnings}${inWorker(script)}`).then(() => said);
        });
      }
    } finally {
      await server.stop();
    }
  });
}
