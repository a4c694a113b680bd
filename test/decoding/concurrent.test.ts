/**
 * Many generations in one loaded model: each says what it says alone, and the room they share is given back.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type LanguageModel, loadModel, lambada, multipleChoice, perplexity } from "../../src/core.ts";
import { GenerationAbortError } from "../../src/decoding/generation.ts";
import { CapacityError, CheckpointError, DisposedError, OptionError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { mulberry32 } from "../random.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 59;
const test = suite(`concurrent generations (seed ${SEED})`);
const folder = tinyModel(SEED);
const load = (options: LoadOptions = {}) =>
  loadModel({ kind: "folder", folder }, nodeHost, { threads: 1, contextSize: 256, ...options });

const WORDS = "the of and to in is that it was for on are as with his they at be this have from or one had by word".split(" ");
const random = mulberry32(SEED);
const text = (words: number) => Array.from({ length: words }, () => WORDS[Math.floor(random() * WORDS.length)]).join(" ");

const rejection = (work: Promise<unknown>) => work.then(() => assert.unreachable("no error"), (error: unknown) => error); // prettier-ignore

/** What one model says to each prompt, one after another. */
async function oneByOne(prompts: readonly string[], maxTokens: number): Promise<string[]> {
  const model = await load();
  const texts: string[] = [];
  for (const [seed, prompt] of prompts.entries()) texts.push((await model.generate(prompt, { seed, maxTokens }).result).text);
  await model.dispose();
  return texts;
}

for (const threads of [1, 2, 3]) {
  for (const [what, room] of [
    ["room for all", { cacheTokens: 4096 }],
    ["room for one", { cacheTokens: 256 }],
    ["two sequences at a time", { cacheTokens: 4096, maxSequences: 2 }],
  ] as const) {
    test(`eight answers at a time, ${threads} threads, ${what}`, async () => {
      const begin = text(40);
      const prompts = Array.from({ length: 8 }, (_, i) => `${begin} ${text(i)}`);
      const expected = await oneByOne(prompts, 16);
      const model = await load({ threads, ...room });
      const found = await Promise.all(prompts.map((prompt, seed) => model.generate(prompt, { seed, maxTokens: 16 }).result));
      assert.equal(found.map(({ text: said }) => said), expected); // prettier-ignore
      assert.is(model.forwardPass.cacheTokens.free, model.forwardPass.cacheTokens.total);
      await model.dispose();
    });
  }
}

test("any mix of generations, logits and evaluations gives each what it gives alone", async () => {
  const prompts = Array.from({ length: 6 }, () => text(20 + Math.floor(random() * 60)));
  const ids = Array.from({ length: 90 }, () => Math.floor(random() * 300));
  const long = text(700);
  const items = prompts.map((context, i) => ({ name: `${i}`, context, target: ` ${WORDS[i]}` }));
  const choices = prompts.map((context, i) => ({ name: `${i}`, context, choices: [" the", " of it"], answer: 0 }));
  const tasks: ((model: LanguageModel) => Promise<unknown>)[] = [
    ...prompts.map(
      (prompt, seed) => (model: LanguageModel) => model.generate(prompt, { seed, maxTokens: 16 }).result.then((r) => r.text),
    ),
    async (model) => Array.from(await model.logits(ids)),
    (model) => perplexity(model, long, { contextSize: 64 }),
    (model) => lambada(model, items),
    (model) => multipleChoice(model, choices),
  ];
  const alone: unknown[] = [];
  for (const task of tasks) {
    const model = await load();
    alone.push(await task(model));
    await model.dispose();
  }
  for (const threads of [1, 2, 3]) {
    for (const cacheTokens of [256, 1024]) {
      const model = await load({ threads, cacheTokens, chunkSize: 32 });
      const order = tasks.map((_, i) => i).toSorted(() => random() - 0.5);
      const found = new Map(await Promise.all(order.map(async (i) => [i, await tasks[i]!(model)] as const)));
      for (const [i, expected] of alone.entries()) assert.equal(found.get(i), expected, `task ${i}`);
      await model.dispose();
    }
  }
});

test("steps of generations that run at a time go through the model together", async () => {
  const model = await load({ cacheTokens: 4096 });
  const prompts = Array.from({ length: 8 }, () => text(10));
  const { kernels } = model.forwardPass;
  const { embed_f32w: embed } = kernels.run;
  let passes = 0;
  kernels.run.embed_f32w = (...args) => {
    passes++;
    embed(...args);
  };
  await Promise.all(prompts.map((prompt, seed) => model.generate(prompt, { seed, maxTokens: 32, ignoreEos: true }).result));
  // One pass a step for all, and a few more: the prompts, and steps at the beginning before all had theirs.
  assert.ok(passes < 2 * 32, `${passes} passes for 8 x 32 tokens`);
  await model.dispose();
});

test("a prompt that begins like an earlier one is evaluated from where it differs, whoever had it", async () => {
  const model = await load({ cacheTokens: 2048 });
  const system = text(50);
  const [first, second] = [`${system} ${text(6)}`, `${system} ${text(6)}`];
  const one = await model.generate(first, { temperature: 0, maxTokens: 4 }).result;
  assert.is(one.prefill.tokens, one.promptTokens);
  const two = await model.generate(second, { temperature: 0, maxTokens: 4 }).result;
  const common = model.promptIds(first).findIndex((id, i) => id !== model.promptIds(second)[i]);
  assert.is(two.prefill.tokens, two.promptTokens - common);
  await model.dispose();
});

test("a sequence goes on, forks, is cut, saved and restored", async () => {
  const model = await load({ cacheTokens: 2048 });
  const greedy = { temperature: 0, maxTokens: 8 } as const;
  using sequence = model.createSequence();
  const beginning = text(30);
  const { tokens } = await sequence.generate(beginning, greedy).result;
  assert.equal(sequence.tokens, [...model.promptIds(beginning), ...tokens]);
  const length = sequence.tokens.length;
  using fork = sequence.fork();
  const bytes = await sequence.save();
  const [a, b] = await Promise.all([sequence.generate(" the", greedy).result, fork.generate(" the", greedy).result]);
  assert.equal(a.tokens, b.tokens);
  assert.equal(sequence.tokens, fork.tokens);
  sequence.truncate(length);
  assert.equal((await sequence.generate(" the", greedy).result).tokens, a.tokens);
  using restored = model.createSequence();
  await restored.restore(bytes);
  assert.is(restored.tokens.length, length);
  assert.equal((await restored.generate(" the", greedy).result).tokens, a.tokens);
  assert.instance(await rejection(restored.restore(bytes.slice(0, -1))), CheckpointError);
  const logits = await fork.logits([1, 2, 3]);
  assert.is(logits.length, 3 * model.config.vocabSize);
  await model.dispose();
});

test("a text cut by its length goes on as one longer text would, drawn or greedy, saved, forked or aborted between", async () => {
  const model = await load({ cacheTokens: 2048 });
  const ids = model.promptIds(text(20));
  for (const sampling of [{ temperature: 0 }, { logitBias: { 7: 3 }, temperature: 0, repeatPenalty: 1.3, repeatLastN: -1 }]) {
    const options = { ...sampling, ignoreEos: true } as const;
    const whole = await model.generate(ids, { ...options, maxTokens: 24 }).result;
    for (const cut of [1, 8, 23]) {
      using sequence = model.createSequence();
      const first = await sequence.generate(ids, { ...options, maxTokens: cut }).result;
      assert.equal(sequence.tokens, [...ids, ...first.tokens]);
      using fork = sequence.fork();
      using restored = model.createSequence();
      await restored.restore(await sequence.save());
      const stopped = new AbortController();
      const aborted = sequence.generate([], { ...options, signal: stopped.signal }).result;
      stopped.abort();
      const { partial } = (await rejection(aborted)) as GenerationAbortError;
      assert.equal(sequence.tokens, [...ids, ...first.tokens, ...partial.tokens]);
      sequence.truncate(ids.length + cut);
      for (const one of [sequence, fork, restored]) {
        assert.equal(one.tokens, [...ids, ...first.tokens]);
        const rest = await one.generate([], { ...options, maxTokens: 24 - cut }).result;
        assert.is(first.text + rest.text, whole.text);
        assert.equal([...first.tokens, ...rest.tokens], whole.tokens);
        assert.equal(one.tokens, [...ids, ...whole.tokens]);
      }
    }
  }
  await model.dispose();
});

test("the tokens of a sequence are those given, between two pieces and when it is left, and logits go on behind them", async () => {
  const model = await load({ cacheTokens: 2048 });
  const ids = model.promptIds(text(10));
  using sequence = model.createSequence();
  const generation = sequence.generate(ids, { temperature: 0, ignoreEos: true, maxTokens: 9, logprobs: 0 });
  let pieces = 0;
  for await (const _ of generation) {
    const given = generation.logprobs!.map(({ id }) => id);
    assert.equal(sequence.tokens, [...ids, ...given]);
    if (++pieces === 4) break;
  }
  const { tokens } = await generation.result;
  assert.equal(sequence.tokens, [...ids, ...tokens]);
  const after = await sequence.logits([3]);
  assert.equal(after, (await model.logits([...ids, ...tokens, 3])).slice(-model.config.vocabSize));
  sequence.truncate(ids.length + 2);
  assert.equal(sequence.tokens, [...ids, ...tokens.slice(0, 2)]);
  await model.dispose();
});

test("a context that is full has no room for the last token, and the sequence says so", async () => {
  const model = await load({ contextSize: 64, cacheTokens: 64 });
  using sequence = model.createSequence();
  const { tokens, stop } = await sequence.generate([5, 6], { temperature: 0, ignoreEos: true }).result;
  assert.is(stop, "context");
  assert.equal(sequence.tokens, [5, 6, ...tokens].slice(0, 64));
  assert.is(tokens.length, 63);
  await model.dispose();
});

test("what does not fit beside those that run waits, or is refused with the tokens needed and free", async () => {
  const model = await load({ cacheTokens: 256 });
  const options = { maxTokens: 60, ignoreEos: true, seed: 1 } as const;
  const running = model.generate(text(80), options);
  const pieces = running[Symbol.asyncIterator]();
  await pieces.next();
  const refused = (await rejection(model.generate(text(90), { ...options, whenFull: "refuse" }).result)) as CapacityError;
  assert.instance(refused, CapacityError);
  assert.ok(refused.needed > refused.free && refused.free < 256, `${refused.needed}, ${refused.free}`);
  const waiting = model.generate(text(60), options).result;
  await running.result;
  assert.is((await waiting).tokens.length, 60);
  assert.throws(() => model.generate("a", { whenFull: "later" as "wait" }), /whenFull: got "later", need "wait" or "refuse"/);
  await model.dispose();
});

test("a pool smaller than one prompt is refused, naming both", async () => {
  const model = await load({ cacheTokens: 64 });
  const error = await rejection(model.generate(text(100)).result);
  assert.instance(error, CapacityError);
  assert.match((error as Error).message, /got \d+ tokens of one sequence, need at most 64, cacheTokens/);
  assert.ok((await model.generate(text(10), { maxTokens: 4 }).result).tokens.length > 0);
  await model.dispose();
});

test("an abandoned loop and an abort give their room back at once", async () => {
  const model = await load({ cacheTokens: 512 });
  for await (const piece of model.generate(text(40), { ignoreEos: true })) if (piece !== "") break;
  const controller = new AbortController();
  const aborted = model.generate(text(40), { ignoreEos: true, signal: controller.signal });
  setTimeout(() => controller.abort(), 5);
  assert.instance(await rejection(aborted.result), GenerationAbortError);
  assert.is(model.forwardPass.cacheTokens.free, 512);
  await model.dispose();
});

test("disposing ends what runs with a DisposedError, of one sequence or of all; nothing hangs", async () => {
  const model = await load({ cacheTokens: 1024 });
  const sequence = model.createSequence();
  const own = rejection(sequence.generate(text(100), { ignoreEos: true }).result);
  const others = [1, 2].map(() => rejection(model.generate(text(100), { ignoreEos: true }).result));
  await new Promise((resolve) => setTimeout(resolve, 5));
  sequence.dispose();
  assert.instance(await own, DisposedError);
  assert.throws(() => sequence.generate("a"), (error: unknown) => error instanceof DisposedError); // prettier-ignore
  await model.dispose();
  for (const error of await Promise.all(others)) assert.instance(error, DisposedError);
  assert.instance(await rejection((async () => model.generate("a").result)()), DisposedError);
  assert.instance(await rejection(model.logits([1])), DisposedError);
});

for (const [what, options, message] of [
  ["no room at all", { cacheTokens: 0 }, /cacheTokens: got 0, need an integer from 1/],
  ["half a sequence", { maxSequences: 1.5 }, /maxSequences: got 1.5, need an integer from 1 to 1024/],
] as const) {
  test(`refused: ${what}`, async () => {
    const error = await rejection(load(options));
    assert.instance(error, OptionError);
    assert.match((error as Error).message, message);
  });
}

test.run();
