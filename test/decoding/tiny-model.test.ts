/**
 * Decoding over the real forward pass: what the toy model cannot show, that reuse of the KV cache changes no
 * bit.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { generate, type TextModel } from "../../src/decoding/generate.ts";
import { GenerationAbortError } from "../../src/decoding/generation.ts";
import { TokenCache } from "../../src/decoding/token-cache.ts";
import { perplexity } from "../../src/evaluation/perplexity.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { nodeHost } from "../../src/host/node.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { mulberry32 } from "../random.ts";
import { tinyModel } from "../tiny-model.ts";
import { negativeLogLikelihood } from "./toy-model.ts";

const SEED = 61;
const test = suite(`decoding with a tiny model (seed ${SEED})`);
const random = mulberry32(SEED);
const randomIds = (count: number) => Array.from({ length: count }, () => Math.floor(random() * 320));

const checkpoint = await openSafetensorsCheckpoint(tinyModel(SEED));
const transformer = await Transformer.load(checkpoint, nodeHost, { threads: 1 });
test.after(async () => {
  await transformer.dispose();
  await checkpoint.close();
});

const fresh = async (ids: readonly number[]) => {
  transformer.truncate(0);
  return (await transformer.forward(ids, { logits: "last" }))!.slice();
};

function textModel(): TextModel {
  transformer.truncate(0);
  return {
    cache: new TokenCache(transformer),
    endTokenIds: [],
    tokenizer: {
      bosTokenId: undefined,
      specialIds: new Set<number>(),
      vocabSize: transformer.config.vocabSize,
      idToToken: String,
      readBytes: (id) => new TextEncoder().encode(`${id} `),
      streamDecoder: () => ({ push: (id) => `${id} `, flush: () => "" }),
    },
  };
}

test("logits after any history of reuse are bit for bit those of one prefill", async () => {
  const sequences: number[][] = [];
  for (let round = 0; round < 24; round++) {
    const before = sequences.at(-1) ?? [];
    sequences.push(
      [...before.slice(0, Math.floor(random() * (before.length + 1))), ...randomIds(1 + (round % 7) * 9)].slice(0, 200),
    );
  }
  const expected: Float32Array[] = [];
  for (const ids of sequences) expected.push(await fresh(ids));
  transformer.truncate(0);
  const cache = new TokenCache(transformer);
  let reused = 0;
  for (const [i, ids] of sequences.entries()) {
    reused += cache.reusable(ids);
    assertSameBits(await cache.evaluate(ids, (logits) => logits.slice()), expected[i]!, `sequence ${i}`);
  }
  assert.ok(reused > 100, `only ${reused} tokens were reused`);
});

test("greedy tokens are the argmax of a prefill of everything before them", async () => {
  const prompt = randomIds(19);
  const { tokens, decode } = await generate(textModel(), prompt, { temperature: 0, maxTokens: 24 }).result;
  assert.is(decode.tokens, 23);
  for (let i = 0; i < tokens.length; i++) {
    const logits = await fresh([...prompt, ...tokens.slice(0, i)]);
    assert.is(tokens[i], logits.indexOf(Math.max(...logits)), `token ${i}`);
  }
});

test("a sampled chat that reuses its cache says what one without a cache says", async () => {
  const options = { temperature: 1.1, repeatPenalty: 1.2, seed: 7, maxTokens: 12 };
  const turns = [randomIds(11), randomIds(5), randomIds(1)];
  const chat = async (model: () => TextModel) => {
    const conversation: number[] = [];
    for (const turn of turns) {
      conversation.push(...turn);
      conversation.push(...(await generate(model(), conversation, options).result).tokens);
    }
    return conversation;
  };
  const model = textModel();
  const withCache = await chat(() => model);
  assert.equal(withCache, await chat(textModel));
});

test("an abort from a timer reaches a running generation, which can be taken up again", async () => {
  const prompt = randomIds(40);
  const whole = await generate(textModel(), prompt, { temperature: 0 }).result;
  assert.is(whole.stop, "context");
  const model = textModel();
  const error = await generate(model, prompt, { temperature: 0, signal: AbortSignal.timeout(1) }).result.catch((e: unknown) => e);
  assert.instance(error, GenerationAbortError);
  const { tokens } = (error as GenerationAbortError).partial;
  assert.ok(tokens.length < whole.tokens.length);
  assert.equal(tokens, whole.tokens.slice(0, tokens.length));
  const rest = await generate(model, [...prompt, ...tokens], { temperature: 0 }).result;
  assert.equal([...tokens, ...rest.tokens], whole.tokens);
});

test("perplexity is that of the logits", async () => {
  const n = 96;
  const ids = randomIds(2 * n + 5);
  const { meanNllAllPositions } = await perplexity(transformer, ids, { contextSize: n });
  assert.is(transformer.length, 0);
  for (const [c, mean] of meanNllAllPositions.entries()) {
    const chunk = ids.slice(c * n, (c + 1) * n);
    let expected = 0;
    let largest = 0;
    for (let t = 1; t < n; t++) {
      const logits = await fresh(chunk.slice(0, t));
      expected += negativeLogLikelihood(logits, chunk[t]!) / (n - 1);
      largest = Math.max(largest, ...logits.map(Math.abs));
    }
    // The kernel's exponentials and their sum of V = 320 terms are f32: at most 320 roundings of a sum, and a
    // few of each term and of the difference of logits before it.
    const bound = 2 ** -24 * (320 + 8 + 4 * largest);
    assert.ok(Math.abs(mean - expected) <= bound, `chunk ${c}: got ${mean}, expected ${expected}, bound ${bound}`);
  }
});

test.run();
