/** Forms of answers over the protocol: schemas, grammars, calls that have to be. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LanguageModel } from "../../src/core.ts";
import { clientOf, loadTiny, SEED } from "./serving.ts";

const test = suite(`forms of answers (seed ${SEED})`);
const model = await loadTiny();
test.after(() => model.dispose());
const server = clientOf(model);
const CHAT = "/v1/chat/completions";
const MESSAGES = [{ role: "user", content: "hello" }];
/** The tiny model draws what it is let: short values end soon. */
const PERSON = {
  type: "object",
  properties: { name: { type: "string", maxLength: 6 }, age: { type: "integer", minimum: 1, maximum: 99 } },
  required: ["name", "age"],
  additionalProperties: false,
};
const FORM = { type: "json_schema", json_schema: { name: "person", strict: true, schema: PERSON } };
const sampled = { temperature: 1.5, top_k: 0, max_tokens: 120 };

/** Whether it is what PERSON asks for. */
function checkPerson(text: string): void {
  const found = JSON.parse(text) as { name: unknown; age: unknown };
  assert.equal(Object.keys(found).toSorted(), ["age", "name"], text);
  assert.type(found.name, "string");
  assert.ok(Number.isInteger(found.age) && (found.age as number) >= 1 && (found.age as number) <= 99, text);
}

test("a schema, in a chat and in each of several choices", async () => {
  const { json } = await server.post(CHAT, { messages: MESSAGES, ...sampled, seed: 3, n: 4, response_format: FORM });
  assert.is(json.choices.length, 4);
  for (const { message, finish_reason } of json.choices) {
    assert.is(finish_reason, "stop");
    checkPerson(message.content);
  }
});

test("a stream gives the same, and logprobs stay those of the model", async () => {
  const body = { messages: MESSAGES, ...sampled, seed: 3, response_format: FORM, logprobs: true, top_logprobs: 1 };
  const { json } = await server.post(CHAT, body);
  const chunks = await server.stream(CHAT, body);
  const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
  assert.is(text, json.choices[0].message.content);
  checkPerson(text);
  const tokens = json.choices[0].logprobs.content as { logprob: number; top_logprobs: { logprob: number }[] }[];
  assert.ok(
    tokens.some(({ logprob, top_logprobs }) => logprob < top_logprobs[0]!.logprob),
    "some token was not the likeliest",
  );
});

test("a schema for completions, by each of its names", async () => {
  for (const form of [
    { response_format: FORM },
    { json_schema: PERSON },
    { response_format: { type: "json_object", schema: PERSON } },
  ]) {
    const { json } = await server.post("/v1/completions", { prompt: "the cat", ...sampled, seed: 5, ...form });
    checkPerson(json.choices[0].text);
  }
});

test("any object", async () => {
  const ask = (seed: number) =>
    server.post("/v1/completions", { prompt: "a", ...sampled, max_tokens: 200, seed, response_format: { type: "json_object" } });
  const replies = await Promise.all(Array.from({ length: 10 }, (_, i) => ask(i)));
  const choices = replies.map(({ json }) => json.choices[0] as { text: string; finish_reason: string });
  const whole = choices.filter(({ finish_reason }) => finish_reason === "stop");
  assert.ok(whole.length > 0, "one came to its end");
  for (const { text } of whole) assert.is(typeof JSON.parse(text), "object", text);
  for (const { text } of choices) assert.match(text, /^\{/);
});

test("what is cut says so", async () => {
  const { json } = await server.post(CHAT, { messages: MESSAGES, ...sampled, seed: 3, max_tokens: 3, response_format: FORM });
  assert.is(json.choices[0].finish_reason, "length");
  assert.match(json.choices[0].message.content, /^\{\s*"/);
});

test("a grammar", async () => {
  const grammar = 'root ::= ("yes" | "no" | "não") "!"{1,3}';
  const { json } = await server.post("/v1/completions", { prompt: "a", ...sampled, n: 8, grammar });
  for (const { text } of json.choices) assert.match(text, /^(yes|no|não)!{1,3}$/);
});

test("the schema of a response", async () => {
  const format = { type: "json_schema", name: "person", schema: PERSON };
  const { json } = await server.post("/v1/responses", { input: "a", temperature: 1, seed: 4, text: { format } });
  assert.is(json.status, "completed", JSON.stringify(json));
  checkPerson(json.output[0].content[0].text);
});

const GEMMA = readFileSync(new URL("../decoding/tool-calls/function-gemma.jinja", import.meta.url), "utf8");
const family = (name: string) => readFileSync(new URL(`../chat-template/golden/families/${name}.jinja`, import.meta.url), "utf8");

/** The tiny model, told to call functions as another family does; its own template shows it none. */
function withTemplate(template: string): LanguageModel {
  const changes: Record<PropertyKey, unknown> = {
    chatTemplate: template,
    promptIds: (prompt: Parameters<LanguageModel["promptIds"]>[0]) => model.promptIds(prompt),
  };
  return new Proxy(model, {
    get(target, key) {
      if (key in changes) return changes[key];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

const TOOLS = [
  { type: "function", function: { name: "add_person", parameters: PERSON } },
  { type: "function", function: { name: "stop" } },
];
const FUNCTIONS: Readonly<Record<string, string>> = {
  hermes: "hermes",
  "qwen-2.5": "hermes",
  "llama-3.1": "llama3",
  "mistral-tools": "mistral",
  "function-gemma": "function-gemma",
};

for (const name of Object.keys(FUNCTIONS)) {
  const calling = clientOf(withTemplate(name === "function-gemma" ? GEMMA : family(name)));
  const ask = (body: object) =>
    calling.post(CHAT, {
      messages: MESSAGES,
      ...sampled,
      max_tokens: 200,
      seed: 11,
      tools: TOOLS,
      parallel_tool_calls: false,
      ...body,
    });

  test(`${name}: a function that is named is called, with arguments that its parameters hold for`, async () => {
    const { json } = await ask({ tool_choice: { type: "function", function: { name: "add_person" } } });
    const [{ message, finish_reason }] = json.choices;
    assert.is(finish_reason, "tool_calls", JSON.stringify(json));
    assert.is(message.content, null);
    assert.is(message.tool_calls.length, 1);
    assert.is(message.tool_calls[0].function.name, "add_person");
    checkPerson(message.tool_calls[0].function.arguments);
  });

  test(`${name}: one of them is called where one has to be`, async () => {
    const { json } = await ask({ tool_choice: "required", n: 12 });
    const calls = json.choices.flatMap(
      ({ message }: { message: { tool_calls: { function: { name: string; arguments: string } }[] } }) =>
        message.tool_calls.map((call) => call.function),
    ) as { name: string; arguments: string }[];
    assert.is(calls.length, 12, JSON.stringify(json));
    for (const call of calls) if (call.name === "add_person") checkPerson(call.arguments);
    assert.equal([...new Set(calls.map((call) => call.name))].toSorted(), ["add_person", "stop"]); // prettier-ignore
    for (const call of calls) if (call.name === "stop") assert.is(call.arguments, "{}");
  });
}

test("beside tools that may be called, an answer has its form or is a call", async () => {
  const calling = clientOf(withTemplate(family("hermes")));
  const { json } = await calling.post(CHAT, {
    messages: MESSAGES,
    ...sampled,
    seed: 1,
    n: 8,
    max_tokens: 160,
    tools: TOOLS,
    response_format: FORM,
  });
  let calls = 0;
  for (const { message, finish_reason } of json.choices) {
    if (finish_reason === "length") continue;
    calls += message.tool_calls?.length ?? 0;
    if (message.content !== null) checkPerson(message.content);
  }
  assert.ok(calls > 0);
});

test("a model that thinks may do so before the form", async () => {
  const thinking = clientOf(withTemplate("{{ messages }}<think>{{ x }}</think>"));
  const { json } = await thinking.post(CHAT, { messages: MESSAGES, ...sampled, seed: 7, n: 8, response_format: FORM });
  for (const { message, finish_reason } of json.choices) if (finish_reason === "stop") checkPerson(message.content);
});

test("calls that have to be are refused without tools, for a name that is none, and for a schema that cannot be held to", async () => {
  const hermes = clientOf(withTemplate(family("hermes")));
  const cases = [
    [hermes, { tool_choice: "required" }, "tool_choice"],
    [hermes, { tools: TOOLS, tool_choice: { type: "function", function: { name: "jump" } } }, "tool_choice.function.name"],
    [hermes, { tools: [{ type: "function", function: { name: "f", parameters: { type: "object", properties: { a: { not: {} } } } } }], tool_choice: "required" }, "tools.0.function.parameters.properties.a"],
    [hermes, { tools: [{ type: "function", function: { name: "f", strict: true, parameters: { type: "object", properties: { a: { not: {} } } } } }] }, "tools.0.function.parameters.properties.a"],
  ] as const; // prettier-ignore
  for (const [client, body, param] of cases) {
    const { status, json } = await client.post(CHAT, { messages: MESSAGES, ...body });
    assert.is(status, 400, JSON.stringify(json));
    assert.is(json.error.param, param);
  }
});

test.run();
