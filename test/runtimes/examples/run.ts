/** Starts each example in its runtime, as its README says, and asks it for text. */
import { assert, type Check, collector, equal } from "../suite.ts";
import { ask, post, readStream } from "./client.ts";
import { installExamples } from "./install.ts";
import { CHAT_SEED, CHAT_TOKENS, computeReference, MESSAGES, type Reference } from "./reference.ts";
import { serveInBun, serveInDeno, serveInWorkerd } from "./serve-example.ts";
import { workerChecks } from "./worker-checks.ts";

export async function exampleChecks(): Promise<Check[]> {
  const examples = await installExamples();
  const all: Check[] = [];
  try {
    const reference = await computeReference(examples.model);
    for (const [name, serve] of [["workers", serveInWorkerd], ["deno", serveInDeno], ["bun", serveInBun]] as const) {
      const [check, checks] = collector();
      await check("starts", async () => {
        const server = await serve(examples);
        try {
          await completionChecks(check, server.origins[0]!, reference);
          if (name === "workers") await workerChecks(check, server, reference);
        } finally {
          await server.stop();
        }
        if (checks.some(({ ok }) => !ok)) throw new Error(`log: ${server.log()}`);
      });
      for (const made of checks) all.push({ ...made, name: `${name}: ${made.name}` });
    }
  } finally {
    examples.remove();
  }
  return all;
} // prettier-ignore

export type CheckRunner = ReturnType<typeof collector>[0];

async function completionChecks(check: CheckRunner, origin: string, { chat, long }: Reference): Promise<void> {
  const url = `${origin}/v1/chat/completions`;
  const request = { messages: MESSAGES, seed: CHAT_SEED, max_tokens: CHAT_TOKENS };
  await check("a streamed chat completion is what Node gives", async () => {
    const streamed = await readStream(await post(url, { ...request, stream: true, stream_options: { include_usage: true } }));
    equal(streamed.text, chat.text);
    assert(streamed.pieces > chat.tokens / 2, `${streamed.pieces} pieces`);
    equal(streamed.finishReasons.length, 1);
    equal(streamed.usage?.prompt_tokens, chat.promptTokens);
    equal(streamed.usage?.completion_tokens, chat.tokens);
  });
  await check("a whole one too", async () => {
    const { status, body } = await ask(url, request);
    equal(status, 200);
    const { object, choices } = body as { object: string; choices: { message: { role: string; content: string } }[] };
    equal(object, "chat.completion");
    equal(choices[0]?.message.role, "assistant");
    equal(choices[0]?.message.content, chat.text);
  });
  await check("a text completion, streamed and whole", async () => {
    const text = { prompt: [...long.prompt], seed: long.seed, max_tokens: 16 };
    const streamed = await readStream(await post(`${origin}/v1/completions`, { ...text, stream: true }));
    const { body } = await ask(`${origin}/v1/completions`, text);
    const { object, choices } = body as { object: string; choices: { text: string; finish_reason: string }[] };
    equal(object, "text_completion");
    equal(choices[0]?.text, streamed.text);
    equal(choices[0]?.finish_reason, "length");
    assert(streamed.text !== "" && long.text.startsWith(streamed.text), `got ${JSON.stringify(streamed.text)}`);
  });
}
