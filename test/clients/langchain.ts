/** `@langchain/openai` against a server. */
import * as assert from "uvu/assert";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import type { LanguageModel } from "../../src/core.ts";
import type { Checks } from "../checks.ts";
import { calling, CITY, serve } from "./serve.ts";

export async function langchainChecks({ check }: Checks, model: LanguageModel): Promise<void> {
  const server = await serve(model);
  const options = (baseURL: string) => ({ model: "tiny", apiKey: "none", temperature: 0, maxTokens: 12, maxRetries: 0, configuration: { baseURL } }); // prettier-ignore
  const chat = new ChatOpenAI(options(server.url));
  const expected = await model.generate([{ role: "user", content: "the dog ran" }], { temperature: 0, maxTokens: 12 }).result;

  await check("langchain: invoke", async () => {
    const message = await chat.invoke("the dog ran");
    assert.is(message.content, expected.text);
    assert.is(message.usage_metadata?.output_tokens, expected.tokens.length);
  });
  await check("langchain: stream, with usage at its end", async () => {
    let text = "";
    let tokens = 0;
    for await (const chunk of await chat.stream("the dog ran")) {
      text += chunk.text;
      tokens += chunk.usage_metadata?.output_tokens ?? 0;
    }
    assert.is(text, expected.text);
    assert.is(tokens, expected.tokens.length);
  });
  await check("langchain: vectors", async () => {
    const embeddings = new OpenAIEmbeddings({ model: "tiny", apiKey: "none", configuration: { baseURL: server.url } });
    const texts = ["the cat", "the red ball"];
    assert.equal(await embeddings.embedDocuments(texts), (await model.embed(texts)).map((vector) => Array.from(vector))); // prettier-ignore
  });
  await server.stop();

  const caller = await serve(calling(model));
  await check("langchain: calls of functions, whole and streamed", async () => {
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const bound = new ChatOpenAI(options(caller.url)).bindTools([
      { type: "function", function: { name: "weather", parameters } },
    ]);
    const message = await bound.invoke("the dog ran");
    assert.equal(message.tool_calls?.map(({ name, args }) => [name, args]), [["weather", { city: CITY }]]); // prettier-ignore
    let streamed;
    for await (const chunk of await bound.stream("the dog ran")) streamed = streamed ? streamed.concat(chunk) : chunk;
    assert.equal(streamed?.tool_calls?.map(({ name, args }) => [name, args]), [["weather", { city: CITY }]]); // prettier-ignore
  });
  await caller.stop();
}
