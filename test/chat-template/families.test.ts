/**
 * Templates in the manner of 25 families of models, over conversations of every kind, against Python
 * (`golden/families.py`).
 */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OptionError } from "../../src/errors.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { type ChatMessage, ChatTemplate } from "../../src/tokenizer/chat-template.ts";

const test = suite("templates of families");

interface Conversation {
  messages: ChatMessage[];
  tools?: JsonObject[];
  add_generation_prompt?: boolean;
  variables?: JsonObject;
}
const read = (name: string) => readFileSync(new URL(`golden/${name}`, import.meta.url), "utf8");
const { conversations, texts } = JSON.parse(read("families.json")) as {
  conversations: Record<string, Conversation>;
  texts: Record<string, Record<string, string | null>>;
};

test("there are families and conversations enough", () => {
  assert.ok(Object.keys(texts).length >= 25 && Object.keys(conversations).length >= 23);
  const all = Object.values(texts).flatMap((of) => Object.values(of));
  assert.ok(all.filter((text) => text !== null).length > 400);
});

for (const [file, expected] of Object.entries(texts)) {
  test(file, () => {
    const config = { chat_template: read(`families/${file}`), bos_token: "<s>", eos_token: "</s>" };
    const template = new ChatTemplate(config, file);
    for (const [name, { messages, tools, add_generation_prompt: addGenerationPrompt, variables }] of Object.entries(
      conversations,
    )) {
      const render = () =>
        template.render(messages, {
          ...(tools && { tools }),
          addGenerationPrompt: addGenerationPrompt ?? true,
          ...(variables && { variables }),
        });
      const text = expected[name];
      if (typeof text === "string") assert.is(render(), text, `${file}, ${name}`);
      else assert.throws(render, (error: unknown) => error instanceof OptionError, `${file}, ${name}`);
    }
  });
}

test.run();
