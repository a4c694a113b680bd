/** What the playground claims: the published hash is that of the embedded model, the marked tokens differ. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type GenerationResult, loadModel } from "../../src/index.ts";
import { callFunctions } from "../../examples/playground/src/call-functions.ts";
import { FUNCTIONS, QUESTIONS } from "../../examples/playground/src/functions.ts";
import { commonTokens } from "../../examples/playground/src/token-difference.ts";
import { PUBLISHED, publishedLogits } from "../../scripts/published-logits.ts";
import { mulberry32 } from "../random.ts";

const SEED = 18;
const EMBEDDED = fileURLToPath(new URL("../../models/smollm2-135m-instruct-w4a8", import.meta.url));
const test = suite(`playground (seed ${SEED})`);

test("the published hash of the logits is that of the embedded model", async () => {
  const written: unknown = JSON.parse(readFileSync(PUBLISHED, "utf8"));
  assert.equal(written, await publishedLogits(), "npx tsx scripts/published-logits.ts");
});

/** The longest common subsequence by trying every subset of the shorter text. */
function longest(a: readonly number[], b: readonly number[]): number {
  let best = 0;
  for (let subset = 0; subset < 2 ** a.length; subset++) {
    const chosen = a.filter((_, i) => (subset >> i) & 1);
    let at = 0;
    for (const id of b) if (id === chosen[at]) at++;
    if (at === chosen.length) best = Math.max(best, at);
  }
  return best;
}

test("tokens that are not marked are a longest common subsequence of both texts", () => {
  const random = mulberry32(SEED);
  const ids = (length: number) => Array.from({ length }, () => Math.floor(random() * 4));
  for (let trial = 0; trial < 200; trial++) {
    const [a, b] = [ids(trial % 9), ids((trial * 7) % 11)];
    const common = commonTokens(a, b);
    const kept = a.filter((_, i) => common.a[i]);
    assert.equal(
      kept,
      b.filter((_, i) => common.b[i]),
      `${a} and ${b}`,
    );
    assert.is(kept.length, longest(a, b), `${a} and ${b}`);
  }
});

test("functions give what they say, and an error for arguments that are not theirs", () => {
  const by = (name: string) => FUNCTIONS.find((one) => one.name === name)!;
  assert.is(by("calculate").call({ a: 0.1, operation: "plus", b: 0.2 }), "0.1 plus 0.2 = 0.3");
  assert.is(by("calculate").call({ a: 17, operation: "times", b: 23 }), "17 times 23 = 391");
  assert.match(by("time").call({ city: "Tokyo" }), /^time in Tokyo = \d\d:\d\d$/);
  assert.is(by("mountain_height").call({ mountain: "Fuji" }), "height of Fuji = 3776 metres");
  for (const one of FUNCTIONS) {
    assert.match(one.call({}), /^error: /);
    assert.match(
      one.call({ operation: "toString", city: "constructor", mountain: "__proto__", a: 1, b: 2 }),
      /^error: .*need one of/,
    );
    for (const [, given] of one.examples) assert.not.match(one.call(given), /^error/);
  }
  for (const { name } of QUESTIONS) assert.ok(by(name));
});

const NO_WORDS = { name: "OptionError", message: "tools: got some, need none: this model's template shows no way" };
const said = (text: string, toolCalls: unknown[] = []) => ({ text, toolCalls }) as unknown as GenerationResult;

test("a model without words for functions is held to the schema of the one that is chosen, or of any", async () => {
  for (const choice of ["mountain_height", "required", "auto"]) {
    const asked: unknown[] = [];
    const given = { mountain: "Mont Blanc" };
    const text = JSON.stringify(choice === "mountain_height" ? given : { name: "mountain_height", arguments: given });
    const called = await callFunctions(
      async ({ messages, options }) => {
        if (options.tools) throw NO_WORDS;
        asked.push([messages, options]);
        return options.responseFormat ? said(text) : said(" 4806 metres. ");
      },
      "How high is Mont Blanc?",
      choice,
    );
    const result = "height of Mont Blanc = 4806 metres";
    assert.equal(called, {
      by: "examples",
      calls: [{ name: "mountain_height", given, result }],
      said: "",
      answer: "4806 metres.",
    });
    assert.is(asked.length, 2);
    assert.match(JSON.stringify(asked[1]), /Context: height of Mont Blanc = 4806 metres/);
  }
});

test("a call that was cut is no call; another failure than that there are no words is the caller's", async () => {
  const cut = await callFunctions(
    ({ options }) => (options.tools ? Promise.reject(NO_WORDS) : Promise.resolve(said('{"city": "Lon'))), // oxlint-disable-line
    "What time is it?",
    "time",
  );
  assert.equal(cut, { by: "examples", calls: [], said: '{"city": "Lon', answer: undefined });
  const failure = { name: "NumericError", message: "NaN" };
  const error = await callFunctions(() => Promise.reject(failure), "?", "auto").catch((reason: unknown) => reason); // oxlint-disable-line
  assert.is(error, failure);
});

test("the embedded model calls each function of the questions as it should", async () => {
  const model = await loadModel(EMBEDDED, { threads: 1 });
  const write = ({ messages, options }: Parameters<Parameters<typeof callFunctions>[0]>[0]) => model.generate(messages, options).result; // prettier-ignore
  const expected = [
    /^17 times 23 = 391$/,
    /^144 divided by 12 = 12$/,
    /^time in Tokyo = /,
    /^height of Mont Blanc = 4806 metres$/,
  ];
  for (const [i, { text, name }] of QUESTIONS.entries()) {
    const { by, calls, answer } = await callFunctions(write, text, name);
    assert.is(by, "examples");
    assert.match(calls[0]!.result, expected[i]!, text);
    // What it makes of a time of day may depend on that.
    if (name !== "time") assert.match(answer!, /\b(391|12|4806)\b/, text);
  }
  await model.dispose();
});

test.run();
