/**
 * LAMBADA and multiple choice: scores by the definition, whatever the chunks; files as people have them;
 * every refusal.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AbortError, NumericError, OptionError } from "../../src/errors.ts";
import { multipleChoice, parseChoiceItems } from "../../src/evaluation/choice.ts";
import { lambada, parseLambadaItems } from "../../src/evaluation/lambada.ts";
import { negativeLogLikelihood } from "../decoding/toy-model.ts";
import { logitsAfter, toyLanguageModel } from "./toy-language-model.ts";

const test = suite("continuations");
const ids = (text: string) => Array.from(text, (character) => character.codePointAt(0)!);

/** ln p by the definition: one token after another. */
function logLikelihood(context: readonly number[], continuation: readonly number[]): number {
  return continuation.reduce(
    (sum, id, i) => sum - negativeLogLikelihood(logitsAfter([...context, ...continuation.slice(0, i)]), id),
    0,
  );
}

async function failure(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => assert.unreachable("should have failed"),
    (error: Error) => error,
  ) as Promise<Error>;
}

const CHOICES = [
  { context: "the cat", choices: [" sat", " ran away", " o"], answer: 1 },
  { context: "a", choices: ["b", "cd"], answer: 0 },
];
const FILE = CHOICES.map((item) => JSON.stringify(item)).join("\n");

for (const chunkSize of [Infinity, 1, 3]) {
  for (const bos of [undefined, 7]) {
    test(`log-likelihoods equal the definition: evaluated by ${chunkSize}, ${bos === undefined ? "no bos" : "bos"}`, async () => {
      const { model, pass } = toyLanguageModel(logitsAfter, { chunkSize, ...(bos !== undefined && { bos }) });
      const { logLikelihoods, accuracy, normalizedAccuracy, items } = await multipleChoice(model, parseChoiceItems(FILE, "f"));
      const begin = bos === undefined ? [] : [bos];
      const expected = CHOICES.map(({ context, choices }) =>
        choices.map((choice) => logLikelihood([...begin, ...ids(context)], ids(choice))),
      );
      for (const [i, choices] of expected.entries()) {
        for (const [c, value] of choices.entries()) assert.ok(Math.abs(logLikelihoods[i]![c]! - value) < 1e-9, `${i}, ${c}`);
      }
      const best = (score: (value: number, i: number, c: number) => number) => {
        const right = expected.map((choices, i) => {
          const scores = choices.map((value, c) => score(value, i, c));
          return scores.indexOf(Math.max(...scores)) === CHOICES[i]!.answer ? 1 : 0;
        });
        return (right[0]! + right[1]!) / 2;
      };
      assert.is(items, 2);
      assert.is(
        accuracy.value,
        best((value) => value),
      );
      assert.is(
        normalizedAccuracy.value,
        best((value, i, c) => value / CHOICES[i]!.choices[c]!.trimStart().length),
      );
      assert.is(pass.length, 0);
    });
  }
}

test("a context is evaluated once for all of its choices", async () => {
  const { model, pass } = toyLanguageModel(logitsAfter);
  await multipleChoice(model, parseChoiceItems(FILE, "f"), { limit: 1 });
  assert.equal(pass.calls, ["the ca".length, " sat".length, " ran away".length, " o".length]);
});

test("items scored together have the scores they have alone, in any room", async () => {
  const items = Array.from({ length: 21 }, (_, i) => ({
    name: `item ${i}`,
    context: "a text of some length ".slice(0, 3 + (i % 17)),
    choices: ["one", " another one", " x".repeat(1 + (i % 5))],
    answer: i % 3,
  }));
  const alone: (readonly number[])[] = [];
  for (const item of items) {
    alone.push((await multipleChoice(toyLanguageModel(logitsAfter).model, [item])).logLikelihoods[0]!);
  }
  for (const contextSize of [64, 256, 640]) {
    const { model, pass } = toyLanguageModel(logitsAfter, { contextSize });
    let most = 0;
    let running = 0;
    const forward = pass.createSequence.bind(pass);
    pass.createSequence = () => {
      most = Math.max(most, ++running);
      return forward();
    };
    const done: number[] = [];
    const { logLikelihoods } = await multipleChoice(model, items, { onProgress: (progress) => done.push(progress.done) });
    assert.equal(logLikelihoods, alone);
    assert.equal(
      done,
      items.map((_, i) => i + 1),
    );
    assert.is(most, { 64: 1, 256: 4, 640: 8 }[contextSize]);
  }
});

test("length decides what is normalized: per character, code points, without the leading space", async () => {
  // Every token has p = 1/2 or 1/4: two characters of 1/2 are as likely as one of 1/4, and better for each
  // character.
  const { model } = toyLanguageModel((context) =>
    Array.from({ length: 128 }, (_, id) =>
      id === 98 ? Math.log(context.at(-1) === 97 ? 0.25 : 0.1) : id === 99 ? Math.log(0.5) : -30,
    ),
  );
  const items = parseChoiceItems(JSON.stringify({ context: "a", choices: ["b", "cc"], answer: 1 }), "f");
  const { normalizedAccuracy } = await multipleChoice(model, items);
  assert.is(normalizedAccuracy.value, 1);
});

test("LAMBADA: the last word is found only if each of its tokens is likeliest", async () => {
  const word = ids(" end");
  // Writes " end" after "the", then anything.
  const { model } = toyLanguageModel((context) => {
    const text = String.fromCodePoint(...context);
    const at = text.lastIndexOf("the");
    const next = at < 0 ? undefined : word[text.length - at - 3];
    return Array.from({ length: 128 }, (_, id) => (id === next ? 5 : 0));
  });
  const items = parseLambadaItems(['{"text": "this is the end"}', '{"text": "this is the eve"}'].join("\n"), "f");
  assert.equal(items[0], { name: "f, line 1", context: "this is the", target: " end" });
  const { accuracy, targetPerplexity, items: count, logLikelihoods, solved } = await lambada(model, items);
  assert.is(count, 2);
  assert.is(accuracy.value, (Number(solved[0]) + Number(solved[1])) / 2);
  assert.is(targetPerplexity.value, Math.exp(-(logLikelihoods[0]! + logLikelihoods[1]!) / 2));
  assert.is(accuracy.value, 0.5);
  assert.is(accuracy.standardError, Math.sqrt(0.5) / Math.sqrt(2));
  const likely = Math.log(1 + 127 * Math.exp(-5)); // -ln p of a token that is likeliest, and of another
  const means = [4 * likely, 2 * likely + likely + 5 + Math.log(128)];
  assert.ok(means[0]! < targetPerplexity.value && targetPerplexity.value > 1);
});

test("Windows line ends, blank lines, spaces at the end of a text", async () => {
  const text = `\r\n{"text": "one two "}\r\n\r\n   \r\n{"text": "three four five\\n"}\r\n`;
  assert.equal(parseLambadaItems(text, "w"), [
    { name: "w, line 2", context: "one", target: " two" },
    { name: "w, line 5", context: "three four", target: " five" },
  ]);
  const { model } = toyLanguageModel(logitsAfter);
  assert.is((await lambada(model, parseLambadaItems(text, "w"))).items, 2);
});

for (const [what, line, message] of [
  ["no JSON", "{", /c\.jsonl, line 3: got text that is not JSON, need a JSON object/],
  ["no object", "[1]", /line 3: got an array, need a JSON object/],
  ["no context", '{"choices": ["a", "b"], "answer": 0}', /line 3: "context": got nothing, need a string/],
  ["no choices", '{"context": "a", "answer": 0}', /line 3: "choices": got nothing, need an array of at least two/],
  ["one choice", '{"context": "a", "choices": ["b"], "answer": 0}', /line 3: "choices": got 1, need/],
  [
    "a choice that is a number",
    '{"context": "a", "choices": ["b", 2], "answer": 0}',
    /line 3: "choices"\[1\]: got 2, need a string/,
  ],
  ["a blank choice", '{"context": "a", "choices": [" ", "b"], "answer": 0}', /line 3: "choices"\[0\]/],
  ["no answer", '{"context": "a", "choices": ["b", "c"]}', /line 3: "answer": got nothing, need an index from 0 to 1/],
  [
    "an answer too far",
    '{"context": "a", "choices": ["b", "c"], "answer": 2}',
    /line 3: "answer": got 2, need an index from 0 to 1/,
  ],
  ["an answer in words", '{"context": "a", "choices": ["b", "c"], "answer": "b"}', /line 3: "answer": got a string/],
] as const) {
  test(`refused with the line: ${what}`, () => {
    assert.throws(
      () => parseChoiceItems(`\n${JSON.stringify(CHOICES[0])}\n${line}\n`, "c.jsonl"),
      (error: unknown) => error instanceof OptionError && message.test(error.message),
    );
  });
}

test("refused: a passage of one word, a file without items", () => {
  assert.throws(
    () => parseLambadaItems('{"text": "word"}', "l"),
    /l, line 1: "text": got fewer than two words, need at least two/,
  );
  assert.throws(
    () => parseLambadaItems('{"text": " word"}', "l"),
    /l, line 1: "text": got fewer than two words, need at least two/,
  );
  assert.throws(() => parseLambadaItems("\n \n", "l"), /l: got no line with an item/);
});

test("a target longer than the context is refused before anything runs, with what it needs", async () => {
  const { model, pass } = toyLanguageModel(logitsAfter, { contextSize: 10 });
  const items = parseChoiceItems(`${JSON.stringify(CHOICES[1])}\n${JSON.stringify(CHOICES[0])}`, "c");
  const error = await failure(multipleChoice(model, items));
  assert.instance(error, OptionError);
  assert.match(
    error.message,
    /c, line 2: got 11 tokens \(7 of context and 4 to score\), need at most 10, the context the model was loaded with/,
  );
  assert.equal(pass.calls, []);
});

test("an empty context needs a token that begins texts", async () => {
  const items = parseChoiceItems('{"context": "", "choices": ["a", "b"], "answer": 0}', "c");
  const error = await failure(multipleChoice(toyLanguageModel(logitsAfter).model, items));
  assert.match(error.message, /c, line 1: context: got no token, need at least one/);
  assert.is((await multipleChoice(toyLanguageModel(logitsAfter, { bos: 1 }).model, items)).items, 1);
});

test("progress after each item, the limit, an abort between items", async () => {
  const { model, pass } = toyLanguageModel(logitsAfter);
  const items = parseChoiceItems(FILE, "f");
  const seen: number[] = [];
  await multipleChoice(model, items, { onProgress: ({ done, total }) => seen.push(done, total) });
  assert.equal(seen, [1, 2, 2, 2]);
  assert.match((await failure(multipleChoice(model, items, { limit: 0 }))).message, /limit: got 0/);
  const controller = new AbortController();
  const error = await failure(multipleChoice(model, items, { signal: controller.signal, onProgress: () => controller.abort() }));
  assert.instance(error, AbortError);
  assert.is(pass.length, 0);
});

test("a likelihood that is no number is an error naming its line", async () => {
  const { model } = toyLanguageModel(() => Array.from({ length: 128 }, () => Number.NaN));
  const error = await failure(multipleChoice(model, parseChoiceItems(FILE, "f")));
  assert.instance(error, NumericError);
  assert.match(error.message, /f, line 1/);
});

test.run();
