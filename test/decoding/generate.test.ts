import { suite } from "uvu";
import * as assert from "uvu/assert";
import { generate } from "../../src/decoding/generate.ts";
import { type Generation, GenerationAbortError } from "../../src/decoding/generation.ts";
import type { GenerateOptions, GenerationResult } from "../../src/decoding/generation-options.ts";
import { AbortError, CapabilityError, NumericError, OptionError } from "../../src/errors.ts";
import { mulberry32 } from "../random.ts";
import { BOS, byteModel, byteTokenizer, NO_TOKEN, bytes, BYTE_VOCABULARY, EOS, END_OF_TURN } from "./byte-tokenizer.ts";
import { ToyForwardPass } from "./toy-model.ts";

const test = suite("generate (seed 41)");
const GREEDY = { temperature: 0 } as const;

/** After `prompt`, says `answer` byte by byte, then an end token. */
function parrot(
  prompt: readonly number[],
  answer: readonly number[],
  options: { contextSize?: number; chunkSize?: number } = {},
) {
  const script = [...answer, EOS];
  return new ToyForwardPass({
    vocabSize: BYTE_VOCABULARY,
    contextSize: 512,
    ...options,
    logits: (ids) => {
      const said = ids.length - prompt.length;
      const logits = new Float32Array(BYTE_VOCABULARY);
      logits[script[said] ?? 46] = 20;
      return logits;
    },
  });
}

const PROMPT = bytes("Say: ");

function say(answer: string, options: GenerateOptions = {}) {
  const pass = parrot(PROMPT, bytes(answer));
  return { pass, generation: generate(byteModel(pass), PROMPT, { ...GREEDY, ...options }) };
}

async function collect(generation: Generation): Promise<string[]> {
  const pieces: string[] = [];
  for await (const piece of generation) pieces.push(piece);
  return pieces;
}

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => assert.unreachable(`resolved to ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );

test("text, tokens, counts and the reason, by the loop and by the result", async () => {
  const { pass, generation } = say("héllo 😀");
  const pieces = await collect(generation);
  const result = await generation.result;
  assert.is(pieces.join(""), "héllo 😀");
  assert.is(result.text, "héllo 😀");
  assert.equal(result.tokens, bytes("héllo 😀"));
  assert.is(result.stop, "eos");
  assert.is(result.promptTokens, PROMPT.length);
  assert.is(result.prefill.tokens, PROMPT.length);
  // The first token comes with the prefill; the end token took a step of its own.
  assert.is(result.decode.tokens, bytes("héllo 😀").length);
  assert.equal(pass.calls, [PROMPT.length, ...result.tokens.map(() => 1)]);
  assert.ok(result.prefill.ms > 0 && result.decode.ms > 0);
  assert.is(result.decode.tokensPerSecond, (result.decode.tokens / result.decode.ms) * 1000);
});

test("no piece cuts a character", async () => {
  const { generation } = say("a😀é€b");
  assert.equal(await collect(generation), ["a", "😀", "é", "€", "b"]);
});

test("an unfinished character at the end is given as U+FFFD, not lost", async () => {
  const { generation } = say("a😀", { maxTokens: 3 });
  assert.equal(await collect(generation), ["a", "\ufffd"]);
  assert.is((await generation.result).stop, "length");
});

test("nothing runs before the first pull or the result is asked for", async () => {
  const { pass, generation } = say("hello");
  const iterator = generation[Symbol.asyncIterator]();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(pass.calls, []);
  await iterator.next();
  assert.equal(pass.calls, [PROMPT.length]);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(pass.calls, [PROMPT.length], "no token ahead of the consumer");
});

test("the result alone runs everything, and a loop afterwards still sees every piece", async () => {
  const { generation } = say("hello");
  assert.is((await generation.result).text, "hello");
  assert.equal(await collect(generation), ["h", "e", "l", "l", "o"]);
  assert.equal(await collect(generation), ["h", "e", "l", "l", "o"]);
});

test("a loop and the result at the same time share the work", async () => {
  const { pass, generation } = say("hello");
  const [pieces, result, again] = await Promise.all([collect(generation), generation.result, generation.result]);
  assert.is(pieces.join(""), "hello");
  assert.is(result, again);
  assert.is(pass.calls.length, 1 + 5);
});

test("leaving the loop stops the work; the result is what there is", async () => {
  const { pass, generation } = say("hello");
  for await (const piece of generation) if (piece === "e") break;
  const result = await generation.result;
  assert.is(result.stop, "cancelled");
  assert.is(result.text, "he");
  assert.equal(result.tokens, bytes("he"));
  assert.equal(pass.calls, [PROMPT.length, 1]);
});

test("leaving the loop while the result is being awaited settles it too", async () => {
  const { generation } = say("a long answer that is not wanted");
  const iterator = generation[Symbol.asyncIterator]();
  await iterator.next();
  const pending = generation.result;
  await iterator.return();
  const result = await pending;
  assert.is(result.stop, "cancelled");
  assert.ok(result.tokens.length < 5);
  assert.equal(result.tokens, bytes((await collect(generation)).join("")), "the result counts the step that was under way");
});

test("an exception in the loop stops the work", async () => {
  const { pass, generation } = say("hello");
  const loop = async () => {
    for await (const piece of generation) throw new RangeError(piece);
  };
  assert.instance(await rejection(loop()), RangeError);
  assert.is((await generation.result).stop, "cancelled");
  assert.equal(pass.calls, [PROMPT.length]);
});

test("maxTokens counts tokens, and 0 only fills the cache", async () => {
  for (const maxTokens of [0, 1, 4]) {
    const { pass, generation } = say("hello", { maxTokens });
    const result = await generation.result;
    assert.is(result.text, "hello".slice(0, maxTokens));
    assert.is(result.stop, "length");
    assert.is(result.decode.tokens, Math.max(0, maxTokens - 1));
    assert.equal(
      pass.cached,
      [...PROMPT, ...bytes("hello").slice(0, Math.max(0, maxTokens - 1))],
      "the last token is not evaluated",
    );
    assert.equal(pass.ids, [...PROMPT, ...result.tokens], "and there all the same");
  }
});

test("every end token ends, unless told not to", async () => {
  for (const end of [EOS, END_OF_TURN]) {
    const pass = () => parrot(PROMPT, [...bytes("ab"), end, ...bytes("cd")]);
    const stopped = await generate(byteModel(pass()), PROMPT, GREEDY).result;
    assert.is(stopped.text, "ab");
    assert.is(stopped.stop, "eos");
    const ignored = await generate(byteModel(pass()), PROMPT, { ...GREEDY, ignoreEos: true, maxTokens: 5 }).result;
    assert.is(ignored.text, "abcd");
    assert.equal(ignored.tokens, [97, 98, end, 99, 100]);
  }
});

test("the text of a special token is a stop string, alone and with text around it", async () => {
  const special = `<${END_OF_TURN}>`;
  for (const [stop, text] of [
    [special, "ab"],
    [`b${special}`, "a"],
    [`${special}c`, "ab"],
    [`${special}d`, "abcd"],
  ] as const) {
    const pass = parrot(PROMPT, [...bytes("ab"), END_OF_TURN, ...bytes("cd")]);
    const result = await generate(byteModel(pass), PROMPT, { ...GREEDY, ignoreEos: true, maxTokens: 5, stop: [stop] }).result;
    assert.is(result.text, text, stop);
    assert.is(result.stop, text === "abcd" ? "length" : "stop", stop);
  }
});

test("an id that is no token gives no text and goes on", async () => {
  const pass = parrot(PROMPT, [...bytes("a\u00e9").slice(0, 2), NO_TOKEN, ...bytes("a\u00e9b").slice(2)]);
  const result = await generate(byteModel(pass), PROMPT, GREEDY).result;
  assert.is(result.text, "aéb");
  assert.is(result.tokens.length, 5);
});

test("a full context ends the generation after the token that no longer fits", async () => {
  const pass = parrot(PROMPT, bytes("hello"), { contextSize: PROMPT.length + 2 });
  const result = await generate(byteModel(pass), PROMPT, GREEDY).result;
  assert.is(result.stop, "context");
  assert.is(result.text, "hel");
  const full = parrot(PROMPT, bytes("hello"), { contextSize: PROMPT.length });
  assert.is((await generate(byteModel(full), PROMPT, GREEDY).result).text, "h", "a prompt that fills it gives one token");
});

test("a stop string across tokens ends the text before it; its tokens are kept", async () => {
  const { generation } = say("one\nUser: two", { stop: ["\nUser:", "###"] });
  const pieces = await collect(generation);
  const result = await generation.result;
  assert.equal(pieces, ["o", "n", "e"]);
  assert.is(result.text, "one");
  assert.is(result.stop, "stop");
  assert.equal(result.tokens, bytes("one\nUser:"));
});

test("text held back for a stop string that never came is given at the end", async () => {
  const { generation } = say("one\nUse", { stop: ["\nUser:"] });
  assert.equal(await collect(generation), ["o", "n", "e", "\nUse"]);
  assert.is((await generation.result).text, "one\nUse");
});

test("for any text and stop strings, the pieces are the text, whole characters each", async () => {
  const random = mulberry32(41);
  const word = (length: number) => Array.from({ length }, () => ["a", "b", "é", "😀"][Math.floor(random() * 4)]!).join("");
  for (let round = 0; round < 60; round++) {
    const answer = word(1 + Math.floor(random() * 8));
    const stop = Array.from({ length: Math.floor(random() * 3) }, () => word(1 + Math.floor(random() * 3)));
    const { generation } = say(answer, { stop });
    const pieces = await collect(generation);
    const { text, stop: reason } = await generation.result;
    const ends = stop.map((s) => answer.indexOf(s)).filter((at) => at >= 0);
    assert.is(pieces.join(""), text);
    assert.is(reason, ends.length > 0 ? "stop" : "eos");
    if (ends.length === 0) assert.is(text, answer);
    else assert.ok(answer.startsWith(text) && stop.every((s) => !text.includes(s)), JSON.stringify({ answer, stop, text }));
    for (const piece of pieces)
      assert.not.match(piece, /\ufffd|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/);
  }
});

test("the next turn of a chat evaluates only what is new", async () => {
  const answers = ["first answer", "second"];
  const user = [bytes("Q1: "), bytes("\nQ2: ")];
  const pass = new ToyForwardPass({
    vocabSize: BYTE_VOCABULARY,
    contextSize: 512,
    logits: (ids) => {
      const text = new TextDecoder().decode(Uint8Array.from(ids));
      const answer = text.includes("Q2") ? answers[1]! : answers[0]!;
      const said = text.slice(text.lastIndexOf(": ") + 2).length;
      const logits = new Float32Array(BYTE_VOCABULARY);
      logits[said < answer.length ? answer.charCodeAt(said) : EOS] = 9;
      return logits;
    },
  });
  const model = byteModel(pass);
  const one = await generate(model, user[0]!, GREEDY).result;
  assert.is(one.text, answers[0]);
  const conversation = [...user[0]!, ...one.tokens, ...user[1]!];
  const two = await generate(model, conversation, GREEDY).result;
  assert.is(two.text, answers[1]);
  assert.is(two.promptTokens, conversation.length);
  assert.is(two.prefill.tokens, user[1]!.length);
});

test("two generations taking turns on one model both give their own text", async () => {
  const pass = new ToyForwardPass({
    vocabSize: BYTE_VOCABULARY,
    logits: (ids) => Float32Array.from({ length: BYTE_VOCABULARY }, (_, id) => (id === ids[0]! + ids.length ? 9 : 0)),
  });
  const model = byteModel(pass);
  const options = { ...GREEDY, maxTokens: 4 };
  const left = generate(model, bytes("A"), options)[Symbol.asyncIterator]();
  const right = generate(model, bytes("a"), options)[Symbol.asyncIterator]();
  let text = "";
  for (let i = 0; i < 4; i++) text += (await left.next()).value! + (await right.next()).value!;
  assert.is(text, "BbCcDdEe");
});

test("two at the very same time are refused, the first goes on", async () => {
  const { generation } = say("hello");
  const pass = parrot(PROMPT, bytes("hello"));
  const model = byteModel(pass);
  const first = generate(model, PROMPT, GREEDY).result;
  const second = generate(model, PROMPT, GREEDY).result;
  assert.instance(await rejection(second), CapabilityError);
  assert.is((await first).text, "hello");
  assert.is((await generation.result).text, "hello", "another model is not concerned");
});

test("aborted before it began", async () => {
  const { pass, generation } = say("hello", { signal: AbortSignal.abort(new RangeError("why")) });
  const error = (await rejection(collect(generation))) as GenerationAbortError;
  assert.instance(error, GenerationAbortError);
  assert.instance(error, AbortError);
  assert.is(error.name, "AbortError");
  assert.instance(error.cause, RangeError);
  assert.equal(error.partial.tokens, []);
  assert.equal(pass.calls, []);
  assert.is(await rejection(generation.result), error);
});

test("aborted in the prefill: whole chunks stay, and the next call goes on from them", async () => {
  const pass = parrot(PROMPT, bytes("hello"), { chunkSize: 2 });
  const model = byteModel(pass);
  const controller = new AbortController();
  let chunks = 0;
  pass.onChunk = () => {
    if (++chunks === 2) controller.abort();
  };
  const error = (await rejection(
    generate(model, PROMPT, { ...GREEDY, signal: controller.signal }).result,
  )) as GenerationAbortError;
  assert.instance(error, GenerationAbortError);
  assert.is(error.partial.prefill.tokens, 2);
  assert.is(error.partial.decode.tokens, 0);
  const result = await generate(model, PROMPT, GREEDY).result;
  assert.is(result.text, "hello");
  assert.is(result.prefill.tokens, PROMPT.length - 2);
});

test("aborted in a decode step: text, tokens and cache so far are there", async () => {
  for (const after of [1, 2, 4]) {
    const controller = new AbortController();
    const { pass, generation } = say("hel\nUser", { signal: controller.signal, stop: ["\nUser:"] });
    pass.onChunk = () => {
      if (pass.calls.length === 1 + after) controller.abort();
    };
    const pieces: string[] = [];
    const loop = async () => {
      for await (const piece of generation) pieces.push(piece);
    };
    const error = (await rejection(loop())) as GenerationAbortError;
    assert.instance(error, GenerationAbortError);
    const { partial }: { partial: GenerationResult } = error;
    assert.equal(partial.tokens, bytes("hel\nUser".slice(0, after)));
    assert.is(partial.text, "hel\nUser".slice(0, after), "also what was held back");
    assert.is(partial.stop, "cancelled");
    assert.is(partial.decode.tokens, after - 1);
    assert.is(pieces.join(""), "hel\nUser".slice(0, Math.min(after, 3)));
    assert.equal(pass.cached, [...PROMPT, ...partial.tokens.slice(0, -1)]);
    assert.equal(pass.ids, [...PROMPT, ...partial.tokens]);
  }
});

test("NaN logits reach the loop and the result as the same error", async () => {
  const pass = new ToyForwardPass({
    vocabSize: BYTE_VOCABULARY,
    logits: (ids) => Float32Array.from({ length: BYTE_VOCABULARY }, () => (ids.length > PROMPT.length ? NaN : 1)),
  });
  const generation = generate(byteModel(pass), PROMPT, { ...GREEDY, ignoreEos: true });
  const error = await rejection(generation.result);
  assert.instance(error, NumericError);
  assert.is(await rejection(collect(generation)), error);
});

test("an error nobody asked the result for is no unhandled rejection", async () => {
  const seen: unknown[] = [];
  const listen = (error: unknown) => seen.push(error);
  process.on("unhandledRejection", listen);
  const { generation } = say("hello", { signal: AbortSignal.abort() });
  void generation.result;
  await rejection(collect(generation));
  await new Promise((resolve) => setTimeout(resolve, 5));
  process.off("unhandledRejection", listen);
  assert.equal(seen, []);
});

const flat = () =>
  new ToyForwardPass({
    vocabSize: BYTE_VOCABULARY,
    logits: () => Float32Array.from({ length: BYTE_VOCABULARY }, (_, i) => i % 7),
  });

test("a seed is reported and gives the same text again", async () => {
  const options = { maxTokens: 12, ignoreEos: true };
  const first = await generate(byteModel(flat()), PROMPT, options).result;
  const again = await generate(byteModel(flat()), PROMPT, { ...options, seed: first.seed }).result;
  const other = await generate(byteModel(flat()), PROMPT, { ...options, seed: (first.seed ^ 1) >>> 0 }).result;
  assert.equal(again.tokens, first.tokens);
  assert.not.equal(other.tokens, first.tokens); // 40 candidates at least a quarter as likely: equal by chance once in 10^13
  assert.is((await generate(byteModel(flat()), PROMPT, { ...options, ...GREEDY }).result).seed, 0);
});

test("an empty prompt begins with the beginning-of-sequence token, or is refused", async () => {
  const pass = parrot([BOS], bytes("ok"));
  const result = await generate(byteModel(pass), [], GREEDY).result;
  assert.is(result.text, "ok");
  assert.is(result.promptTokens, 1);
  assert.is(pass.cached[0], BOS);
  const without = { ...byteModel(pass), tokenizer: byteTokenizer(undefined) };
  assert.throws(
    () => generate(without, [], GREEDY),
    (e: unknown) => e instanceof OptionError && /no tokens/.test(e.message),
  );
});

test("ids that are made when it runs give the same; none of that happens if it never does", async () => {
  const pass = parrot(PROMPT, bytes("hello"));
  let made = 0;
  const pending = async (pause: () => Promise<void>) => {
    made++;
    await pause();
    return PROMPT;
  };
  const model = { ...byteModel(pass), letEventsRun: () => new Promise<void>((resolve) => setImmediate(resolve)) };
  const generation = generate(model, pending, GREEDY);
  assert.is(made, 0);
  const result = await generation.result;
  assert.equal([result.text, result.promptTokens, made], ["hello", PROMPT.length, 1]);
  const long = generate(model, async () => Array.from({ length: 513 }, () => 1), GREEDY);
  assert.match(((await rejection(long.result)) as Error).message, "prompt: got 513 tokens, need at most 512");
});

for (const [what, promptIds, options, message] of [
  ["a prompt longer than the context", Array.from({ length: 513 }, () => 1), {}, /prompt: got 513 tokens, need at most 512/],
  ["an id outside the vocabulary", [1, 260], {}, /prompt: got token id 260, need whole numbers from 0 to 259/],
  ["an id that is no number", [NaN], {}, /prompt: got token id NaN/],
  ["maxTokens", [1], { maxTokens: -1 }, /maxTokens: got -1, need a whole number of at least 0/],
  ["temperature", [1], { temperature: -1 }, /temperature: got -1/],
  ["a stop string that is not in an array", [1], { stop: "abc" }, /stop: got "abc", need an array of non-empty strings/],
  ["a stop string", [1], { stop: [""] }, /stop: got \[""\]/],
  ["an unknown option", [1], { topk: 3 }, /options: got "topk", need one of .*topK/],
] as const) {
  test(`refused at once, by name: ${what}`, () => {
    const model = byteModel(parrot(PROMPT, []));
    assert.throws(
      () => generate(model, promptIds, options as unknown as GenerateOptions),
      (e: unknown) => e instanceof OptionError && message.test(e.message),
    );
  });
}

test.run();
