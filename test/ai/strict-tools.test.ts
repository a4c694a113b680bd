/** Strict tools of the AI SDK: calls that a model chooses to make are held to their schema. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LanguageModelV4CallOptions } from "@ai-sdk/provider";
import { createFptq } from "../../src/ai.ts";
import type { LanguageModel } from "../../src/core.ts";
import { generate } from "../../src/decoding/generate.ts";
import type { GenerateOptions } from "../../src/decoding/generation-options.ts";
import { PROMPT, steeredModel } from "../decoding/tool-calls/steered-model.ts";

const test = suite("strict tools of the AI SDK");
const family = (name: string) => readFileSync(new URL(`../chat-template/golden/families/${name}.jinja`, import.meta.url), "utf8");

const inputSchema = { type: "object", properties: { city: { enum: ["Bern", "Rome"] } }, required: ["city"] } as const;
const weather = { type: "function", name: "weather", inputSchema } as const;

function asked(answer: string, template: string, options: Partial<LanguageModelV4CallOptions>) {
  const shown: unknown[] = [];
  const model = {
    chatTemplate: template,
    tokenizer: { decode: () => "" },
    promptIds: (_: unknown, prompted: { tools?: unknown }) => (shown.push(prompted.tools), PROMPT),
    generate: (_: unknown, given: GenerateOptions) =>
      generate(steeredModel(answer, template), PROMPT, { ...given, temperature: 0 }),
  } as unknown as LanguageModel;
  const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "x" }] }];
  const answered = createFptq({ steered: model })("steered").doGenerate({ prompt, maxOutputTokens: 300, ...options });
  return { shown, answered };
}

const CALLS = {
  hermes: '<tool_call>\n{"name": "weather", "arguments": {"city": "Kyiv"}}\n</tool_call>',
  functiongemma: "<start_function_call>call:weather{city:<escape>Kyiv<escape>}<end_function_call>",
};

for (const [name, call] of Object.entries(CALLS)) {
  test(`${name}: a call is of the schema where the tool is strict`, async () => {
    for (const [tool, held] of [
      [{ ...weather, strict: true }, true],
      [weather, false],
    ] as const) {
      const { shown, answered } = asked(`So. ${call}`, family(name), { tools: [tool] });
      const { content, warnings } = await answered;
      const [text, made] = content;
      assert.equal([text?.type, made?.type, warnings], ["text", "tool-call", []]);
      if (made?.type !== "tool-call") continue;
      const { city } = JSON.parse(made.input) as { city: string };
      assert.is(["Bern", "Rome"].includes(city), held, city);
      assert.not.match(JSON.stringify(shown), /strict/);
    }
  });

  test(`${name}: a call that has to be is made`, async () => {
    const { answered } = asked("No.", family(name), { tools: [weather], toolChoice: { type: "required" } });
    const { content, finishReason, warnings } = await answered;
    assert.equal([content[0]?.type, finishReason.unified, warnings], ["tool-call", "tool-calls", []]);
  });
}

test.run();
