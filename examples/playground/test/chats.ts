/** Conversations: what answers look like, what can be done with them, and that they are kept. */
import { assert, type Checks } from "../../../test/checks.ts";
import { ANSWERS, ask, newChat, READY, type Scene } from "./scene.ts";

/** Everything an answer may have in it, and what it must never do. */
const ANSWER = [
  "# A title",
  "Some **bold** and `code`, a [link](https://example.org/) and a [trap](javascript:globalThis.trapped=1).",
  '<img src="x" onerror="globalThis.trapped = 1">',
  "1. one\n2. two\n   - deeper",
  "```js\nconst a = '<b>';\n```",
  "| left | right |\n| --- | --- |\n| 1 | 2 |",
  "> said\n\n- [x] done",
].join("\n\n");

/** What a browser makes of the answer above. */
const SHOWN = {
  "[role=heading]": "A title",
  strong: "bold",
  "p code": "code",
  "a[href='https://example.org/']": "link",
  "ol > li": "one",
  "ol ul li": "deeper",
  "pre code": "const a = '<b>';",
  "table td": "1",
  blockquote: "said",
} as const;

export async function useChats(checks: Checks, { name, page, url, look }: Scene): Promise<void> {
  const check = (what: string, run: () => Promise<string | void>) => checks.check(`${name}: ${what}`, run);
  const text = (selector: string) =>
    page.evaluate<string>(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ""`);
  const seed = async () => /Seed\s*(\d+)/.exec(await page.text("article.assistant dl.figures"))![1];

  await check("copies an answer, and gives another one", async () => {
    await page.evaluate(`navigator.clipboard.writeText = async (text) => void (globalThis.copied = text)`);
    const before = await text("article.assistant .text");
    await page.click("Copy");
    assert((await page.until<string>("a copy", "globalThis.copied")).trim() === before.trim(), "the copy is another text");
    await page.fill("seed", "");
    const first = await seed();
    await page.click("Answer again");
    await page.until(
      "another answer",
      `${ANSWERS} === 1 && !document.querySelector("dl.figures").innerText.includes("Seed\\n${first}\\n") && ${READY}`,
    );
    assert((await seed()) !== first, "the seed is the same");
    assert((await page.evaluate<number>(`document.querySelectorAll("article").length`)) === 2, "need a question and an answer");
    await page.fill("seed", "1");
  });

  await check("tells the model what the system prompt says", async () => {
    const prompt = async () =>
      Number(/Prefill.*?([\d,]+) tokens?\s*Decode/s.exec(await page.text("article.assistant dl.figures"))![1]);
    await newChat(page);
    await ask(page, "Hi");
    await page.until("an answer", `${ANSWERS} === 1`);
    const without = await prompt();
    await newChat(page);
    await page.fill("system", "word ".repeat(60));
    await ask(page, "Hi");
    await page.until("an answer", `${ANSWERS} === 1`);
    const told = await prompt();
    assert(told >= without + 60, `a prompt of ${without} tokens became ${told}`);
    await page.fill("system", "");
    return `${without} tokens became ${told}`;
  });

  await check("keeps chats over a visit, deletes one, and takes that back", async () => {
    const answer = await text("article.assistant .text");
    const saved = {
      id: "00000000-0000-4000-8000-000000000000", title: "A chat with everything", saved: 0, model: "a model", system: "Be brief.",
      messages: [{ role: "user", content: "Show me <b>everything</b>" }, { role: "assistant", content: ANSWER },
        { role: "user", content: "Quote me" }, { role: "assistant", content: `${">".repeat(5000)} deep` }],
    }; // prettier-ignore
    await page.evaluate(`(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("chats");
      const write = async (name, text) => {
        const file = await (await folder.getFileHandle(name, { create: true })).createWritable();
        await file.write(text);
        await file.close();
      };
      await write(${JSON.stringify(`${saved.id}.json`)}, ${JSON.stringify(JSON.stringify(saved))});
      await write("damaged.json", "{");
    })()`);
    const titles = `[...document.querySelectorAll(".chat-title")].map((title) => title.innerText)`;
    await page.until("both chats", `${titles}.filter((title) => title === "Hi").length === 2`);
    await page.goto(url);
    await page.until("a model", READY);
    const kept = await page.until<string[]>("chats", `document.querySelector(".chat-title") && ${titles}`);
    assert(kept[0] === "Hi" && kept.at(-1) === saved.title, kept.join(", "));
    await page.click("Hi");
    await page.until("the chat", `document.querySelectorAll("article").length === 2`);
    assert((await text("article.assistant .text")) === answer, "the answer is another one");
    await page.click(saved.title);
    await page.until("the other chat", `document.querySelector("article.user")?.innerText === "Show me <b>everything</b>"`);
    assert((await page.evaluate<string>(`document.querySelector("[name=system]").value`)) === saved.system, "no system prompt");
    await page.evaluate(`document.querySelector("[aria-label='Delete Hi']").click()`);
    await page.until("one less", `${titles}.length === ${kept.length - 1}`);
    await page.click("Undo");
    await page.until("it back", `${titles}.length === ${kept.length}`);
    return `${kept.length} chats`;
  });

  await check("shows Markdown, and HTML as text", async () => {
    for (const [selector, content] of Object.entries(SHOWN)) {
      const shown = (await text(`article.assistant ${selector}`)).trim();
      assert(shown.startsWith(content), `${selector}: got ${JSON.stringify(shown)}, need ${content}`);
    }
    const deep = await text("article:last-of-type .text");
    assert(deep.length > 5000 && deep.endsWith("deep"), `deep quotes became ${deep.length} characters`);
    const all = await text("article.assistant .text");
    assert(all.includes("<img src="), all);
    const made = await page.evaluate<number>(`document.querySelectorAll("article img, article a:not([href^=https])").length`);
    assert(made === 0 && !(await page.evaluate<boolean>(`"trapped" in globalThis`)), "HTML of an answer became part of the page");
    await look("markdown");
    await page.fill("system", "");
    await newChat(page);
  });

  await check("names models to try with their sizes", async () => {
    await page.evaluate(`document.querySelector(".models").open = true`);
    const listed = await page.evaluate<string[]>(
      `[...document.querySelectorAll(".models li")].map((entry) => entry.innerText.replace(/\\s+/g, " "))`,
    );
    assert(listed.length > 3 && listed.slice(1).every((entry) => /\d MB/.test(entry)), listed.join("; "));
    const current = await page.evaluate<number>(
      `[...document.querySelectorAll(".models button")].findIndex((b) => b.ariaCurrent === "true")`,
    );
    assert(current === 0, `number ${current} is marked`);
    await page.evaluate(`document.querySelector(".models").open = false`);
    return listed.join("; ");
  });

  await check("has its settings in a sheet on a phone, by keyboard too", async () => {
    await page.size(360, 740);
    await page.until("a button", `!document.getElementById("sheet-open").hidden`);
    await page.evaluate(`document.getElementById("sheet-open").focus()`);
    await page.press("Enter");
    await page.until("the keyboard in the sheet", `document.activeElement.id === "sheet-close"`);
    assert(
      await page.evaluate(`document.querySelector("main").inert && !document.querySelector(".settings").inert`),
      "the page below is in reach",
    );
    await look("sheet");
    await page.size(360, 740);
    await page.press("Escape");
    await page.until("the keyboard back", `document.activeElement.id === "sheet-open"`);
    assert(
      await page.evaluate(`document.querySelector(".settings").inert && !document.querySelector("main").inert`),
      "the sheet is in reach",
    );
    await page.size(1280, 800);
    await page.until("settings", `!document.querySelector(".settings").inert`);
  });
}
