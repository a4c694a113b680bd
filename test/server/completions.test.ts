import { suite } from "uvu";
import * as assert from "uvu/assert";
import { clientOf, loadTiny, SEED } from "./serving.ts";

const test = suite(`/v1/completions and /v1/chat/completions (seed ${SEED})`);
const model = await loadTiny();
const server = clientOf(model, { alias: "tiny" });
test.after(() => model.dispose());

const PROMPT = "the cat sat on the mat";
const GREEDY = { temperature: 0, max_tokens: 12, ignore_eos: true } as const;
const MESSAGES = [{ role: "user", content: "the dog ran" }];

const alone = async (prompt: string, options: object = {}) =>
  (await model.generate(prompt, { temperature: 0, maxTokens: 12, ignoreEos: true, ...options }).result).text;

test("a completion is what the library gives, in OpenAI's shape", async () => {
  const { status, json } = await server.post("/v1/completions", { ...GREEDY, prompt: PROMPT });
  assert.is(status, 200);
  const { id, created, timings, ...rest } = json;
  assert.match(id, /^cmpl-/);
  assert.ok(Math.abs(created - Date.now() / 1000) < 60);
  assert.is(timings.predicted_n, 11);
  const promptTokens = model.promptIds(PROMPT).length;
  assert.equal(rest, {
    object: "text_completion",
    model: "tiny",
    choices: [{ index: 0, text: await alone(PROMPT), logprobs: null, finish_reason: "length" }],
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: 12,
      total_tokens: promptTokens + 12,
      prompt_tokens_details: { cached_tokens: 0 },
    },
  });
});

test("several prompts, as texts or as ids, and several choices of each", async () => {
  const prompts = [PROMPT, "one of the hens"];
  const ids = prompts.map((prompt) => model.promptIds(prompt));
  const options = { seed: 7, temperature: 1, ignore_eos: true, max_tokens: 8, n: 2 };
  const { json } = await server.post("/v1/completions", { ...options, prompt: prompts });
  const same = await server.post("/v1/completions", { ...options, prompt: ids });
  const texts = json.choices.map(({ text }: { text: string }) => text);
  assert.equal(same.json.choices.map(({ text }: { text: string }) => text), texts); // prettier-ignore
  assert.equal(json.choices.map(({ index }: { index: number }) => index), [0, 1, 2, 3]); // prettier-ignore
  const expected = [];
  for (const prompt of prompts) {
    for (const seed of [7, 8]) expected.push(await alone(prompt, { temperature: 1, seed, maxTokens: 8 }));
  }
  assert.equal(texts, expected);
  assert.is(json.usage.completion_tokens, 32);
});

test("as many choices as one request may have make Node warn of nothing", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on("warning", onWarning);
  const { json } = await server.post("/v1/completions", { ...GREEDY, prompt: PROMPT, max_tokens: 2, n: 16 });
  // Warnings are told of behind what runs.
  await new Promise(setImmediate);
  process.off("warning", onWarning);
  assert.is(json.choices.length, 16);
  assert.equal(warnings, []);
});

test("a stream has the text of the whole, a reason at its end, and usage where asked for", async () => {
  const chunks = await server.stream("/v1/completions", {
    ...GREEDY,
    prompt: PROMPT,
    stream_options: { include_usage: true },
  });
  const usage = chunks.pop()!;
  assert.equal(usage.choices, []);
  assert.is(usage.usage.completion_tokens, 12);
  assert.is(chunks.map((chunk) => chunk.choices[0].text).join(""), await alone(PROMPT));
  assert.is(chunks.at(-1)!.choices[0].finish_reason, "length");
  assert.ok(chunks.slice(0, -1).every((chunk) => chunk.choices[0].finish_reason === null));
});

test("a prompt is scored as lm-eval asks for it: prompt and one token, each with its entry", async () => {
  const ids = model.promptIds(PROMPT);
  const body = { prompt: [[...ids]], temperature: 0, max_tokens: 1, logprobs: 1, seed: 1234, echo: true, model: "tiny" };
  const { json } = await server.post("/v1/completions", body);
  const { tokens, token_logprobs, top_logprobs, text_offset } = json.choices[0].logprobs;
  for (const list of [tokens, token_logprobs, top_logprobs, text_offset]) assert.is(list.length, ids.length + 1);
  assert.is(token_logprobs[0], null);
  assert.is(top_logprobs[0], null);
  using sequence = model.createSequence();
  const expected = await sequence.logprobs(ids, 1);
  assert.equal(token_logprobs.slice(0, -1), expected.map((position) => position?.logprob ?? null)); // prettier-ignore
  for (const [i, position] of expected.entries()) {
    if (!position) continue;
    const best = Math.max(...(Object.values(top_logprobs[i]) as number[]));
    assert.is(best, position.top[0]!.logprob);
    assert.is(token_logprobs[i] === best, position.id === position.top[0]!.id || position.logprob === best);
  }
  // The token that comes is the likeliest, by the same double.
  assert.is(token_logprobs.at(-1), Math.max(...(Object.values(top_logprobs.at(-1)) as number[])));
  assert.is(json.choices[0].text.slice(0, PROMPT.length), PROMPT);
  assert.equal(text_offset.slice(0, 2), [0, tokens[0].length]);
});

test("a streamed echo with log-probabilities has what the whole has", async () => {
  const body = { ...GREEDY, prompt: PROMPT, echo: true, logprobs: 2 };
  const { json } = await server.post("/v1/completions", body);
  const chunks = await server.stream("/v1/completions", body);
  const joined = (key: string) => chunks.flatMap((chunk) => chunk.choices[0].logprobs?.[key] ?? []);
  const { text, logprobs } = json.choices[0];
  assert.is(chunks.map((chunk) => chunk.choices[0].text).join(""), text);
  for (const key of ["tokens", "token_logprobs", "top_logprobs"]) assert.equal(joined(key), logprobs[key], key);
});

test("a chat answer is what the library gives to the same messages", async () => {
  const { json } = await server.post("/v1/chat/completions", { ...GREEDY, messages: MESSAGES, logprobs: true, top_logprobs: 2 });
  const result = await model.generate(MESSAGES, { temperature: 0, maxTokens: 12, ignoreEos: true, logprobs: 2 }).result;
  assert.is(json.object, "chat.completion");
  assert.equal(json.choices[0].message, { role: "assistant", content: result.text });
  assert.is(json.choices[0].finish_reason, "length");
  const { content } = json.choices[0].logprobs;
  assert.equal(content.map(({ logprob }: { logprob: number }) => logprob), result.logprobs!.map(({ logprob }) => logprob)); // prettier-ignore
  assert.is(content[0].top_logprobs.length, 2);
  assert.equal(content[0].bytes, [...model.tokenizer.tokenBytes(result.tokens[0]!)]);
});

test("a chat stream says who speaks first, and its pieces are the answer", async () => {
  const body = { ...GREEDY, max_tokens: undefined, max_completion_tokens: 12, messages: MESSAGES };
  const { json } = await server.post("/v1/chat/completions", body);
  const chunks = await server.stream("/v1/chat/completions", body);
  assert.equal(chunks[0].choices[0].delta, { role: "assistant", content: "" });
  assert.is(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), json.choices[0].message.content);
  assert.is(new Set(chunks.map(({ id }) => id)).size, 1);
  assert.is(chunks.at(-1)!.choices[0].finish_reason, "length");
});

test("an assistant's message at the end is gone on with", async () => {
  const begun = [...MESSAGES, { role: "assistant", content: "the house" }];
  const { json } = await server.post("/v1/chat/completions", { ...GREEDY, messages: begun });
  const ids = [
    ...model.promptIds(MESSAGES),
    ...model.tokenizer.encode("the house", { addSpecialTokens: false, parseSpecial: false }),
  ];
  const expected = await model.generate(ids, { temperature: 0, maxTokens: 12, ignoreEos: true }).result;
  assert.is(json.choices[0].message.content, expected.text);
});

test("forty requests at a time each have the answer they have alone", async () => {
  const prompts = Array.from({ length: 40 }, (_, i) => `the cat saw ${"the red ball ".repeat(i % 5)}${i}`);
  const replies = await Promise.all(
    prompts.map((prompt, seed) => server.post("/v1/completions", { prompt, seed, max_tokens: 6, ignore_eos: true })),
  );
  for (const [seed, { json }] of replies.entries()) {
    const { text } = await model.generate(prompts[seed]!, { seed, maxTokens: 6, ignoreEos: true }).result;
    assert.is(json.choices[0].text, text, `request ${seed}`);
  }
  assert.is(model.forwardPass.cacheTokens.free, model.forwardPass.cacheTokens.total);
});

test("what a deadline ends is an answer that was cut off", async () => {
  const body = { prompt: PROMPT, max_tokens: 200, ignore_eos: true, temperature: 0, deadline: 0.05 };
  const { status, json } = await server.post("/v1/completions", body);
  assert.is(status, 200);
  assert.is(json.choices[0].finish_reason, "length");
  assert.ok(json.usage.completion_tokens < 200, `${json.usage.completion_tokens} tokens`);
});

test("a client that goes away leaves nothing running", async () => {
  const leaving = new AbortController();
  const body = { prompt: PROMPT, max_tokens: 200, ignore_eos: true };
  const asking = server.post("/v1/completions", body, { signal: leaving.signal });
  setTimeout(() => leaving.abort(), 20);
  const { status } = await asking;
  assert.is(status, 408);
  assert.is(model.forwardPass.cacheTokens.free, model.forwardPass.cacheTokens.total);
});

test.run();
