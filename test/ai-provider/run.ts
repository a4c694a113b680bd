/**
 * The AI SDK over `fptq/ai` as it is built: texts, streams, calls of functions and vectors of a tiny model,
 * beside what the library says to the same prompts. Needs `npm run build` before.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embedMany, generateText, isStepCount, Output, streamText, tool, wrapLanguageModel } from "ai";
import * as z from "zod";
import type * as ai from "../../src/ai.ts";
import type * as library from "../../src/index.ts";
import { Checks } from "../checks.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 91;
// By their place, so that what is tested is what is published.
const dist = (name: string) => new URL(`../../dist/${name}.js`, import.meta.url).href;
const { loadModel } = (await import(dist("index"))) as typeof library;
const { createFptq } = (await import(dist("ai"))) as typeof ai;

const folder = mkdtempSync(join(tmpdir(), "fptq-ai-"));
for (const [name, { bytes }] of tinyModel(SEED).files) writeFileSync(join(folder, name), bytes);
const model = await loadModel(folder, { threads: 1, contextSize: 256, cacheTokens: 2048 });
const loads: string[] = [];
const fptq = createFptq({
  tiny: async () => {
    loads.push("tiny");
    return model;
  },
  scripted: scripted(),
});
globalThis.AI_SDK_LOG_WARNINGS = false;

/** A model that calls a function when it is asked, and then says what it heard. */
function scripted(): typeof model {
  const generate = (prompt: readonly number[]) => {
    const asked = model.tokenizer.decode(prompt);
    const text = asked.includes("celsius")
      ? "It is 21 degrees."
      : 'I look.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>';
    const pieces = text.match(/[^]{1,5}/g)!;
    const stage = { tokens: 1, ms: 1, tokensPerSecond: 1 };
    const result = { text, tokens: pieces.map(() => 0), promptTokens: prompt.length, prefill: stage, decode: stage, stop: "eos" };
    return { result: Promise.resolve(result), async *[Symbol.asyncIterator]() { yield* pieces; } }; // prettier-ignore
  };
  const chatTemplate = "{{ tools }} <tool_call> {{ messages }}";
  const promptIds = (messages: readonly unknown[], options: object) =>
    model.tokenizer.encode(JSON.stringify([options, messages]), { addSpecialTokens: false });
  return { chatTemplate, tokenizer: model.tokenizer, promptIds, generate } as unknown as typeof model;
}

const counted = new Checks();
const { check } = counted;

const PROMPT = "the dog ran";
const SETTINGS = { temperature: 0, maxOutputTokens: 12, providerOptions: { fptq: { ignoreEos: true } } } as const;
const alone = await model.generate([{ role: "user", content: PROMPT }], { temperature: 0, maxTokens: 12, ignoreEos: true })
  .result;

await check("generateText: the library's text, with tokens and a reason", async () => {
  const { text, usage, finishReason, warnings } = await generateText({ ...SETTINGS, model: fptq("tiny"), prompt: PROMPT });
  assert.equal(text, alone.text);
  assert.equal(usage.inputTokens, alone.promptTokens);
  assert.equal(usage.outputTokens, 12);
  assert.ok((usage.inputTokenDetails.cacheReadTokens ?? 0) > 0, "the same prompt had been there before");
  assert.equal(finishReason, "length");
  assert.deepEqual(warnings ?? [], []);
  assert.deepEqual(loads, ["tiny"]);
});

await check("streamText: the same in pieces", async () => {
  const result = streamText({ ...SETTINGS, model: fptq("tiny"), prompt: PROMPT });
  const pieces: string[] = [];
  for await (const piece of result.textStream) pieces.push(piece);
  assert.equal(pieces.join(""), alone.text);
  assert.ok(pieces.length > 1);
  assert.equal(await result.finishReason, "length");
  assert.equal((await result.usage).outputTokens, 12);
});

await check("eight at a time: each has its own answer", async () => {
  const prompts = Array.from({ length: 8 }, (_, i) => `the cat saw ${i}`);
  const texts = await Promise.all(prompts.map((prompt) => generateText({ ...SETTINGS, model: fptq("tiny"), prompt })));
  for (const [i, { text }] of texts.entries()) {
    const messages = [{ role: "user", content: prompts[i]! }];
    assert.equal(text, (await model.generate(messages, { temperature: 0, maxTokens: 12, ignoreEos: true }).result).text);
  }
});

await check("system, seed and stop sequences reach the model", async () => {
  const settings = { model: fptq("tiny"), prompt: PROMPT, maxOutputTokens: 24, temperature: 1, seed: 5 };
  const messages = [{ role: "system", content: "be short" }, { role: "user", content: PROMPT }]; // prettier-ignore
  const whole = await model.generate(messages, { temperature: 1, seed: 5, maxTokens: 24 }).result;
  const stop = [...whole.text].slice(4, 6).join("");
  const { text, finishReason } = await generateText({ ...settings, instructions: "be short", stopSequences: [stop] });
  assert.equal(text, whole.text.slice(0, whole.text.indexOf(stop)));
  assert.equal(finishReason, "stop");
});

await check("what cannot be honoured is a warning, what cannot be read an error", async () => {
  const { warnings } = await fptq("tiny").doGenerate({
    prompt: [{ role: "user", content: [{ type: "text", text: PROMPT }] }],
    maxOutputTokens: 1,
    reasoning: "high",
    tools: [{ type: "function", name: "f", inputSchema: { type: "object" } }],
  });
  assert.deepEqual(warnings.map((warning) => (warning.type === "unsupported" ? warning.feature : "")), ["reasoning", "tools"]); // prettier-ignore
  const picture = { type: "file", mediaType: "image/png", data: new Uint8Array(10) } as const;
  await assert.rejects(
    generateText({ model: fptq("tiny"), maxRetries: 0, messages: [{ role: "user", content: [picture] }] }),
    /got a part of type "file", need text/,
  );
  await assert.rejects(generateText({ model: fptq("tiny"), prompt: PROMPT, maxRetries: 0, providerOptions: { fptq: { topP: 1 } } }), /got "topP", need one of/); // prettier-ignore
  assert.throws(() => fptq.languageModel("other" as "tiny"), /got "other", need one of "tiny", "scripted"/);
});

const weather = tool({
  description: "Weather of a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ city, celsius: 21 }),
});

await check("generateText calls a function, and goes on with its result", async () => {
  const settings = { model: fptq("scripted"), tools: { weather }, stopWhen: isStepCount(3), prompt: "How warm is it in Bern?" };
  const { text, steps } = await generateText(settings);
  assert.equal(steps[0]!.finishReason, "tool-calls");
  assert.equal(steps[0]!.text.trim(), "I look.");
  assert.deepEqual(steps[0]!.toolCalls.map(({ toolName, input }) => [toolName, input]), [["weather", { city: "Bern" }]]); // prettier-ignore
  assert.equal(text, "It is 21 degrees.");
});

await check("streamText streams text, then the call", async () => {
  const kinds: string[] = [];
  const { fullStream } = streamText({ model: fptq("scripted"), tools: { weather }, prompt: "How warm is it in Bern?" });
  for await (const { type } of fullStream) if (kinds.at(-1) !== type) kinds.push(type);
  const wanted = ["text-start", "text-delta", "text-end", "tool-input-start", "tool-input-end", "tool-call", "tool-result"];
  assert.deepEqual(kinds.filter((kind) => wanted.includes(kind)), wanted); // prettier-ignore
});

await check("leaving a stream and aborting end the work", async () => {
  const isFree = () => model.forwardPass.cacheTokens.free === model.forwardPass.cacheTokens.total;
  const long = { ...SETTINGS, maxOutputTokens: 200, model: fptq("tiny"), prompt: PROMPT };
  const { stream } = await fptq("tiny").doStream({
    prompt: [{ role: "user", content: [{ type: "text", text: PROMPT }] }],
    providerOptions: { fptq: { ignoreEos: true } },
  });
  const reader = stream.getReader();
  for (let i = 0; i < 6; i++) await reader.read();
  await reader.cancel();
  assert.ok(isFree(), "after leaving");
  const aborting = new AbortController();
  // As soon as it has begun: how long it takes is the machine's affair.
  const begun = setInterval(() => isFree() || aborting.abort(), 0);
  const endless = { ...long, providerOptions: { fptq: { ignoreEos: true } } };
  await assert.rejects(generateText({ ...endless, abortSignal: aborting.signal, maxRetries: 0 }), { name: "AbortError" });
  clearInterval(begun);
  assert.ok(isFree(), "after aborting");
});

await check("a middleware of the SDK wraps it", async () => {
  const wrapped = wrapLanguageModel({ model: fptq("tiny"), middleware: { specificationVersion: "v4" } });
  const { text } = await generateText({ ...SETTINGS, model: wrapped, prompt: PROMPT });
  assert.equal(text, alone.text);
});

await check("an object by a schema, of a model that knows no JSON", async () => {
  const output = Output.object({ schema: z.object({ city: z.enum(["Bern", "Rome"]), warm: z.boolean() }) });
  const result = await generateText({ model: fptq("tiny"), prompt: PROMPT, output, maxOutputTokens: 100 });
  assert.ok(["Bern", "Rome"].includes(result.output.city) && typeof result.output.warm === "boolean");
});

await check("a call that has to be is made, by a template that writes calls", async () => {
  // Its context is too short for functions written out.
  const own = { promptIds: () => model.promptIds(PROMPT), generate: model.generate.bind(model) };
  const calling = { ...scripted(), ...own } as unknown as typeof model;
  const provider = createFptq({ calling });
  const inputSchema = z.object({ warm: z.boolean() });
  const tools = { report: tool({ inputSchema, execute: ({ warm }) => Promise.resolve(warm ? 21 : 3) }) };
  const settings = { model: provider("calling"), prompt: "x", tools, toolChoice: "required", maxOutputTokens: 200 } as const;
  const { toolCalls, finishReason } = await generateText(settings);
  assert.equal(finishReason, "tool-calls");
  assert.equal(toolCalls[0]!.toolName, "report");
  assert.equal(typeof (toolCalls[0]!.input as { warm: boolean }).warm, "boolean");
});

await check("embedMany: the library's vectors", async () => {
  const values = ["the cat", "a long road", "the cat"];
  const settings = { model: fptq.embeddingModel("tiny"), values, providerOptions: { fptq: { pooling: "mean" } } };
  const { embeddings, usage } = await embedMany(settings);
  const vectors = await model.embed(values, { pooling: "mean" });
  assert.deepEqual(embeddings, vectors.map((vector) => Array.from(vector))); // prettier-ignore
  assert.equal(usage.tokens, values.reduce((sum, value) => sum + model.tokenizer.encode(value).length, 0)); // prettier-ignore
});

await model[Symbol.asyncDispose]();
rmSync(folder, { recursive: true });
counted.end();
