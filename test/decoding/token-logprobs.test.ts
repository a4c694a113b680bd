/** Log-probabilities of a real forward pass, against its logits and against what evaluation says. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel } from "../../src/core.ts";
import { OptionError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { tinyModel } from "../tiny-model.ts";
import { logSoftmax } from "./toy-model.ts";

const SEED = 83;
const test = suite(`log-probabilities (seed ${SEED})`);
const model = await loadModel({ kind: "folder", folder: tinyModel(SEED) }, nodeHost, { threads: 1, contextSize: 128 });
test.after(() => model.dispose());
const { vocabSize: V } = model.config;
const PROMPT = "the of and to in is that it was for on are";

const row = (logits: Float32Array, r: number) => logits.subarray(r * V, (r + 1) * V);
const near = (found: number, expected: number) => assert.ok(Math.abs(found - expected) < 1e-6, `${found} is not ${expected}`);

test("of a prompt: those of its logits, the likeliest first, none for the first id", async () => {
  const ids = model.promptIds(PROMPT);
  const logits = await model.logits(ids);
  using sequence = model.createSequence();
  const found = await sequence.logprobs(ids, 3);
  assert.is(found.length, ids.length);
  assert.is(found[0], undefined);
  for (let i = 1; i < ids.length; i++) {
    const expected = logSoftmax(row(logits, i - 1));
    assert.is(found[i]!.id, ids[i]);
    near(found[i]!.logprob, expected[ids[i]!]!);
    const ranked = Array.from(expected.keys()).toSorted((a, b) => expected[b]! - expected[a]! || a - b);
    assert.equal(found[i]!.top.map(({ id }) => id), ranked.slice(0, 3)); // prettier-ignore
    for (const { id, logprob } of found[i]!.top) near(logprob, expected[id]!);
  }
});

test("the parts of a text have those of the whole, to the last bit", async () => {
  const ids = model.promptIds(PROMPT);
  using whole = model.createSequence();
  using parts = model.createSequence();
  const expected = await whole.logprobs(ids, 5);
  const found = [...(await parts.logprobs(ids.slice(0, 4), 5)), ...(await parts.logprobs(ids.slice(4), 5))];
  assert.equal(found, expected);
  assert.equal(parts.tokens, ids);
});

test("they are what cross entropy says, to the last bit", async () => {
  const ids = model.promptIds(PROMPT);
  using sequence = model.createSequence();
  const found = await sequence.logprobs(ids);
  const losses: number[] = [];
  using forward = model.forwardPass.createSequence();
  await forward.forward(ids, {
    logits: (block) => {
      const targets = Array.from({ length: block.rows }, (_, r) => ids[block.firstRow + r + 1] ?? 0);
      losses.push(...forward.crossEntropy(block, targets));
    },
  });
  assert.equal(found.slice(1).map((position) => position!.logprob), losses.slice(0, -1).map((loss) => -loss)); // prettier-ignore
});

test("of a generation: before temperature, penalties and bias; with drafts and without the same", async () => {
  const options = { maxTokens: 24, seed: 5, temperature: 1.7, presencePenalty: 1, logitBias: { 9: 3 }, ignoreEos: true } as const;
  const { tokens, logprobs } = await model.generate(PROMPT, { ...options, logprobs: 2 }).result;
  const plain = await model.generate(PROMPT, options).result;
  assert.equal(plain.tokens, tokens);
  assert.is(plain.logprobs, undefined);
  const prompt = model.promptIds(PROMPT);
  using sequence = model.createSequence();
  const expected = (await sequence.logprobs([...prompt, ...tokens], 2)).slice(prompt.length);
  assert.equal(logprobs, expected);
  const alone = await model.generate(PROMPT, { ...options, logprobs: 2, draftMax: 0 }).result;
  assert.equal(alone.logprobs, expected);
});

test("a greedy token is the likeliest, with one and the same number", async () => {
  const { logprobs } = await model.generate(PROMPT, { maxTokens: 12, temperature: 0, logprobs: 1, ignoreEos: true }).result;
  for (const { id, logprob, top } of logprobs!) assert.equal([{ id, logprob }], top);
});

test("more than 20 are refused", () => {
  assert.throws(
    () => model.generate(PROMPT, { logprobs: 21 }),
    (e: unknown) => e instanceof OptionError && e.message === "logprobs: got 21, need a whole number from 0 to 20",
  );
});

test.run();
