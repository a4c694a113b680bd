/** The `openai` package against a server. */
import * as assert from "uvu/assert";
import OpenAI from "openai";
import type { LanguageModel } from "../../src/core.ts";
import type { Checks } from "../checks.ts";
import { calling, CITY, serve } from "./serve.ts";

const MESSAGES = [{ role: "user", content: "the dog ran" }] as const;
const GREEDY = { temperature: 0, max_tokens: 12, ignore_eos: true };
const TOOL = { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } };

/** Fields that only this server knows go along as they are. */
const asked = <T>(body: T): T => ({ ...body, ...GREEDY });

export async function openaiChecks({ check }: Checks, model: LanguageModel): Promise<void> {
  const server = await serve(model, { apiKeys: ["secret"] });
  const client = new OpenAI({ baseURL: server.url, apiKey: "secret", maxRetries: 0 });
  const alone = async (prompt: Parameters<LanguageModel["generate"]>[0]) =>
    (await model.generate(prompt, { temperature: 0, maxTokens: 12, ignoreEos: true }).result).text;

  await check("openai: models", async () => {
    const list = await client.models.list();
    assert.equal(list.data.map(({ id }) => id), ["tiny"]); // prettier-ignore
    assert.is((await client.models.retrieve("tiny")).id, "tiny");
  });
  await check("openai: a chat, with log-probabilities", async () => {
    const chat: OpenAI.ChatCompletion = await client.chat.completions.create(asked({ model: "tiny", messages: [...MESSAGES], logprobs: true, top_logprobs: 2 })); // prettier-ignore
    assert.is(chat.choices[0]!.message.content, await alone([...MESSAGES]));
    const { content } = chat.choices[0]!.logprobs!;
    assert.is(content!.length, 12);
    for (const { logprob, top_logprobs } of content!) assert.is(logprob, top_logprobs[0]!.logprob);
    assert.is(chat.usage!.completion_tokens, 12);
  });
  await check("openai: the helper for streams puts the answer together", async () => {
    const stream = client.chat.completions.stream(asked({ model: "tiny", messages: [...MESSAGES], stream_options: { include_usage: true } })); // prettier-ignore
    const final = await stream.finalChatCompletion();
    assert.is(final.choices[0]!.message.content, await alone([...MESSAGES]));
    assert.is(final.choices[0]!.finish_reason, "length");
    assert.is((await stream.totalUsage()).completion_tokens, 12);
  });
  await check("openai: completions of several prompts, with echo and log-probabilities", async () => {
    const prompts = [[...model.promptIds("the cat sat")], [...model.promptIds("one of the hens")]];
    const body = { model: "tiny", prompt: prompts, echo: true, logprobs: 1, temperature: 0, max_tokens: 1 };
    const { choices } = (await client.completions.create(body)) satisfies OpenAI.Completion;
    for (const [i, { index, logprobs }] of choices.entries()) {
      assert.is(index, i);
      using sequence = model.createSequence();
      const expected = await sequence.logprobs(prompts[i]!, 1);
      assert.equal(logprobs!.token_logprobs!.slice(0, -1), expected.map((position) => position?.logprob ?? null)); // prettier-ignore
      assert.is(logprobs!.tokens!.length, prompts[i]!.length + 1);
    }
  });
  await check("openai: a stream that is left ends what it asked for", async () => {
    const stream = await client.chat.completions.create({ model: "tiny", messages: [...MESSAGES], stream: true, ...GREEDY, max_tokens: 200 }); // prettier-ignore
    for await (const _ of stream) break;
    const { free, total } = model.forwardPass.cacheTokens;
    const left = Date.now();
    while (model.forwardPass.cacheTokens.free < total && Date.now() - left < 10_000)
      await new Promise((done) => setTimeout(done, 20));
    assert.is(model.forwardPass.cacheTokens.free, total, `${free} were free`);
    const leaving = new AbortController();
    const asking = client.chat.completions.create({ model: "tiny", messages: [...MESSAGES], ...GREEDY, max_tokens: 200 }, { signal: leaving.signal }); // prettier-ignore
    leaving.abort();
    const error: unknown = await asking.then(() => undefined, (reason: unknown) => reason); // prettier-ignore
    assert.instance(error, OpenAI.APIUserAbortError);
  });
  await check("openai: vectors, as the client asks for them (base64) and as numbers", async () => {
    const input = ["the cat", "the red ball"];
    const expected = (await model.embed(input)).map((vector) => Array.from(vector));
    const found = async (options: object) =>
      (await client.embeddings.create({ model: "tiny", input, ...options })).data.map(({ embedding }) => Array.from(embedding));
    assert.equal(await found({}), expected);
    assert.equal(await found({ encoding_format: "float" }), expected);
  });
  await check("openai: responses, whole and streamed", async () => {
    const body = { model: "tiny", input: "the dog ran", max_output_tokens: 12, temperature: 0, ignore_eos: true };
    const response = await client.responses.create(body);
    assert.is(response.output_text, await alone([...MESSAGES]));
    assert.is(response.incomplete_details?.reason, "max_output_tokens");
    const stream = client.responses.stream(body);
    let text = "";
    stream.on("response.output_text.delta", ({ delta }) => (text += delta));
    const final = await stream.finalResponse();
    assert.is(text, response.output_text);
    assert.is(final.output_text, text);
    assert.is(final.usage?.output_tokens, 12);
  });
  await check("openai: errors have the client's classes, and say which field is wrong", async () => {
    const refusal = (of: OpenAI, body: object) =>
      of.chat.completions.create({ model: "tiny", messages: [...MESSAGES], ...body }).then(() => undefined, (reason: unknown) => reason); // prettier-ignore
    const bad = await refusal(client, { temperature: 3 });
    assert.instance(bad, OpenAI.BadRequestError);
    assert.is((bad as InstanceType<typeof OpenAI.BadRequestError>).param, "temperature");
    assert.match((bad as InstanceType<typeof OpenAI.BadRequestError>).requestID ?? "", /^[\da-f-]{36}$/);
    const stranger = new OpenAI({ baseURL: server.url, apiKey: "wrong", maxRetries: 0 });
    assert.instance(await refusal(stranger, {}), OpenAI.AuthenticationError);
    assert.instance(await refusal(client, { model: "other" }), OpenAI.NotFoundError);
    const long = await refusal(client, { messages: [{ role: "user", content: "the ".repeat(2000) }] });
    assert.is((long as InstanceType<typeof OpenAI.BadRequestError>).code, "context_length_exceeded");
  });
  await check("openai: who is sent away knows it as a rate limit, and comes back", async () => {
    const small = await serve(model, { parallel: 1, maxWaiting: 0 });
    const ask = (maxRetries: number) =>
      new OpenAI({ baseURL: small.url, apiKey: "none", maxRetries }).completions.create({ model: "tiny", prompt: "the", ...GREEDY, max_tokens: 200 }); // prettier-ignore
    const [first, second] = await Promise.allSettled([ask(0), ask(0)]);
    const reasons = [first, second].flatMap((settled) => (settled.status === "rejected" ? [settled.reason as unknown] : []));
    assert.is(reasons.length, 1);
    assert.instance(reasons[0], OpenAI.RateLimitError);
    assert.is((reasons[0] as InstanceType<typeof OpenAI.RateLimitError>).headers?.get("retry-after"), "5");
    await small.stop();
  });
  await server.stop();

  const caller = await serve(calling(model));
  const tools = new OpenAI({ baseURL: caller.url, apiKey: "none" });
  await check("openai: a call of a function, whole, streamed, and as a response", async () => {
    const body = { model: "tiny", messages: [...MESSAGES], tools: [{ type: "function" as const, function: TOOL }] };
    for (const choice of [
      (await tools.chat.completions.create(body)).choices[0]!,
      (await tools.chat.completions.stream(body).finalChatCompletion()).choices[0]!,
    ]) {
      assert.is(choice.finish_reason, "tool_calls");
      const [call] = choice.message.tool_calls!;
      if (call?.type !== "function") throw new Error(`got ${JSON.stringify(call)}`);
      assert.equal([call.function.name, JSON.parse(call.function.arguments)], ["weather", { city: CITY }]);
      assert.match(call.id, /^call_/);
    }
    const asking = { model: "tiny", input: "x", tools: [{ type: "function" as const, strict: null, ...TOOL }] };
    for (const response of [await tools.responses.create(asking), await tools.responses.stream(asking).finalResponse()]) {
      const call = response.output.at(-1)!;
      if (call.type !== "function_call") throw new Error(`got ${JSON.stringify(response.output)}`);
      assert.equal([call.name, JSON.parse(call.arguments)], ["weather", { city: CITY }]);
      assert.is(response.output_text, "Let me see.\n");
    }
  });
  await caller.stop();
}
