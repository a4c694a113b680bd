/** What a person does with the page, in the order they would: one browser, one tab, tiny models. */
import { useChats } from "./chats.ts";
import { assert, type Checks } from "../../../test/checks.ts";
import { useDemos, useLayers } from "./demos.ts";
import { checkLayout } from "./layout-shift.ts";
import { longestTask, watchLongTasks } from "./long-tasks.ts";
import { IN_PAGE } from "./models.ts";
import { ANSWERS, ask, newChat, READY, type Scene } from "./scene.ts";

/** Where a model is quantized; the forms of other tabs are in the page too. */
const QUANTIZE = "[aria-labelledby=quantize-title]";
const GREEDY = { temperature: "0", maxTokens: "4000", seed: "1" };

export async function walkThrough(checks: Checks, scene: Scene): Promise<void> {
  const { name, page, models, seesLongTasks, look, glance } = scene;
  const check = (what: string, run: () => Promise<string | void>) => checks.check(`${name}: ${what}`, run);

  await check("loads the built-in model with a progress bar", async () => {
    await page.evaluate(`globalThis.bars = 0; new MutationObserver(() => {
      if (document.querySelector("progress[aria-label='Loading the model']")) bars++;
    }).observe(document, { childList: true, subtree: true, attributes: true })`);
    await page.click("Load");
    await page.until("a progress bar", "bars");
    await page.until("a model", READY);
    const layout = seesLongTasks ? await checkLayout(page) : "layout shifts are not reported by this browser";
    await look("ready");
    return layout;
  });

  await check("sends with Enter, streams, and gives the figures of both stages", async () => {
    for (const [field, value] of Object.entries(GREEDY)) await page.fill(field, value);
    await page.fill("maxTokens", "200");
    await page.evaluate(`globalThis.lengths = new Set(); new MutationObserver(() => {
      lengths.add(document.querySelector("article.assistant .text")?.textContent.length ?? 0);
    }).observe(document.body, { childList: true, subtree: true, characterData: true })`);
    await watchLongTasks(page, seesLongTasks);
    await page.evaluate(`document.getElementById("prompt").focus()`);
    await page.type("Hello");
    await page.press("Enter");
    await page.until("text", `document.querySelector("article.assistant .text")?.textContent`);
    await glance("streaming");
    await page.until("an answer", `${ANSWERS} === 1`);
    const tasks = await longestTask(page, seesLongTasks);
    const steps = await page.evaluate<number>("lengths.size");
    assert(steps > 2, `the answer grew in ${steps} steps`);
    const figures = await page.text("article.assistant dl.figures");
    assert(/Prefill\s*[\d,.]+ tok\/s/.test(figures) && /Decode\s*[\d,.]+ tok\/s/.test(figures), figures);
    await look("answered");
    return `${steps} steps, ${tasks}`;
  });

  await check("gives the same answer with the same seed", async () => {
    const first = await page.evaluate<string>(`document.querySelector("article.assistant .text").textContent`);
    await newChat(page);
    await ask(page, "Hello");
    await page.until("an answer", `${ANSWERS} === 1`);
    const second = await page.evaluate<string>(`document.querySelector("article.assistant .text").textContent`);
    assert(first === second && first !== "", `${JSON.stringify(first)} and ${JSON.stringify(second)}`);
  });

  await useChats(checks, scene);

  await check("stops with Esc and keeps what there is", async () => {
    await newChat(page);
    // The visit before took its settings with it, and a text that is drawn may end before the key is down.
    for (const [field, value] of Object.entries(GREEDY)) await page.fill(field, value);
    await ask(page, "Hello");
    await page.until("text", `document.querySelector("article.assistant .text")?.textContent`);
    await page.press("Escape");
    await page.until("an end", `${ANSWERS} === 1`);
    const figures = await page.text("article.assistant dl.figures");
    assert(/End\s*stopped/.test(figures), figures);
    assert((await page.text("article.assistant .text")).length > 0, "nothing was kept");
    return `after ${/Decode.*?([\d,]+) tokens/s.exec(figures)![1]} tokens`;
  });

  await check("refuses an option outside its domain before anything is sent", async () => {
    await page.fill("topP", "2");
    await ask(page, "Hello");
    const state = await page.evaluate<string>(
      `JSON.stringify([document.activeElement.name, ${ANSWERS}, document.querySelectorAll("article.user").length])`,
    );
    assert(state === '["topP",1,1]', state);
    await page.fill("topP", "0.95");
  });

  for (const [threads, build] of [
    ["2", "simd128"],
    ["1", "relaxed"],
  ] as const) {
    await check(`switches to ${threads} threads and ${build}`, async () => {
      await page.fill("threads", threads);
      await page.fill("build", build);
      await page.click("Load");
      const wanted = `${threads} thread${threads === "1" ? "" : "s"}, ${build}`;
      await page.until(
        wanted,
        `${READY} && [...document.querySelectorAll(".settings dd")].some((dd) => dd.textContent === ${JSON.stringify(wanted)})`,
      );
    });
  }

  await useDemos(checks, scene);
  await useLayers(checks, scene);

  await check("says what is wrong with a file that is no GGUF, and with an address where nothing is", async () => {
    await page.click("Chat");
    await page.drop(["/model/broken.gguf"], ".settings .drop");
    const wrong = await page.text(".chat .failure");
    assert(/neither a GGUF/.test(wrong), wrong);
    await page.fill("source", `${scene.url}nothing/`);
    await page.click("Load");
    await page.until("what is wrong", `/no model at this address/.test(document.querySelector(".chat .failure")?.innerText)`);
    await look("failed");
    await page.fill("source", "");
  });

  await check("quantizes a dropped GGUF, to the same bits as Node, and saves it as a zip", async () => {
    await page.click("Quantize");
    await look("quantize");
    for (const [field, value] of Object.entries(IN_PAGE)) await page.fill(field, String(value));
    await page.drop(["/model/tiny.gguf"], `${QUANTIZE} .drop`);
    await page.until("a result", `document.querySelector("${QUANTIZE} .buttons .primary")?.innerText === "Download as zip"`);
    await look("quantized");
    // A real download would end up in some folder of this machine.
    await page.evaluate(`{
      URL.createObjectURL = (blob) => {
        globalThis.saved = blob;
        return "about:blank";
      };
      HTMLAnchorElement.prototype.click = function () { globalThis.savedName = this.download; };
    }`);
    await page.click("Download as zip");
    const base64 = await page.until<string>(
      "a zip",
      `globalThis.saved && saved.arrayBuffer().then((buffer) =>
      btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("")))`,
    );
    const zip = Buffer.from(base64, "base64");
    assert(zip.subarray(0, 4).toString("latin1") === "PK\x03\x04", "no zip");
    for (const file of ["config.json", "quantization-report.json", ".safetensors"])
      assert(zip.includes(file), `${file} is missing`);
    assert(zip.includes(Buffer.from(models.shard)), "the tensors differ from those Node writes");
    return `${await page.evaluate<string>("savedName")}, ${zip.length} bytes`;
  });

  await check("quantizes the files of a folder, and chats with what became of them", async () => {
    await page.drop(
      models.folder.map((file) => `/model/f32/${file}`),
      `${QUANTIZE} .drop`,
    );
    await page.until(
      "a result",
      `document.querySelector("${QUANTIZE} h3")?.innerText !== "tiny.gguf" && document.querySelector("${QUANTIZE} .buttons .primary") !== null`,
    );
    await page.click("Chat with it");
    await page.until("a model", READY);
    await newChat(page);
    await ask(page, "Hello");
    await page.until("an answer", `${ANSWERS} === 1`);
    await page.click("Quantize");
  });

  await check("every stop of the Tab key can be seen, and the message is one", async () => {
    await page.click("Chat");
    await page.evaluate(`document.querySelector(".skip").focus()`);
    const stops: string[] = [];
    for (let i = 0; i < 80 && stops.at(-1) !== "prompt"; i++) {
      await page.press("Tab");
      stops.push(
        await page.evaluate<string>(`{
        const at = document.activeElement;
        const shows = (element) => getComputedStyle(element).outlineStyle !== "none" && getComputedStyle(element).outlineWidth !== "0px";
        shows(at) || shows(at.parentElement) ? at.id || at.name || at.innerText || at.className : "unseen: " + at.outerHTML.slice(0, 80);
      }`),
      );
    }
    assert(stops.at(-1) === "prompt" && stops.every((stop) => !stop.startsWith("unseen")), stops.join(", "));
    assert(stops.indexOf("source") < stops.indexOf("temperature"), stops.join(", "));
    await page.click("Quantize");
    return `${stops.length} stops before the message`;
  });

  await check("cancels quantizing", async () => {
    await page.fill("samples", "1024");
    await page.fill("contextSize", "128");
    await page.drop(["/model/tiny.gguf"], `${QUANTIZE} .drop`);
    await page.until("progress", `document.querySelector("progress[aria-label=Quantizing]")?.value > 0`);
    await glance("quantizing");
    await page.click("Cancel");
    await page.until("a note", `/Cancelled/.test(document.querySelector("${QUANTIZE} .notice")?.innerText)`);
  });

  await check("nothing broke the policy or went uncaught", async () => {
    assert(page.problems.length === 0, page.problems.join("\n"));
  });
}
