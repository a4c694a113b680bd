import { suite } from "uvu";
import * as assert from "uvu/assert";
import { scriptedModel } from "./scripted-model.ts";
import { clientOf, loadTiny, type Reply, SEED } from "./serving.ts";

const test = suite(`/v1/responses (seed ${SEED})`);
const model = await loadTiny();
const server = clientOf(model, { alias: "tiny" });
test.after(() => model.dispose());

const PATH = "/v1/responses";
const GREEDY = { temperature: 0, max_output_tokens: 12, ignore_eos: true } as const;
const HERMES = "<tool_call></tool_call><think></think>";
const TOOLS = [{ type: "function", name: "f", parameters: { type: "object", properties: {} }, strict: true }];

const alone = async (messages: { role: string; content: string }[], options: object = {}) =>
  (await model.generate(messages, { temperature: 0, maxTokens: 12, ignoreEos: true, ...options }).result).text;

test("a response is what a chat gives, in the newer shape", async () => {
  const { status, json } = await server.post(PATH, { ...GREEDY, input: "the dog ran", model: "tiny", metadata: { a: "b" } });
  assert.is(status, 200, JSON.stringify(json));
  assert.match(json.id, /^resp_/);
  assert.is(json.object, "response");
  assert.is(json.status, "incomplete");
  assert.equal(json.incomplete_details, { reason: "max_output_tokens" });
  assert.equal(json.metadata, { a: "b" });
  assert.is(json.store, false);
  const [{ id, ...message }] = json.output;
  assert.match(id, /^msg_/);
  const text = await alone([{ role: "user", content: "the dog ran" }]);
  const content = [{ type: "output_text", text, annotations: [], logprobs: [] }];
  assert.equal(message, { type: "message", role: "assistant", status: "incomplete", content });
  assert.is(json.usage.output_tokens, 12);
  assert.is(json.usage.total_tokens, json.usage.input_tokens + 12);
});

test("instructions and items are the messages of the conversation", async () => {
  const messages = [
    { role: "system", content: "the cat" },
    { role: "user", content: "the dog ran" },
    { role: "assistant", content: "to the house" },
    { role: "user", content: "where" },
  ];
  const input = [
    { role: "user", content: [{ type: "input_text", text: "the dog" }, { type: "input_text", text: " ran" }] },
    { type: "message", role: "assistant", id: "msg_1", content: [{ type: "output_text", text: "to the house", annotations: [] }] },
    { type: "message", role: "user", content: "where" },
  ]; // prettier-ignore
  const { json } = await server.post(PATH, { ...GREEDY, instructions: "the cat", input });
  assert.is(json.output[0].content[0].text, await alone(messages));
});

test("events tell of the response in order, by number and name", async () => {
  const body = { ...GREEDY, input: "the dog ran", include: ["message.output_text.logprobs"], top_logprobs: 2 };
  const { json } = await server.post(PATH, body);
  const events = await server.events(PATH, body);
  assert.equal(events.map((event) => event.sequence_number), events.map((_, i) => i)); // prettier-ignore
  const types = events.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]);
  const expected = [
    "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.done",
    "content_part.done", "output_item.done", "incomplete",
  ]; // prettier-ignore
  assert.equal(types, expected.map((name) => `response.${name}`)); // prettier-ignore
  const deltas = events.filter(({ type }) => type === "response.output_text.delta");
  const [content] = json.output[0].content;
  assert.is(deltas.map(({ delta }) => delta).join(""), content.text);
  const logprobs = deltas.flatMap((event) => event.logprobs);
  assert.equal(logprobs, content.logprobs.slice(0, logprobs.length));
  assert.is(content.logprobs.length, 12);
  assert.is(content.logprobs[0].top_logprobs.length, 2);
  const whole = events.at(-1)!.response;
  assert.equal(whole.output[0].content, json.output[0].content);
  // The second time its prompt is there.
  assert.is(whole.usage.total_tokens, json.usage.total_tokens);
});

const ANSWER = '<think>well\n</think>\n\nLet me see.\n<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>\n<tool_call>{"name": "f", "arguments": {}}</tool_call>'; // prettier-ignore

test("thoughts, text and calls are items of their own", async () => {
  const calling = clientOf(scriptedModel(model, ANSWER, HERMES));
  const { json } = await calling.post(PATH, { input: "x", tools: TOOLS });
  const shapes = (output: Reply["json"][]) => output.map((item) => [item.type, item.status, item.name ?? item.content[0].text, item.arguments]); // prettier-ignore
  const expected = [
    ["reasoning", "completed", "well\n", undefined],
    ["message", "completed", "Let me see.\n", undefined],
    ["function_call", "completed", "f", '{"x":1}'],
    ["function_call", "completed", "f", "{}"],
  ];
  assert.equal(shapes(json.output), expected);
  assert.is(json.status, "completed");
  assert.match(json.output[2].call_id, /^call_/);
  assert.is.not(json.output[2].call_id, json.output[3].call_id);
  assert.ok(json.usage.output_tokens_details.reasoning_tokens > 0);

  const events = await calling.events(PATH, { input: "x", tools: TOOLS });
  assert.is(events.at(-1)!.type, "response.completed");
  assert.equal(shapes(events.at(-1)!.response.output), expected);
  const done = events.filter(({ type }) => type === "response.output_item.done").map(({ item }) => item);
  assert.equal(done, events.at(-1)!.response.output);
  const added = events.filter(({ type }) => type === "response.output_item.added");
  assert.equal(added.map(({ output_index }) => output_index), [0, 1, 2, 3]); // prettier-ignore
  const calls = events.filter(({ type }) => type === "response.function_call_arguments.done");
  assert.equal(calls.map((event) => event.arguments), ['{"x":1}', "{}"]); // prettier-ignore
  const thoughts = events.filter(({ type }) => type === "response.reasoning_text.delta");
  assert.is(thoughts.map(({ delta }) => delta).join(""), "well\n");
});

test("calls and their results come back as the template has them", async () => {
  const seen: unknown[] = [];
  const scripted = scriptedModel(model, "Done.", HERMES);
  const watching = new Proxy(scripted, {
    get: (target, key) =>
      key === "promptIds" ? (messages: unknown) => (seen.push(messages), [1]) : (Reflect.get(target, key) as unknown),
  });
  const input = [
    { role: "user", content: "x" },
    { type: "reasoning", id: "rs_1", summary: [], content: [{ type: "reasoning_text", text: "hm" }] },
    { type: "function_call", call_id: "c1", name: "f", arguments: '{"x":1}' },
    { type: "function_call", call_id: "c2", name: "f", arguments: "{}" },
    { type: "function_call_output", call_id: "c1", output: "one" },
    { type: "function_call_output", call_id: "c2", output: [{ type: "input_text", text: "two" }] },
  ];
  const { json } = await clientOf(watching).post(PATH, { input, tools: TOOLS });
  assert.is(json.output[0].content[0].text, "Done.");
  const call = (id: string, args: object) => ({ id, type: "function", function: { name: "f", arguments: args } });
  assert.equal(seen, [
    [
      { role: "user", content: "x" },
      { role: "assistant", content: "", reasoning_content: "hm", tool_calls: [call("c1", { x: 1 }), call("c2", {})] },
      { role: "tool", content: "one", tool_call_id: "c1" },
      { role: "tool", content: "two", tool_call_id: "c2" },
    ],
  ]);
});

const refused = [
  ["no input", {}, "input"],
  ["an item nobody knows", { input: [{ type: "computer_call" }] }, "input.0.type"],
  ["a picture", { input: [{ role: "user", content: [{ type: "input_image", image_url: "x" }] }] }, "input.0.content.0.type"],
  ["a response to keep", { input: "x", store: true }, "store"],
  ["a response that was kept", { input: "x", previous_response_id: "resp_1" }, "previous_response_id"],
  ["a conversation", { input: "x", conversation: "conv_1" }, "conversation"],
  ["work behind the scenes", { input: "x", background: true }, "background"],
  ["a search of the web", { input: "x", tools: [{ type: "web_search" }] }, "tools.0.type"],
  ["tools the template has no words for", { input: "x", tools: TOOLS }, "tools"],
  ["leaving out the middle", { input: "x", truncation: "auto" }, "truncation"],
  ["a chat's limit", { input: "x", max_tokens: 4 }, "max_tokens"],
  ["two answers", { input: "x", n: 2 }, "n"],
  ["more than the context", { input: "the ".repeat(2000) }, "input"],
  ["another model", { input: "x", model: "gpt-5" }, "model"],
] as const;

for (const [what, body, param] of refused) {
  test(`${what} is refused by name`, async () => {
    const { status, json } = await server.post(PATH, body);
    assert.is(status, param === "model" ? 404 : 400, JSON.stringify(json));
    assert.is(json.error.param, param, JSON.stringify(json));
  });
}

test.run();
