/** What requests that begin alike pay for: only for what is new, also when the first has long ended. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel } from "../../src/core.ts";
import { nodeHost } from "../../src/host/node.ts";
import { tinyModel } from "../tiny-model.ts";
import { clientOf, SEED } from "./serving.ts";

const test = suite(`prefixes that requests share (seed ${SEED})`);
const folder = tinyModel(SEED, { config: { contextLength: 2048 } });
const load = (cacheTokens: number) =>
  loadModel({ kind: "folder", folder }, nodeHost, { threads: 1, contextSize: 2048, cacheTokens });
const model = await load(8192);
const server = clientOf(model);
test.after(() => model.dispose());

const WORDS = "the of and to in is that it was for on are as with his they at be this have from or one had by word".split(" ");
const system = (seed: number) => Array.from({ length: 560 }, (_, i) => WORDS[(i * i + seed * i) % WORDS.length]).join(" ");
const asked = (content: string, said: readonly object[] = []) => ({
  messages: [{ role: "system", content: system(1) }, ...said, { role: "user", content }],
  temperature: 0,
  max_tokens: 8,
  ignore_eos: true,
});
const newTokens = ({ prompt_tokens, prompt_tokens_details }: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } }) =>
  prompt_tokens - prompt_tokens_details.cached_tokens; // prettier-ignore

test("a second request with the same system prompt pays for its own words, and says the same", async () => {
  const first = (await server.post("/v1/chat/completions", asked("the cat sat"))).json;
  assert.is(newTokens(first.usage), first.usage.prompt_tokens);
  assert.ok(first.usage.prompt_tokens > 1000, `${first.usage.prompt_tokens} tokens`);
  assert.is(model.forwardPass.cacheTokens.free, model.forwardPass.cacheTokens.total, "the first has ended");

  const second = (await server.post("/v1/chat/completions", asked("one of the hens"))).json;
  const own = newTokens(second.usage);
  assert.ok(own < 40, `${own} tokens computed`);
  assert.is(second.timings.prompt_n, own);
  console.log(`\nfigure: second request computes ${own} of ${second.usage.prompt_tokens} tokens`);

  const other = await load(2048);
  const { json } = await clientOf(other).post("/v1/chat/completions", asked("one of the hens"));
  assert.is(second.choices[0].message.content, json.choices[0].message.content);
  await other.dispose();

  const { text } = await server.get("/metrics");
  assert.match(text, new RegExp(`^fptq_cached_tokens_total ${second.usage.prompt_tokens_details.cached_tokens}$`, "m"));
});

test("conversations that share a system prompt each go on where they were", async () => {
  const openings = ["the dog ran", "a bird sang", "two men spoke"].map((words) => Array(40).fill(words).join(" "));
  const answers = [];
  for (const opening of openings) {
    const { json } = await server.post("/v1/chat/completions", asked(opening));
    answers.push(json.choices[0].message.content);
  }
  for (const [i, opening] of openings.entries()) {
    const said = [
      { role: "user", content: opening },
      { role: "assistant", content: answers[i] },
    ];
    const { json } = await server.post("/v1/chat/completions", asked("and then", said));
    const own = newTokens(json.usage);
    // The new words, and of the answer what its text became when it was encoded again.
    assert.ok(own < 60, `conversation ${i}: ${own} tokens computed`);
  }
});

test("requests at a time share what one before them left", async () => {
  const replies = await Promise.all(
    Array.from({ length: 8 }, (_, i) => server.post("/v1/chat/completions", asked(`number ${i}`))),
  );
  for (const { json } of replies) assert.ok(newTokens(json.usage) < 40, `${newTokens(json.usage)} tokens computed`);
});

test("where the cache is needed for others, the prefix used least recently goes", async () => {
  const small = await load(1536);
  const client = clientOf(small);
  const ask = async (seed: number) => {
    const messages = [{ role: "system", content: system(seed) }, { role: "user", content: "hello" }]; // prettier-ignore
    return newTokens((await client.post("/v1/chat/completions", { messages, max_tokens: 1, temperature: 0 })).json.usage);
  };
  const whole = await ask(1);
  assert.ok((await ask(1)) < 40);
  await ask(2); // takes the room of the first
  assert.ok((await ask(2)) < 40);
  assert.ok((await ask(1)) > 0.5 * whole, "it had to be computed again");
  await small.dispose();
});

test.run();
