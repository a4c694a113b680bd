/**
 * What the Worker has to keep to: its memory, what it accepts, one generation at a time, clients that leave,
 * headers.
 */
import { assert, equal } from "../suite.ts";
import { ask, events, post, readStream, type Usage } from "./client.ts";
import { CONTEXT, LONG_TOKENS, type Reference } from "./reference.ts";
import type { CheckRunner } from "./run.ts";
import { CORS_ORIGIN, type Server } from "./serve-example.ts";

/** An isolate has 128 MB; this is what the engine may account for. */
const MEMORY_BUDGET = 120e6;
/** What Cloudflare takes from those who pay nothing, all kernels included. */
const MOST_DEPLOYED = 3 * 2 ** 20;
/** `maxWaiting` of the example. */
const WAITING = 4;

const message = { messages: [{ role: "user", content: "Hello" }] };
const CHAT = "/v1/chat/completions";
const TEXT = "/v1/completions";

/** Path, body, status, and the field that is to blame. */
const REFUSED: readonly (readonly [path: string, body: unknown, status: number, param: string | null])[] = [
  [CHAT, "{", 400, null],
  [CHAT, "[]", 400, null],
  [CHAT, "", 400, null],
  [CHAT, {}, 400, "messages"],
  [CHAT, { messages: [] }, 400, "messages"],
  [CHAT, { messages: [{ role: "robot", content: "Hello" }] }, 400, "messages.0.role"],
  [CHAT, { messages: [{ role: "user", content: 1 }] }, 400, "messages.0.content"],
  [CHAT, { messages: [{ role: "user", content: "word ".repeat(CONTEXT) }] }, 400, "messages"],
  [CHAT, { ...message, max_tokens: LONG_TOKENS + 1 }, 400, "max_tokens"],
  [CHAT, { ...message, max_completion_tokens: LONG_TOKENS + 1 }, 400, "max_completion_tokens"],
  [CHAT, { ...message, max_tokens: -1 }, 400, "max_tokens"],
  [CHAT, { ...message, max_tokens: "8" }, 400, "max_tokens"],
  [CHAT, { ...message, stream: "yes" }, 400, "stream"],
  [CHAT, { ...message, temperature: -1 }, 400, "temperature"],
  [CHAT, { ...message, temperature: 2.5 }, 400, "temperature"],
  [CHAT, { ...message, top_p: 0 }, 400, "top_p"],
  [CHAT, { ...message, n: 0 }, 400, "n"],
  [CHAT, { ...message, tools: [{ type: "function", function: { name: "f" } }] }, 400, "tools"],
  [CHAT, { ...message, presence_penalty: 3 }, 400, "presence_penalty"],
  [CHAT, { ...message, stop: [""] }, 400, "stop.0"],
  [CHAT, { messages: [{ role: "user", content: "x".repeat(64 * 1024) }] }, 413, null],
  [TEXT, {}, 400, "prompt"],
  [TEXT, { prompt: [0, 2 ** 24] }, 400, null],
  [TEXT, { prompt: Array.from({ length: CONTEXT }, () => 1) }, 400, "prompt"],
  [TEXT, { prompt: "a", suffix: "b" }, 400, "suffix"],
  ["/v1/embeddings", { input: "a" }, 400, null],
  ["/v1/images", {}, 404, null],
];

export async function workerChecks(check: CheckRunner, { origins, deployedBytes }: Server, { long }: Reference): Promise<void> {
  const [origin, corsOrigin] = origins as [string, string];
  const longText = { prompt: [...long.prompt], seed: long.seed, stream: true };

  await check(`memory is at most ${MEMORY_BUDGET} bytes with a context of ${CONTEXT}`, async () => {
    const { data } = (await (await fetch(`${origin}/v1/models`)).json()) as { data: { meta: { n_ctx: number; memory: Record<string, number> } }[] }; // prettier-ignore
    const { n_ctx, memory } = data[0]!.meta;
    equal(n_ctx, CONTEXT);
    const { total, ...parts } = memory;
    equal(Object.keys(parts).toSorted().join(), "js,kvCache,scratch,weights");
    assert(
      Object.values(parts).every((bytes) => bytes > 0),
      JSON.stringify(parts),
    );
    equal(
      Object.values(parts).reduce((sum, bytes) => sum + bytes),
      total,
    );
    assert(total! <= MEMORY_BUDGET, JSON.stringify(memory));
    console.log(`figure: workers: model.memory() ${JSON.stringify(memory)}`);
  });

  await check(`what is deployed is at most ${MOST_DEPLOYED} bytes, gzipped`, async () => {
    console.log(`figure: workers: ${deployedBytes} bytes deployed, gzipped`);
    assert(deployedBytes! <= MOST_DEPLOYED, `${deployedBytes} bytes`);
  });

  for (const [path, body, status, param] of REFUSED) {
    await check(`${path} refuses ${JSON.stringify(body).slice(0, 70)}`, async () => {
      const answer = await ask(origin + path, body);
      const { error } = answer.body as { error: { message: string; type: string; param: string | null; code: string | null } };
      equal(answer.status, status);
      equal(error.param, param);
      equal(error.type, "invalid_request_error");
      assert(error.message.length > 5, JSON.stringify(error));
    });
  }

  await check("a prompt that is too long has OpenAI's code", async () => {
    const { body } = await ask(origin + CHAT, { messages: [{ role: "user", content: "word ".repeat(CONTEXT) }] });
    equal((body as { error: { code: string } }).error.code, "context_length_exceeded");
  });

  await check("a stop string ends the text and is not part of it", async () => {
    const stop = long.text.trim().split(" ")[5]!;
    const streamed = await readStream(await post(origin + TEXT, { ...longText, stop }));
    equal(streamed.text, long.text.slice(0, long.text.indexOf(stop)));
    equal(streamed.finishReasons.join(), "stop");
  });

  await check(
    "one generation at a time, four wait, others are told to come back; who leaves the queue holds nobody up",
    async () => {
      const first = await post(origin + TEXT, longText);
      const impatient = new AbortController();
      const short = { ...longText, max_tokens: 8 };
      const waiting = Array.from({ length: WAITING }, (_, i) =>
        post(origin + TEXT, short, i === 1 ? impatient.signal : undefined),
      );
      for (const response of waiting) response.catch(() => {});
      await placesTaken(origin, WAITING + 1);
      const refused = await ask(origin + TEXT, short);
      equal(refused.status, 429);
      assert(Number(refused.headers.get("Retry-After")) > 0, "Retry-After");
      equal((refused.body as { error: { type: string; code: string } }).error.code, "overloaded");
      impatient.abort();
      equal((await readStream(first)).text, long.text);
      for (const [i, response] of waiting.entries()) {
        if (i !== 1) assert(long.text.startsWith((await readStream(await response)).text), `request ${i}`);
      }
      await placesTaken(origin, 0);
    },
  );

  await check("a client that goes away ends its generation", async () => {
    const client = new AbortController();
    // Empties the cache of what the checks before this one have left in it.
    await ask(origin + TEXT, { prompt: "Nothing like it", max_tokens: 1 });
    const reader = events(await post(origin + TEXT, longText, client.signal));
    for (let i = 0; i < 3; i++) await reader.next();
    client.abort();
    await reader.next().catch(() => {});
    await placesTaken(origin, 0);
    // The KV cache tells how far it went.
    const whole = { prompt: [...long.prompt, ...long.tokens], max_tokens: 1 };
    const { usage } = (await ask(origin + TEXT, whole)).body as { usage: Usage };
    const made = usage.prompt_tokens_details.cached_tokens - long.prompt.length;
    console.log(`figure: workers: ${made} of ${LONG_TOKENS} tokens were made for a client that left after the third`);
    assert(made >= 2 && made < LONG_TOKENS / 2, `${made} of ${LONG_TOKENS} tokens`);
  });

  await check("every answer has the headers that keep browsers safe, and none lets other origins read it", async () => {
    for (const response of [
      await fetch(`${origin}/health`),
      await fetch(`${origin}/nothing`),
      await post(origin + TEXT, { prompt: "a", max_tokens: 1, stream: true }),
    ]) {
      // prettier-ignore
      await response.text();
      equal(response.headers.get("X-Content-Type-Options"), "nosniff");
      assert(response.headers.get("Content-Security-Policy")!.includes("default-src 'none'"), "Content-Security-Policy");
      equal(response.headers.get("Referrer-Policy"), "no-referrer");
      equal(response.headers.get("Access-Control-Allow-Origin"), null);
    }
  });

  await check("the files of the model are not served", async () => {
    equal((await fetch(`${origin}/config.json`)).status, 404);
  });

  await check("with CORS_ORIGIN, pages of that origin may ask and read", async () => {
    const preflight = await fetch(corsOrigin + CHAT, {
      method: "OPTIONS",
      headers: { Origin: CORS_ORIGIN, "Access-Control-Request-Method": "POST" },
    });
    equal(preflight.status, 204);
    equal(preflight.headers.get("Access-Control-Allow-Origin"), CORS_ORIGIN);
    const answer = await fetch(`${corsOrigin}/health`, { headers: { Origin: CORS_ORIGIN } });
    equal(answer.headers.get("Access-Control-Allow-Origin"), CORS_ORIGIN);
    equal(answer.headers.get("Access-Control-Expose-Headers"), "Retry-After,X-Request-Id");
  });
}

/** Waits until so many requests are being answered or wait. */
async function placesTaken(origin: string, count: number): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const figures = await (await fetch(`${origin}/metrics`)).text();
    const taken = figures.matchAll(/^fptq_requests_(?:running|waiting) (\d+)$/gm);
    const requests = [...taken].reduce((sum, [, number]) => sum + Number(number), 0);
    if (requests === count) return;
    if (Date.now() > deadline) throw new Error(`${requests} requests, need ${count}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
