/** What the page shows of the library besides chatting: forms, search, comparing, exactness, layers. */
import { assert, type Checks } from "../../../test/checks.ts";
import type { Scene } from "./scene.ts";

export async function useDemos(checks: Checks, { name, page, models, url, look }: Scene): Promise<void> {
  const check = (what: string, run: () => Promise<string | void>) => checks.check(`${name}: ${what}`, run);
  const fill = (form: string, field: string, value: string) =>
    page.evaluate(`document.querySelector(${JSON.stringify(`${form} [name=${field}]`)}).value = ${JSON.stringify(value)}`);

  await check("answers with JSON that a schema holds for", async () => {
    await page.click("JSON");
    await page.evaluate(`{
      const example = document.querySelector("#forms-form [name=example]");
      example.value = "1";
      example.dispatchEvent(new Event("change", { bubbles: true }));
    }`);
    await page.click("Answer");
    const text = await page.until<string>(
      "an answer",
      `document.querySelector("[aria-labelledby=forms-title] pre")?.textContent`,
    );
    const { mood, stars } = JSON.parse(text) as { mood: string; stars: number };
    assert(["good", "mixed", "bad"].includes(mood) && [1, 2, 3, 4, 5].includes(stars), text);
    await look("forms");
    await fill("#forms-form", "schema", `{"type": "object", "propertyNames": 1}`);
    await page.click("Answer");
    const wrong = await page.text("[aria-labelledby=forms-title] .failure");
    assert(/propertyNames/.test(wrong), wrong);
    return text.replaceAll(/\s+/g, "");
  });

  await check("calls a function that its template told it of, and says where there is no call", async () => {
    const outcome = `document.querySelector("[aria-labelledby=tools-title] .asked")`;
    const askAgain = async (example: string, choice: string) => {
      await page.evaluate(`{
        const [example, choice] = [document.querySelector("#tools-form [name=example]"), document.querySelector("#tools-form [name=choice]")];
        example.value = ${JSON.stringify(example)};
        example.dispatchEvent(new Event("change", { bubbles: true }));
        choice.value = ${JSON.stringify(choice)} || choice.value;
      }`);
      // What was asked before stays until the first of the new text comes.
      const before = await page.evaluate<string>(`${outcome}?.innerText ?? ""`);
      await page.click("Ask");
      const isNew = `/template/.test(${outcome}?.innerText) && ${outcome}.innerText !== ${JSON.stringify(before)}`;
      return page.until<string>("an outcome", `${isNew} && ${outcome}.innerText`);
    };
    await page.click("Tools");
    const called = await askAgain("2", "");
    assert(/time\s+with\s+\{"city":"(London|New York|Tokyo|Sydney)"\}/.test(called), called);
    assert(/gives back\s+time in [A-Z][\w ]+ = \d\d:\d\d\s+The model answers/.test(called), called);
    assert(/chat template told it/.test(called), called);
    await look("tools");
    const free = await askAgain("2", "auto");
    assert(/The model called no function, and said:/.test(free), free);
    await look("tools-none");
    return called.replaceAll(/\s+/g, " ").slice(0, 80);
  });

  await check("finds the document that a query is like", async () => {
    await page.click("Search");
    await page.evaluate(`document.querySelector("[name=query]").value = document.querySelectorAll("[name=document]")[1].value`);
    await page.click("Search");
    await page.evaluate(`document.querySelector("[aria-labelledby=search-title] .primary").click()`);
    const found = await page.until<string[]>(
      "documents",
      `document.querySelector(".found") && [...document.querySelectorAll(".found li")].map((li) => li.innerText)`,
    );
    assert(found.length === 3 && /violin.*cosine 1\.000/s.test(found[0]!), found.join("; "));
    await look("search");
  });

  await check("compares with the float model, and marks what differs", async () => {
    await page.click("Compare");
    await fill("#compare-form", "original", `${url}model/f32/`);
    await page.evaluate(`document.querySelector("#compare-form .primary").click()`);
    const [quantized, float] = await page.until<{ all: number; common: string }[]>(
      "a comparison",
      `document.querySelector(".tokens") && [...document.querySelectorAll(".tokens")].map((tokens) => ({
        all: tokens.children.length,
        common: [...tokens.querySelectorAll("span")].map((token) => token.textContent).join(""),
      }))`,
    );
    assert(quantized!.all > 0 && float!.all > 0 && quantized!.common === float!.common, JSON.stringify([quantized, float]));
    const agreed = /same token at (\d+) of (\d+) place/.exec(await page.text("[aria-labelledby=compare-title] .asked"))!;
    assert(Number(agreed[2]) === quantized!.all && Number(agreed[1]) <= quantized!.all, agreed[0]);
    await look("compare");
    return agreed[0];
  });

  await check("computes the same logits as Node, by hash", async () => {
    await page.click("Exact");
    await page.click("Compute here");
    await page.until("a hash", `document.querySelector("td .hash") !== null`);
    await page.click("Compute here");
    const hashes = await page.until<string[]>(
      "hashes",
      `{
      const found = [...document.querySelectorAll("td .hash")].map((hash) => hash.textContent);
      found.length === 2 && found;
    }`,
    );
    assert(
      hashes.every((hash) => hash === models.logitsHash),
      `${hashes.join(", ")}; Node has ${models.logitsHash}`,
    );
    await look("exact");
    return models.logitsHash.slice(0, 16);
  });
}

export async function useLayers(checks: Checks, { name, page, models, look }: Scene): Promise<void> {
  const check = (what: string, run: () => Promise<string | void>) => checks.check(`${name}: ${what}`, run);

  await check("draws the policy of each layer input", async () => {
    await page.click("Layers");
    const titles = await page.until<string>(
      "a picture",
      `[...document.querySelectorAll(".policy svg.wide title")].map((title) => title.textContent).join("\\n")`,
    );
    const drawn = titles.split("\n");
    assert(drawn.length === models.policies.length, `${drawn.length} cells for ${models.policies.length} inputs`);
    models.policies.forEach(({ policy }, i) => assert(drawn[i]!.includes(`: ${policy}, range`), `${drawn[i]}: need ${policy}`));
    await look("layers");
  });

  await check("shows a layer in numbers, by keyboard and by pointer, and one quantity of all layers", async () => {
    const head = `document.querySelector(".one-layer th")?.innerText`;
    await page.evaluate(`document.querySelector("main [name=layer]").focus()`);
    await page.press("ArrowRight");
    await page.press("ArrowRight");
    await page.until("layer 2", `${head} === "Layer 2"`);
    const shown = await page.text(".one-layer");
    assert(/Policy/.test(shown) && /Range/.test(shown) && /SQNR/.test(shown), shown);
    await page.evaluate(`document.querySelectorAll(".policy svg.wide g")[4].dispatchEvent(new PointerEvent("pointerenter"))`);
    await page.until("layer 1", `${head} === "Layer 1"`);
    const marks = `document.querySelectorAll(".quantities > svg .mark-of").length`;
    const ranges = await page.evaluate<number>(marks);
    assert(ranges === models.policies.length, `${ranges} marks for ${models.policies.length} inputs`);
    const offered = await page.evaluate<string[]>(
      `[...document.querySelector("[name=loaded-quantity]").options].map((o) => o.value)`,
    );
    for (const quantity of ["range", "input_scale", "weight_sqnr_db"]) assert(offered.includes(quantity), offered.join(", "));
    await page.evaluate(`{
      const choice = document.querySelector("[name=loaded-quantity]");
      choice.value = "input_scale";
      choice.dispatchEvent(new Event("change", { bubbles: true }));
    }`);
    const withScale = models.policies.filter(({ input_scale }) => input_scale !== null).length;
    await page.until(`${withScale} scales`, `${marks} === ${withScale}`);
    await look("layers-scale");
    return `${offered.length} quantities`;
  });
}
