import { suite } from "uvu";
import * as assert from "uvu/assert";
import { clientOf, loadTiny, SEED } from "./serving.ts";

const test = suite(`a server's other endpoints (seed ${SEED})`);
const model = await loadTiny();
const server = clientOf(model, { alias: "tiny", corsOrigin: "https://example.org" });
test.after(() => model.dispose());

test("models: the list, the one, and none of another name", async () => {
  const { json } = await server.get("/v1/models");
  assert.is(json.object, "list");
  assert.is(json.data[0].id, "tiny");
  assert.is(json.data[0].meta.n_vocab, model.config.vocabSize);
  assert.equal((await server.get("/v1/models/tiny")).json, json.data[0]);
  assert.is((await server.get("/v1/models/other")).status, 404);
});

test("tokenize and detokenize, by llama-server's names and by vLLM's", async () => {
  const text = "the cat <|im_end|>";
  const plain = model.tokenizer.encode(text, { addSpecialTokens: false });
  assert.equal((await server.post("/tokenize", { content: text })).json.tokens, plain);
  assert.equal((await server.post("/tokenize", { prompt: text })).json.tokens, model.tokenizer.encode(text));
  assert.equal((await server.post("/tokenize", { prompt: text, add_special_tokens: false })).json.tokens, plain);
  const { json } = await server.post("/tokenize", { content: "the cat", with_pieces: true });
  assert.is(json.tokens.map(({ piece }: { piece: string }) => piece).join(""), "the cat");
  const back = (await server.post("/detokenize", { tokens: plain })).json;
  assert.equal(back, { content: text, prompt: text });
});

test("the template of a conversation, and the tokens it uses", async () => {
  const messages = [{ role: "user", content: "hello" }];
  const { json } = await server.post("/apply-template", { messages });
  assert.is(json.prompt, model.tokenizer.decode(model.promptIds(messages)));
  const info = (await server.get("/tokenizer_info")).json;
  assert.is(info.eos_token, model.tokenizer.idToToken(model.tokenizer.eosTokenId!));
  assert.is(info.chat_template, model.chatTemplate);
});

test("metrics count what was answered", async () => {
  const counting = clientOf(model);
  await counting.post("/v1/completions", { prompt: "the cat", max_tokens: 5, ignore_eos: true });
  const { text, headers } = await counting.get("/metrics");
  assert.match(headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  assert.match(text, /^fptq_requests_total\{path="\/v1\/completions",status="200"\} 1$/m);
  assert.match(text, /^fptq_generated_tokens_total 5$/m);
  assert.match(text, new RegExp(`^fptq_prompt_tokens_total ${model.promptIds("the cat").length}$`, "m"));
  assert.match(text, /^fptq_request_seconds_count 1$/m);
  assert.match(text, /^fptq_between_tokens_seconds_count [1-4]$/m);
  assert.match(text, /^fptq_requests_running 0$/m);
  // Every line is a comment or a name, labels and a number.
  for (const line of text.trim().split("\n")) assert.match(line, /^(# (HELP|TYPE) |[a-z_]+(\{[^}]*\})? -?[\d.e+-]+$)/);
});

test("the page, its script and style, under a policy that lets nothing else in", async () => {
  const page = await server.get("/");
  assert.match(page.headers.get("content-type")!, /^text\/html/);
  assert.match(page.headers.get("content-security-policy")!, /default-src 'none'; script-src 'self'/);
  assert.match((await server.get("/index.js")).headers.get("content-type")!, /^text\/javascript/);
  assert.match((await server.get("/index.css")).headers.get("content-type")!, /^text\/css/);
});

test("the description names every endpoint and its fields", async () => {
  const { json } = await server.get("/openapi.json");
  assert.is(json.openapi, "3.1.0");
  const { properties } = json.components.schemas.CreateChatCompletionRequest;
  assert.ok("temperature" in properties && "messages" in properties);
  for (const [path, methods] of Object.entries(json.paths)) {
    for (const method of Object.keys(methods as object)) {
      const place = path.replace("{id}", "tiny");
      const { status } = method === "get" ? await server.get(place) : await server.post(place, {});
      assert.ok(status === 200 || status === 400, `${method} ${path}: ${status}`);
    }
  }
});

test("answers say who may read them, and carry an id", async () => {
  const { headers } = await server.get("/v1/models", { Origin: "https://example.org" });
  assert.is(headers.get("access-control-allow-origin"), "https://example.org");
  assert.match(headers.get("x-request-id")!, /^[\da-f-]{36}$/);
});

test.run();
