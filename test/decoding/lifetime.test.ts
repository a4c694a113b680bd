/**
 * Whatever is left, stopped, disposed or forgotten ends, with the right answer or one typed error, and leaves
 * nothing behind.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type LanguageModel, loadModel } from "../../src/core.ts";
import { type Generation, GenerationAbortError } from "../../src/decoding/generation.ts";
import { DisposedError, OptionError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 67;
const test = suite(`lifetime (seed ${SEED})`);
const folder = tinyModel(SEED);
const load = (options: LoadOptions = {}) =>
  loadModel({ kind: "folder", folder }, nodeHost, { threads: 1, contextSize: 256, chunkSize: 8, ...options });
const PROMPT = "the of and to in is that it was for on are as with his they at be this have from or one had by word ".repeat(4);
const GREEDY = { temperature: 0, maxTokens: 12 } as const;

const rejection = (work: Promise<unknown>) => work.then(() => assert.unreachable("no error"), (error: unknown) => error); // prettier-ignore
const refusal = (work: () => unknown) => rejection((async () => work())());

/** Calls `act` in the pass of that number from now on; gives how many there were so far. */
function atPass(model: LanguageModel, number: number, act: () => void): () => number {
  const { run } = model.forwardPass.kernels;
  const { embed_f32w: embed } = run;
  let passes = 0;
  run.embed_f32w = (...args) => {
    embed(...args);
    if (++passes === number) act();
  };
  return () => passes;
}

for (const threads of [1, 2]) {
  for (const [what, leave] of [
    ["return()", (pieces: AsyncGenerator<string, void, void>) => pieces.return()],
    ["throw()", (pieces: AsyncGenerator<string, void, void>) => pieces.throw(new RangeError("enough"))],
  ] as const) {
    test(`${what} of the iterator stops the pass in progress, ${threads} threads`, async () => {
      const model = await load({ threads });
      const { tokens } = await model.generate("a", GREEDY).result;
      const { free } = model.forwardPass.cacheTokens;
      const generation = model.generate(PROMPT, GREEDY);
      const pieces = generation[Symbol.asyncIterator]();
      let left: Promise<unknown> | undefined;
      const passes = atPass(model, 3, () => (left = leave(pieces)));
      assert.equal(await pieces.next(), { value: undefined, done: true });
      await left!.catch((error: unknown) => assert.instance(error, RangeError));
      assert.is(passes(), 3, "passes of at least 12");
      const { stop, tokens: kept } = await generation.result;
      assert.equal([stop, kept], ["cancelled", []]);
      assert.is(model.forwardPass.cacheTokens.free, free);
      assert.equal((await model.generate("a", GREEDY).result).tokens, tokens);
      await model.dispose();
    });
  }

  test(`a cancelled stream stops the pass in progress, ${threads} threads`, async () => {
    const model = await load({ threads });
    const generation = model.generate(PROMPT, GREEDY);
    const reader = (ReadableStream as unknown as { from(source: Generation): ReadableStream<string> })
      .from(generation)
      .getReader();
    let cancelled: Promise<void> | undefined;
    const passes = atPass(model, 2, () => (cancelled = reader.cancel()));
    assert.is((await reader.read()).done, true);
    await cancelled;
    assert.is((await generation.result).stop, "cancelled");
    assert.is(passes(), 2);
    await model.dispose();
  });

  test(`a disposed model refuses all use, and what runs ends with one DisposedError, ${threads} threads`, async () => {
    const model = await load({ threads });
    const sequence = model.createSequence();
    await sequence.logits([1, 2, 3]);
    const saved = await sequence.save();
    const generation = model.generate(PROMPT, { ...GREEDY, maxTokens: 100 });
    const iterated = rejection((async () => { for await (const _ of generation); })()); // prettier-ignore
    const { result } = generation;
    const paused = model.generate("a", GREEDY);
    const pieces = paused[Symbol.asyncIterator]();
    await pieces.next();
    let disposals: Promise<unknown> | undefined;
    atPass(model, 2, () => (disposals = Promise.all([model.dispose(), model.dispose()])));
    const error = await rejection(result);
    assert.instance(error, DisposedError);
    assert.is(await iterated, error);
    await disposals;
    await model.dispose();
    for (const [name, use] of Object.entries({
      generate: () => model.generate("a"),
      "a paused generation": async () => {
        while (!(await pieces.next()).done);
      },
      createSequence: () => model.createSequence(),
      logits: () => model.logits([1]),
      "a sequence's generate": () => sequence.generate("a"),
      "a sequence's logits": () => sequence.logits([1]),
      fork: () => sequence.fork(),
      truncate: () => sequence.truncate(0),
      save: () => sequence.save(),
      restore: () => sequence.restore(saved),
      forward: () => model.forwardPass.forward([1], { logits: "none" }),
      argmax: () => model.forwardPass.argmax(new Float32Array(4)),
      softmax: () => model.forwardPass.softmax(new Float32Array(4), 1),
    })) {
      const refused = await refusal(use);
      assert.instance(refused, DisposedError, `${name}: ${String(refused)}`);
    }
    sequence.dispose();
    assert.throws(() => model.forwardPass.kernels.memory, (thrown: unknown) => thrown instanceof DisposedError); // prettier-ignore
  });
}

test("a generation that was left before it began has made nothing", async () => {
  const model = await load();
  const generation = model.generate("a", GREEDY);
  const passes = atPass(model, 0, () => {});
  await generation[Symbol.asyncIterator]().return();
  assert.is((await generation.result).stop, "cancelled");
  assert.is(passes(), 0);
  await model.dispose();
});

test("a loop that is left ends the generation for everybody who looks at it", async () => {
  const model = await load();
  const generation = model.generate(PROMPT, { ...GREEDY, maxTokens: 60, ignoreEos: true });
  const [one, two] = [generation[Symbol.asyncIterator](), generation[Symbol.asyncIterator]()];
  const [first, same] = await Promise.all([one.next(), two.next()]);
  assert.equal(first, same);
  const [, after] = await Promise.all([one.return(), two.next()]);
  assert.ok(after.done || after.value === (await generation.result).text.slice(first.value!.length));
  assert.is((await two.next()).done, true);
  assert.is((await generation.result).stop, "cancelled");
  await model.dispose();
});

test("a text that can never fit, or that nobody wants any more, is not encoded", async () => {
  const model = await load();
  let encoded = 0;
  const { encode } = model.tokenizer;
  model.tokenizer.encode = (...args) => {
    encoded++;
    return encode.apply(model.tokenizer, args);
  };
  using sequence = model.createSequence();
  await sequence.logits([1, 2, 3]);
  const long = "the cat ".repeat(100_000);
  for (const [work, fewest] of [
    [() => model.generate(long), 800_000 / 13],
    [() => model.generate([{ role: "user", content: long }]), 800_000 / 13],
    [() => sequence.generate(long), 3 + 800_000 / 13],
  ] as const) {
    const error = (await refusal(work)) as Error;
    assert.instance(error, OptionError);
    const [, least] = /^prompt: got at least (\d+) tokens, need at most 256, the context size$/.exec(error.message)!;
    assert.ok(Number(least) >= Math.floor(fewest), error.message);
  }
  const { signal } = new AbortController();
  const fits = model.generate("the cat", { ...GREEDY, signal });
  assert.is(encoded, 1);
  for (const owner of [model, sequence]) {
    const aborted = owner.generate("the cat", { signal: AbortSignal.abort("why") });
    const error = (await rejection(aborted.result)) as GenerationAbortError;
    assert.instance(error, GenerationAbortError);
    assert.equal([error.partial.stop, error.partial.tokens, error.cause], ["cancelled", [], "why"]);
  }
  assert.is(encoded, 1);
  assert.is((await fits.result).tokens.length, GREEDY.maxTokens);
  await model.dispose();
});

test("a program that forgets models gets threads and memory back, and ends by itself", async () => {
  if (process.platform !== "linux") return console.log("skip: threads are counted through /proc");
  const script = fileURLToPath(new URL("forgotten-models.ts", import.meta.url));
  const child = spawn(process.execPath, ["--expose-gc", "--import", "tsx", script], { timeout: 60_000, killSignal: "SIGKILL" });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
  const ended = await new Promise<unknown>((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));
  assert.is(ended, 0, output);
  const { before, loaded, after, released } = JSON.parse(output) as Record<"before" | "loaded" | "after", number> & {
    released: boolean;
  };
  assert.is(loaded, before! + 5, "two models of two workers each, and the thread that watches");
  assert.is(after, before);
  assert.ok(released, "a disposed model holds its memory");
});

test.run();
