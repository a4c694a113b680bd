/**
 * Templates and what Python makes of them (`golden/templates.py`): what is accepted is the same text, what
 * Python refuses is refused.
 */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CheckpointError, OptionError, UnsupportedModelError } from "../../src/errors.ts";
import { type ChatMessage, ChatTemplate } from "../../src/tokenizer/chat-template.ts";

const test = suite("templates as in Python");
const { messages, cases } = JSON.parse(readFileSync(new URL("golden/templates.json", import.meta.url), "utf8")) as {
  messages: ChatMessage[];
  cases: [template: string, text: string | null][];
};

/** What Python renders and this package refuses, by what the message names. */
const REFUSED: ReadonlyMap<RegExp, number> = new Map([
  // Python prints its own "<missing>" there.
  [/the variable z of a loop that has ended/, 1],
]);

function render(template: string): { text?: string; error?: Error } {
  try {
    const config = { chat_template: template, bos_token: "<s>", eos_token: "</s>" };
    return { text: new ChatTemplate(config, "tiny").render(messages) };
  } catch (error) {
    if ([CheckpointError, OptionError, UnsupportedModelError].some((kind) => error instanceof kind))
      return { error: error as Error };
    throw error;
  }
}

const results = cases.map(([template, text]) => ({ template, text, got: render(template) }));

test("there are many, of both kinds", () => {
  assert.ok(cases.length > 4000);
  assert.ok(cases.filter(([, text]) => text === null).length > 1000);
});

test("what is rendered is the same text", () => {
  const other = results.filter(({ text, got }) => text !== null && got.text !== undefined && got.text !== text);
  assert.equal(other, []);
});

test("what Python refuses is refused", () => {
  assert.equal(
    results.filter(({ text, got }) => text === null && got.error === undefined).map(({ template }) => template),
    [],
  );
});

test("what is refused though Python renders it is known", () => {
  const counts = new Map([...REFUSED].map(([pattern]) => [pattern, 0]));
  const unknown = [];
  for (const { template, text, got } of results) {
    if (text === null || got.error === undefined) continue;
    const pattern = [...REFUSED.keys()].find((one) => one.test(got.error!.message));
    if (pattern === undefined) unknown.push(`${template}: ${got.error.message}`);
    else counts.set(pattern, counts.get(pattern)! + 1);
  }
  assert.equal(unknown, []);
  assert.equal([...counts], [...REFUSED]);
});

test.run();
