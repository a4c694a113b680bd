/** Steps with drafts of a model whose next token is known: which ids go through it together, what is told. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { DraftPolicy } from "../../../src/decoding/drafts/draft-policy.ts";
import { generate, type TextModel } from "../../../src/decoding/generate.ts";
import type { GenerateOptions } from "../../../src/decoding/generation-options.ts";
import { NumericError } from "../../../src/errors.ts";
import { BYTE_VOCABULARY, byteModel, bytes, EOS } from "../byte-tokenizer.ts";
import { ToyForwardPass } from "../toy-model.ts";

const test = suite("drafted steps");

const LINE = "abcdefghij-";
const PROMPT = bytes(LINE + LINE);
const BAD = 33;

/** Says `answer`, then an end token. Logits after a text that has "!" in it are no numbers. */
function saying(answer: string, contextSize = 256) {
  const script = [...bytes(answer), EOS];
  return new ToyForwardPass({
    vocabSize: BYTE_VOCABULARY,
    contextSize,
    logits: (ids) => {
      if (ids.includes(BAD, PROMPT.length)) throw new NumericError("toy model: not a number");
      const logits = new Float32Array(BYTE_VOCABULARY);
      logits[script[ids.length - PROMPT.length] ?? EOS] = 20;
      return logits;
    },
  });
}

function drafting(pass: ToyForwardPass, lengths: number[] = []): TextModel {
  const policy: DraftPolicy = {
    length: (chances) => (lengths.push(chances.length), chances.length),
    passed: () => {},
  };
  return { ...byteModel(pass), draftPolicy: () => policy };
}

const say = (pass: ToyForwardPass, options: GenerateOptions = {}, prompt = PROMPT) =>
  generate(drafting(pass), prompt, { temperature: 0, draftMax: 4, ...options }).result;

test("drafts that are right go through the model with the token before them", async () => {
  const pass = saying(LINE + LINE);
  const result = await say(pass);
  assert.is(result.text, LINE + LINE);
  assert.is(result.stop, "eos");
  // The prompt gives a; a bcde give f; f ghij give -; - abcd give e; e fghi give j; j -abc are one too many.
  assert.equal(pass.calls, [PROMPT.length, 5, 5, 5, 5, 5]);
  assert.equal(result.drafts, { drafted: 20, accepted: 17 });
  assert.is(result.decode.tokens, 2 * LINE.length);
});

test("a draft that is wrong is forgotten, and what came instead goes on", async () => {
  const pass = saying("abcXYZ");
  const result = await say(pass);
  assert.is(result.text, "abcXYZ");
  // X and Y foretell nothing.
  assert.equal(pass.calls, [PROMPT.length, 5, 1, 1, 1]);
  assert.equal(result.drafts, { drafted: 4, accepted: 2 });
  assert.equal(pass.cached, [...PROMPT, ...bytes("abcXYZ")]);
});

test("without drafts, and by default with a clock that tells nothing, one token goes at a time", async () => {
  for (const options of [{ draftMax: 0 }, {}]) {
    const pass = saying(LINE);
    const model = options.draftMax === 0 ? drafting(pass) : byteModel(pass);
    const result = await generate(model, PROMPT, { temperature: 0, ...options }).result;
    assert.equal(pass.calls, [PROMPT.length, ...bytes(LINE).map(() => 1)]);
    assert.equal(result.drafts, { drafted: 0, accepted: 0 });
  }
});

test("no more is drafted than may come", async () => {
  for (let maxTokens = 1; maxTokens < 14; maxTokens++) {
    const pass = saying(LINE + LINE);
    const result = await say(pass, { maxTokens, draftMax: 16 });
    assert.is(result.text, (LINE + LINE).slice(0, maxTokens));
    // All but the last token went through the model, in one pass after the prompt.
    assert.equal(pass.calls, maxTokens === 1 ? [PROMPT.length] : [PROMPT.length, maxTokens - 1]);
    assert.is(pass.cached.length, PROMPT.length + maxTokens - 1);
  }
});

test("an end token is foretold and not drafted", async () => {
  const prompt = [...bytes("ab"), EOS, ...bytes("xab"), EOS, ...bytes("ya")];
  const pass = new ToyForwardPass({
    vocabSize: BYTE_VOCABULARY,
    logits: (ids) => {
      const logits = new Float32Array(BYTE_VOCABULARY);
      logits[{ [bytes("a")[0]!]: bytes("b")[0]!, [bytes("b")[0]!]: EOS }[ids.at(-1)!] ?? 46] = 20;
      return logits;
    },
  });
  const result = await say(pass, {}, prompt);
  assert.is(result.text, "b");
  assert.equal(pass.calls, [prompt.length, 1]);
});

test("a stop string may end inside a draft: nothing behind it is kept", async () => {
  const pass = saying(LINE + LINE);
  const result = await say(pass, { stop: ["de"] });
  assert.is(result.text, "abc");
  assert.is(result.stop, "stop");
  assert.equal(result.tokens, bytes("abcde"));
  assert.equal(pass.cached, [...PROMPT, ...bytes("abcd")]);
});

test("numbers that break behind a draft break nothing; those of the text do", async () => {
  const prompt = bytes("ab!xxab!yy");
  const script = bytes("abc");
  const toy = (answer: readonly number[]) =>
    new ToyForwardPass({
      vocabSize: BYTE_VOCABULARY,
      logits: (ids) => {
        if (ids.includes(BAD, prompt.length)) throw new NumericError("toy model: not a number");
        const logits = new Float32Array(BYTE_VOCABULARY);
        logits[answer[ids.length - prompt.length] ?? EOS] = 20;
        return logits;
      },
    });
  const pass = toy(script);
  const result = await say(pass, {}, prompt);
  assert.is(result.text, "abc");
  assert.ok(result.drafts.drafted > 0);
  assert.equal(pass.cached, [...prompt, ...script]);
  const error = await say(toy(bytes("ab!c")), {}, prompt).catch((thrown: unknown) => thrown);
  assert.instance(error, NumericError);
});

test("the policy is asked no more than draftMax, and told nothing it has not asked", async () => {
  const lengths: number[] = [];
  await generate(drafting(saying(LINE + LINE), lengths), PROMPT, { temperature: 0, draftMax: 3 }).result;
  assert.ok(lengths.length > 0 && Math.max(...lengths) === 3, `${lengths}`);
});

test.run();
