/** Strict tools over the protocol, of a model that says what breaks their schemas wherever it is let. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LanguageModel } from "../../src/core.ts";
import { generate } from "../../src/decoding/generate.ts";
import type { GenerateOptions } from "../../src/decoding/generation-options.ts";
import { PROMPT, steeredModel } from "../decoding/tool-calls/steered-model.ts";
import { clientOf, loadTiny } from "./serving.ts";

const test = suite("strict tools of a server");
const tiny = await loadTiny();
test.after(() => tiny.dispose());
const CHAT = "/v1/chat/completions";
const HERMES = readFileSync(new URL("../chat-template/golden/families/hermes.jinja", import.meta.url), "utf8");

/** The tiny model in everything but what it says. */
function saying(answer: string): LanguageModel {
  const sequence = {
    tokens: [],
    generate: (_: readonly number[], options: GenerateOptions) =>
      generate(steeredModel(answer, HERMES), PROMPT, { ...options, temperature: 0 }),
    [Symbol.dispose]() {},
  };
  const changes: Record<PropertyKey, unknown> = {
    chatTemplate: HERMES,
    createSequence: () => sequence,
    promptIds: (prompt: Parameters<LanguageModel["promptIds"]>[0]) => tiny.promptIds(prompt),
  };
  return new Proxy(tiny, {
    get(target, key) {
      if (key in changes) return changes[key];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

const PARAMETERS = {
  type: "object",
  properties: { city: { type: "string", maxLength: 4 }, days: { enum: [1, 7] } },
  required: ["city", "days"],
  additionalProperties: false,
};
const weather = { name: "weather", description: "Weather", parameters: PARAMETERS, strict: true };
const TOOLS = [{ type: "function", function: weather }];
const call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Zürich", "days": 3}}\n</tool_call>';
const server = clientOf(saying(`Let me see.\n${call}\n${call}`));
const body = { messages: [{ role: "user", content: "x" }], tools: TOOLS, max_tokens: 500 };

function check(given: string): void {
  const { city, days, ...rest } = JSON.parse(given) as { city: string; days: number };
  assert.ok([...city].length <= 4 && [1, 7].includes(days) && Object.keys(rest).length === 0, given);
}

test("a call that the model chose to make is of its schema, whole", async () => {
  const { json } = await server.post(CHAT, body);
  const [{ message, finish_reason }] = json.choices;
  assert.is(finish_reason, "tool_calls", JSON.stringify(json));
  assert.match(message.content, /^Let me see\.\n/);
  assert.ok(message.tool_calls.length >= 2);
  for (const { function: made } of message.tool_calls) {
    assert.is(made.name, "weather");
    check(made.arguments);
  }
});

test("and as a stream, and as a response; one where there may be one", async () => {
  const chunks = await server.stream(CHAT, { ...body, parallel_tool_calls: false });
  const calls = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
  assert.is(calls.length, 1);
  check(calls[0].function.arguments);
  assert.is(chunks.at(-1).choices[0].finish_reason, "tool_calls");
  const { json } = await server.post("/v1/responses", { input: "x", tools: [{ type: "function", ...weather }], parallel_tool_calls: false, max_output_tokens: 500 }); // prettier-ignore
  const [made, ...others] = json.output.filter(({ type }: { type: string }) => type === "function_call");
  assert.is(others.length, 0);
  check(made.arguments);
});

test("hostile functions are refused by name, whatever is wrong with them", async () => {
  const nested = (depth: number) => `${'{"type":"object","properties":{"a":'.repeat(depth)}{}${"}}".repeat(depth)}`;
  const raw = (parameters: string) =>
    `{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":${parameters}}}]}`;
  for (const parameters of [nested(65), nested(5_000), nested(50_000), '{"type":"string"}', '{"$ref":"#"}', '{"allOf":[{"$ref":"#"}]}', '{"properties":{"a":{"pattern":"((a|b)*c){900}"}}}', '{"properties":{"a":{"enum":[]}}}', '{"properties":{"__proto__":{"not":{}}}}']) {
    const { status, json } = await server.post(CHAT, raw(parameters));
    assert.is(status, 400, `${parameters.slice(0, 60)}: ${JSON.stringify(json)}`);
    assert.match(json.error.message, /^\S+: |^tools/);
  } // prettier-ignore
});

test.run();
