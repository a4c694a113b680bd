import { suite } from "uvu";
import * as assert from "uvu/assert";
import { clientOf, loadTiny, SEED } from "./serving.ts";

const test = suite(`what a server refuses (seed ${SEED})`);
const model = await loadTiny();
test.after(() => model.dispose());
const server = clientOf(model, { alias: "tiny", maxTokens: 64, maxBodyBytes: 20_000 });
const CHAT = "/v1/chat/completions";
const MESSAGES = [{ role: "user", content: "hello" }];

const formOf = (schema: object) => ({ type: "json_schema", json_schema: { name: "a", schema } });

const refused = [
  ["no JSON", CHAT, "{", 400, null],
  ["no object", CHAT, "[]", 400, null],
  ["no messages", CHAT, {}, 400, "messages"],
  ["an unknown role", CHAT, { messages: [{ role: "robot", content: "x" }] }, 400, "messages.0.role"],
  ["a picture", CHAT, { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] }, 400, "messages.0.content.0.type"],
  ["a temperature of 3", CHAT, { messages: MESSAGES, temperature: 3 }, 400, "temperature"],
  ["a text as temperature", CHAT, { messages: MESSAGES, temperature: "1" }, 400, "temperature"],
  ["too many tokens", CHAT, { messages: MESSAGES, max_completion_tokens: 65 }, 400, "max_completion_tokens"],
  ["a form that is none", CHAT, { messages: MESSAGES, response_format: { type: "xml" } }, 400, "response_format.type"],
  ["a form without its schema", CHAT, { messages: MESSAGES, response_format: { type: "json_schema" } }, 400, "response_format.json_schema"],
  ["a keyword that answers cannot be held to", CHAT, { messages: MESSAGES, response_format: formOf({ type: "object", properties: { a: { not: {} } } }) }, 400, "response_format.json_schema.schema.properties.a"],
  ["a pattern that explodes", CHAT, { messages: MESSAGES, response_format: formOf({ type: "string", pattern: "^(a|b)*a(a|b){30}$" }) }, 400, "response_format.json_schema.schema.pattern"],
  ["a pattern that would be huge", CHAT, { messages: MESSAGES, response_format: formOf({ type: "string", pattern: "((a{1,900}){1,900}){1,900}" }) }, 400, "response_format.json_schema.schema.pattern"],
  ["a schema that nothing satisfies", CHAT, { messages: MESSAGES, response_format: formOf({ type: "integer", minimum: 2, maximum: 1 }) }, 400, "response_format.json_schema.schema"],
  ["a reference to nothing", CHAT, { messages: MESSAGES, response_format: formOf({ $ref: "#/$defs/a" }) }, 400, "response_format.json_schema.schema.$ref"],
  ["a schema of a response", "/v1/responses", { input: "a", text: { format: { type: "json_schema", name: "x", schema: { if: {} } } } }, 400, "text.format.schema"],
  ["a grammar without a root", CHAT, { messages: MESSAGES, grammar: "a ::= [b]" }, 400, "grammar"],
  ["a grammar that begins with itself", "/v1/completions", { prompt: "a", grammar: 'root ::= root "a" | "b"' }, 400, "grammar"],
  ["a grammar beside a schema", "/v1/completions", { prompt: "a", grammar: "root ::= [b]", json_schema: {} }, 400, "grammar"],
  ["a form without an end", "/v1/completions", { prompt: "a", json_schema: {}, ignore_eos: true }, 400, "ignore_eos"],
  ["a call that has to be", CHAT, { messages: MESSAGES, tool_choice: "required" }, 400, "tool_choice"],
  ["tools the template has no words for", CHAT, { messages: MESSAGES, tools: [{ type: "function", function: { name: "f" } }] }, 400, "tools"],
  ["a bias of no token", CHAT, { messages: MESSAGES, logit_bias: { 99999: 1 } }, 400, null],
  ["a bias of a word", CHAT, { messages: MESSAGES, logit_bias: { the: 1 } }, 400, "logit_bias.the"],
  ["another model", CHAT, { messages: MESSAGES, model: "gpt-4o" }, 404, "model"],
  ["no prompt", "/v1/completions", { max_tokens: 4 }, 400, "prompt"],
  ["ids of no token", "/v1/completions", { prompt: [99999] }, 400, null],
  ["a prompt longer than the context", "/v1/completions", { prompt: "the ".repeat(2000) }, 400, "prompt"],
  ["best_of", "/v1/completions", { prompt: "x", best_of: 2 }, 400, "best_of"],
  ["a body over the limit", CHAT, { messages: [{ role: "user", content: "x".repeat(30_000) }] }, 413, null],
  ["ids to detokenize that are none", "/detokenize", { tokens: [-1] }, 400, "tokens.0"],
  ["two texts to tokenize", "/tokenize", { content: "a", prompt: "b" }, 400, null],
  ["an endpoint that is none", "/v1/images", {}, 404, null],
] as const; // prettier-ignore

for (const [what, path, body, status, param] of refused) {
  test(`${what} is refused by name`, async () => {
    const { status: found, json } = await server.post(path, body);
    assert.is(found, status, JSON.stringify(json));
    assert.is(json.error.param, param);
    assert.type(json.error.message, "string");
    if (param !== null) assert.ok(json.error.message.startsWith(`${param}: `), json.error.message);
  });
}

test("keys: none and wrong ones are refused, open paths are not", async () => {
  const closed = clientOf(model, { apiKeys: ["one", "two"] });
  const ask = (headers: Record<string, string>) => closed.post("/v1/completions", { prompt: "the", max_tokens: 1 }, { headers });
  for (const headers of [{}, { Authorization: "Bearer three" }, { Authorization: "Basic b25l" }] as Record<string, string>[]) {
    const { status, json } = await ask(headers);
    assert.is(status, 401);
    assert.is(json.error.code, "invalid_api_key");
  }
  assert.is((await ask({ Authorization: "Bearer two" })).status, 200);
  assert.is((await closed.get("/health")).status, 200);
  assert.is((await closed.get("/metrics")).status, 401);
});

test("more than may wait are told to come back", async () => {
  const small = clientOf(model, { parallel: 1, maxWaiting: 1 });
  const ask = () => small.post("/v1/completions", { prompt: "the", max_tokens: 20, ignore_eos: true });
  const replies = await Promise.all([ask(), ask(), ask()]);
  assert.equal(replies.map(({ status }) => status).toSorted((a, b) => a - b), [200, 200, 429]); // prettier-ignore
  const late = replies.find(({ status }) => status === 429)!;
  assert.is(late.headers.get("retry-after"), "5");
  assert.is((await ask()).status, 200);
});

test.run();
