/**
 * Drafts change no token: whatever is asked for, however many are guessed, rightly or wrongly, a generation
 * with drafts gives what one without gives, and leaves the same sequence behind.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type LanguageModel, loadModel } from "../../../src/core.ts";
import type { DraftPolicy } from "../../../src/decoding/drafts/draft-policy.ts";
import type { GenerateOptions, GenerationResult } from "../../../src/decoding/generation-options.ts";
import { CapacityError } from "../../../src/errors.ts";
import { nodeHost } from "../../../src/host/node.ts";
import type { LoadOptions } from "../../../src/model/load-options.ts";
import { mulberry32 } from "../../random.ts";
import { tinyModel } from "../../tiny-model.ts";

const SEED = 67;
const test = suite(`drafted generations (seed ${SEED})`);
const random = mulberry32(SEED);
const folder = tinyModel(SEED);

/** Drafts whenever there is something to draft. */
const always = (): DraftPolicy => ({ length: (chances) => chances.length, passed: () => {} });

async function load(options: LoadOptions = {}): Promise<LanguageModel> {
  const model = await loadModel({ kind: "folder", folder }, nodeHost, { threads: 1, contextSize: 256, ...options });
  model.draftPolicy = always;
  return model;
}

const WORDS = "the of and to in is that it was for on are as with his they at be this have from or one had by word".split(" ");
const PROMPTS = {
  repetitive: "the cat and the dog ".repeat(6),
  code: "for (let i = 0; i < n; i++) { a[i] = b[i]; }\nfor (let j = 0; j < n; j++) { a[j] = b[j]; }\n",
  random: Array.from({ length: 40 }, () => WORDS[Math.floor(random() * WORDS.length)]).join(" "),
};

const SAMPLINGS: readonly GenerateOptions[] = [
  { temperature: 0 },
  { temperature: 0, repeatPenalty: 1.3, repeatLastN: 16 },
  { temperature: 0.2, seed: 1 },
  { temperature: 0.8, seed: 2, topP: 0.6, topK: 0 },
  { temperature: 0.5, seed: 3, repeatPenalty: 1.1, repeatLastN: -1 },
  { temperature: 1.2, seed: 4, topK: 5, minP: 0 },
];

/** All of a result that does not tell the time. */
const facts = ({ text, tokens, promptTokens, stop, seed, decode }: GenerationResult) => ({
  text, tokens, promptTokens, stop, seed, steps: decode.tokens,
}); // prettier-ignore

interface Case {
  readonly prompt: string;
  readonly options: GenerateOptions;
}

const CASES: readonly Case[] = Object.values(PROMPTS).flatMap((prompt) =>
  SAMPLINGS.map((sampling) => ({ prompt, options: { ...sampling, maxTokens: 48, ignoreEos: true } })),
);

async function plainly(cases: readonly Case[]) {
  const model = await load();
  const found: ReturnType<typeof facts>[] = [];
  for (const { prompt, options } of cases) {
    const result = await model.generate(prompt, { ...options, draftMax: 0 }).result;
    assert.equal(result.drafts, { drafted: 0, accepted: 0 });
    found.push(facts(result));
  }
  await model.dispose();
  return found;
}

const expected = await plainly(CASES);

for (const threads of [1, 2]) {
  for (const draftMax of threads === 1 ? [1, 2, 3, 5, 8, 16] : [3, 16]) {
    test(`one after another, ${threads} threads, at most ${draftMax} drafts`, async () => {
      const model = await load({ threads });
      const sum = { drafted: 0, accepted: 0 };
      for (const [i, { prompt, options }] of CASES.entries()) {
        const result = await model.generate(prompt, { ...options, draftMax }).result;
        assert.equal(facts(result), expected[i], `case ${i}`);
        sum.drafted += result.drafts.drafted;
        sum.accepted += result.drafts.accepted;
      }
      assert.ok(sum.accepted > 0 && sum.drafted > sum.accepted, JSON.stringify(sum));
      assert.is(model.forwardPass.cacheTokens.free, 256);
      await model.dispose();
    });
  }

  for (const cacheTokens of [256, 4096]) {
    test(`all at a time, ${threads} threads, a pool of ${cacheTokens} tokens`, async () => {
      const model = await load({ threads, cacheTokens, chunkSize: 24 });
      // The first case comes last, and goes on alone, with drafts, once the others have ended.
      const least = (i: number) => (i === 0 ? 48 : 24);
      const found = await Promise.all(
        CASES.map(async ({ prompt, options }, i) => {
          await new Promise((resolve) => setTimeout(resolve, (CASES.length - i) * 5));
          return model.generate(prompt, { ...options, maxTokens: least(i), draftMax: 16 - (i % 16) }).result;
        }),
      );
      for (const [i, { tokens }] of found.entries()) assert.equal(tokens, expected[i]!.tokens.slice(0, least(i)), `case ${i}`);
      assert.ok(found.reduce((sum, { drafts }) => sum + drafts.drafted, 0) > 0, "nobody was ever alone");
      assert.is(model.forwardPass.cacheTokens.free, cacheTokens);
      await model.dispose();
    });
  }
}

test("any number of tokens, and any stop string, ends a generation inside drafts as it would without", async () => {
  const model = await load();
  const { prompt, options } = CASES[0]!;
  const { text, tokens } = await model.generate(prompt, { ...options, draftMax: 0 }).result;
  for (let maxTokens = 0; maxTokens <= 24; maxTokens++) {
    const result = await model.generate(prompt, { ...options, maxTokens, draftMax: 8 }).result;
    assert.equal(result.tokens, tokens.slice(0, maxTokens));
    assert.is(result.stop, "length");
  }
  for (let at = 1; at + 3 < text.length; at += 2) {
    const stop = [text.slice(at, at + 3)];
    const [with8, without] = [8, 0].map((draftMax) => model.generate(prompt, { ...options, stop, draftMax }).result);
    assert.equal(facts(await with8!), facts(await without!), `stop ${JSON.stringify(stop)}`);
  }
  await model.dispose();
});

test("an end token ends a generation inside drafts as it would without", async () => {
  const model = await load();
  const ends = model.endTokenIds as number[];
  let met = 0;
  for (const { prompt, options } of CASES) {
    const { tokens } = await model.generate(prompt, { ...options, draftMax: 0 }).result;
    for (const token of new Set(tokens.slice(3))) {
      ends.push(token);
      const [drafted, plain] = await Promise.all(
        [8, 0].map((draftMax) => model.generate(prompt, { ...options, ignoreEos: false, draftMax }).result),
      );
      ends.pop();
      assert.equal(facts(drafted!), facts(plain!));
      if (drafted!.drafts.accepted > 0 && drafted!.stop === "eos") met++;
    }
  }
  assert.ok(met > 0, "no end token came after accepted drafts");
  await model.dispose();
});

test("the context may end anywhere in a draft", async () => {
  for (let contextSize = 90; contextSize < 108; contextSize += 3) {
    const model = await load({ contextSize });
    const prompt = model.promptIds(PROMPTS.repetitive).slice(0, 80);
    const options = { temperature: 0, ignoreEos: true } as const;
    const plain = await model.generate(prompt, { ...options, draftMax: 0 }).result;
    assert.is(plain.stop, "context");
    assert.equal(facts(await model.generate(prompt, { ...options, draftMax: 16 }).result), facts(plain));
    await model.dispose();
  }
});

test("a cache smaller than the context ends a generation with the same error at the same token", async () => {
  const model = await load({ contextSize: 256, cacheTokens: 128 });
  const texts: string[] = [];
  for (const draftMax of [0, 16]) {
    let text = "";
    try {
      for await (const piece of model.generate(PROMPTS.repetitive, { temperature: 0, ignoreEos: true, draftMax })) text += piece;
      assert.unreachable("no error");
    } catch (error) {
      assert.instance(error, CapacityError);
    }
    texts.push(text);
  }
  assert.is(texts[0], texts[1]);
  await model.dispose();
});

test("a sequence that goes on, or was left or aborted inside drafts, holds what it would hold without", async () => {
  const model = await load({ cacheTokens: 1024 });
  const { prompt } = CASES[0]!;
  const options = { temperature: 0, ignoreEos: true, maxTokens: 24 } as const;
  for (let pieces = 1; pieces < 20; pieces++) {
    for (const how of ["leave", "abort"] as const) {
      const held: (readonly number[])[] = [];
      for (const draftMax of [0, 8]) {
        using sequence = model.createSequence();
        const controller = new AbortController();
        const generation = sequence.generate(prompt, { ...options, draftMax, signal: controller.signal });
        let seen = 0;
        try {
          for await (const _ of generation) {
            if (++seen !== pieces) continue;
            if (how === "leave") break;
            controller.abort();
          }
        } catch (error) {
          assert.is((error as Error).name, "AbortError");
        }
        assert.is(seen, pieces);
        held.push([...sequence.tokens]);
        held.push((await sequence.generate(" the", { ...options, draftMax }).result).tokens);
        held.push([...sequence.tokens]);
      }
      assert.equal(held.slice(3), held.slice(0, 3), `${how} after ${pieces} pieces`);
    }
  }
  assert.is(model.forwardPass.cacheTokens.free, 1024);
  await model.dispose();
});

test("between two pieces a sequence has what it would have without, forks and is saved so, and goes on", async () => {
  const model = await load({ cacheTokens: 1024 });
  const options = { temperature: 0, ignoreEos: true, maxTokens: 20 } as const;
  const seen: unknown[][] = [];
  for (const draftMax of [0, 8]) {
    using sequence = model.createSequence();
    const generation = sequence.generate(PROMPTS.repetitive, { ...options, draftMax });
    const found: unknown[] = [];
    let pieces = 0;
    for await (const piece of generation) {
      found.push(piece, [...sequence.tokens]);
      if (++pieces % 3 === 0) {
        using fork = sequence.fork();
        found.push([...fork.tokens], (await fork.generate(" the", { ...options, maxTokens: 3, draftMax }).result).tokens);
      }
      if (pieces % 4 === 0) {
        using restored = model.createSequence();
        await restored.restore(await sequence.save());
        found.push([...restored.tokens]);
      }
    }
    const { text, tokens, drafts } = await generation.result;
    found.push(text, tokens, [...sequence.tokens]);
    assert.is(drafts.accepted > 0, draftMax > 0);
    seen.push(found);
  }
  assert.equal(seen[1], seen[0]);
  await model.dispose();
});

test("what is done to a sequence between two pieces changes nothing of the text, or of what it has at its end", async () => {
  const model = await load({ cacheTokens: 1024 });
  const seen: unknown[][] = [];
  for (const draftMax of [0, 8]) {
    using sequence = model.createSequence();
    const generation = sequence.generate(PROMPTS.repetitive, { temperature: 0, ignoreEos: true, maxTokens: 21, draftMax });
    const found: unknown[] = [];
    let pieces = 0;
    for await (const _ of generation) {
      if (++pieces % 3 === 0) found.push(Array.from(await sequence.logits([7, 8])).slice(0, 9));
      if (pieces % 4 === 0) sequence.truncate(3);
    }
    const { text, tokens } = await generation.result;
    found.push(text, tokens);
    seen.push(found);
  }
  assert.equal(seen[1]!.slice(-2), seen[0]!.slice(-2));
  await model.dispose();
});

test("drafts take no room from others: a cache that is full computes nobody's tokens again", async () => {
  const model = await load({ contextSize: 128, cacheTokens: 128 });
  using idle = model.createSequence();
  const ids = model.promptIds(PROMPTS.random).slice(0, 60);
  await idle.logits(ids);
  // 64 tokens are left: the prompt and all that is generated fit, the last drafts would not.
  const prompt = model.promptIds(PROMPTS.repetitive).slice(0, 40);
  const options = { temperature: 0, ignoreEos: true, maxTokens: 24 } as const;
  const { tokens, drafts } = await model.generate(prompt, { ...options, draftMax: 16 }).result;
  assert.equal(tokens, (await model.generate(prompt, { ...options, draftMax: 0 }).result).tokens);
  assert.ok(drafts.accepted > 0);
  const before = model.forwardPass.cacheTokens;
  assert.is(before.free, 64, "the idle sequence lost its block");
  await model.dispose();
});

test("draftMax beyond what a sequence can hold is refused by name", async () => {
  const model = await load({ contextSize: 64 });
  assert.throws(() => model.generate("a", { draftMax: 64 }), /^draftMax: got 64, need a whole number from 0 to 63$/);
  assert.throws(() => model.generate("a", { draftMax: 1.5 }), /^draftMax: got 1.5, need a whole number from 0 to 63$/);
  assert.is((await model.generate("a", { draftMax: 63, maxTokens: 3, ignoreEos: true }).result).tokens.length, 3);
  await model.dispose();
  const small = await load({ contextSize: 8 });
  assert.is((await small.generate([5, 6, 5, 6], { maxTokens: 3, ignoreEos: true }).result).tokens.length, 3);
  await small.dispose();
});

test.run();
