/** `ai` with `@ai-sdk/openai-compatible` against a server. */
import * as assert from "uvu/assert";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, jsonSchema, streamText, tool } from "ai";
import type { LanguageModel } from "../../src/core.ts";
import type { Checks } from "../checks.ts";
import { calling, CITY, serve } from "./serve.ts";

const LIMITS = { temperature: 0, maxOutputTokens: 12, maxRetries: 0 };

export async function aiSdkChecks({ check }: Checks, model: LanguageModel): Promise<void> {
  const server = await serve(model);
  const provider = createOpenAICompatible({ name: "fptq", baseURL: server.url, includeUsage: true });
  const prompt = "the dog ran";
  const expected = await model.generate([{ role: "user", content: prompt }], { temperature: 0, maxTokens: 12 }).result;

  await check("ai: generateText", async () => {
    const { text, usage, finishReason } = await generateText({ model: provider("tiny"), prompt, ...LIMITS });
    assert.is(text, expected.text);
    assert.is(usage.outputTokens, expected.tokens.length);
    assert.is(usage.inputTokens, expected.promptTokens);
    assert.is(finishReason, expected.stop === "eos" ? "stop" : "length");
  });
  await check("ai: streamText", async () => {
    const result = streamText({ model: provider("tiny"), prompt, ...LIMITS });
    let text = "";
    for await (const piece of result.textStream) text += piece;
    assert.is(text, expected.text);
    assert.is((await result.usage).outputTokens, expected.tokens.length);
  });
  await check("ai: completions", async () => {
    const { text } = await generateText({ model: provider.completionModel("tiny"), prompt, ...LIMITS });
    assert.type(text, "string");
    assert.ok(text !== "");
  });
  await check("ai: embedMany", async () => {
    const values = ["the cat", "the red ball", "the house"];
    const { embeddings, usage } = await embedMany({ model: provider.embeddingModel("tiny"), values, maxRetries: 0 });
    assert.equal(embeddings, (await model.embed(values)).map((vector) => Array.from(vector))); // prettier-ignore
    assert.ok(usage.tokens > 0);
  });
  await check("ai: a refusal is an error of the call with the server's words", async () => {
    const asking = generateText({ model: provider("other"), prompt, ...LIMITS });
    const error: unknown = await asking.then(() => undefined, (reason: unknown) => reason); // prettier-ignore
    assert.ok(APICallError.isInstance(error), String(error));
    assert.is(error.statusCode, 404);
    assert.match(error.message, /^model: got "other", need "tiny"$/);
  });
  await server.stop();

  const caller = await serve(calling(model));
  const calls = createOpenAICompatible({ name: "fptq", baseURL: caller.url });
  const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] } as const;
  const tools = { weather: tool({ inputSchema: jsonSchema<{ city: string }>(parameters) }) };
  await check("ai: calls of functions, whole and streamed", async () => {
    const whole = await generateText({ model: calls("tiny"), prompt, tools, ...LIMITS });
    const streamed = streamText({ model: calls("tiny"), prompt, tools, ...LIMITS });
    for (const found of [whole.toolCalls, await streamed.toolCalls]) {
      assert.equal(found.map(({ toolName, input }) => [toolName, input]), [["weather", { city: CITY }]]); // prettier-ignore
    }
    assert.is(whole.finishReason, "tool-calls");
    assert.is(await streamed.finishReason, "tool-calls");
  });
  await caller.stop();
}
