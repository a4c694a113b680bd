/** A model without a tokenizer: ids in, ids out; text is refused by name. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ModelLocation } from "../../src/checkpoint/byte-source.ts";
import { LanguageModel } from "../../src/decoding/language-model.ts";
import { OptionError, UnsupportedModelError } from "../../src/errors.ts";
import { textPerplexity } from "../../src/evaluation/text-perplexity.ts";
import { nodeHost } from "../../src/host/node.ts";
import { openFolder } from "../../src/host/node/node-files.ts";
import { buildGguf, memoryFile, string } from "../checkpoint/gguf/gguf-fixture.ts";
import { tinyGguf } from "../checkpoint/gguf/tiny-gguf.ts";
import type { MemoryFolder } from "../memory-folder.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { mulberry32 } from "../random.ts";
import { sharedData } from "../shared-data.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 173;
const test = suite(`a model without a tokenizer (seed ${SEED})`);
const random = mulberry32(SEED);
const randomIds = (count: number) => Array.from({ length: count }, () => Math.floor(random() * 320));
const GREEDY = { temperature: 0, maxTokens: 12 } as const;

const load = (location: ModelLocation) => LanguageModel.load(location, nodeHost, { threads: 1 });
const loadFolder = (folder: MemoryFolder) => load({ kind: "folder", folder });

function withoutTokenizer(): MemoryFolder {
  const folder = tinyModel(SEED);
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) assert.ok(folder.files.delete(name));
  return folder;
}

const whole = await loadFolder(tinyModel(SEED));
const bare = await loadFolder(withoutTokenizer());
test.after(async () => {
  await whole.dispose();
  await bare.dispose();
});

const refuses = async (run: () => unknown) => {
  try {
    await run();
  } catch (error) {
    assert.instance(error, UnsupportedModelError);
    assert.match(
      (error as Error).message,
      /^tiny-llama-173: tokenizer: got a model without one, need token ids in place of text$/,
    );
    return;
  }
  assert.unreachable("text was taken");
};

test("says whether it has one", () => {
  assert.is(whole.hasTokenizer, true);
  assert.is(bare.hasTokenizer, false);
  assert.is(bare.chatTemplate, undefined);
  assert.is(bare.memory().js, 0);
  assert.ok(whole.memory().js > 0);
});

test("generates from ids what the whole model does, and streams their numbers", async () => {
  const ids = randomIds(9);
  const expected = await whole.generate(ids, GREEDY).result;
  const generation = bare.generate(ids, GREEDY);
  const pieces: string[] = [];
  for await (const piece of generation) pieces.push(piece);
  const { tokens, text, stop } = await generation.result;
  assert.equal(tokens, expected.tokens);
  assert.is(stop, expected.stop);
  assert.equal(pieces.map(Number), tokens);
  assert.is(pieces.join(""), text);
  assert.is(text, tokens.join(" "));
});

test("a sequence goes on with ids, and by itself", async () => {
  const parts = [randomIds(7), randomIds(3), []];
  const continued = async (model: LanguageModel) => {
    using sequence = model.createSequence();
    const tokens: (readonly number[])[] = [];
    for (const ids of parts) tokens.push((await sequence.generate(ids, { ...GREEDY, maxTokens: 4 }).result).tokens);
    return tokens;
  };
  assert.equal(await continued(bare), await continued(whole));
});

test("ends at the tokens the checkpoint names", async () => {
  assert.ok(bare.endTokenIds.length > 0);
  assert.equal(bare.endTokenIds, whole.endTokenIds);
});

test("logits, perplexity and vectors of ids are those of the whole model", async () => {
  const ids = randomIds(64);
  assertSameBits(await bare.logits(ids), await whole.logits(ids), "logits");
  assert.equal(await textPerplexity(bare, ids, { contextSize: 32 }), await textPerplexity(whole, ids, { contextSize: 32 }));
  const [found, expected] = [await bare.embed([ids], { pooling: "mean" }), await whole.embed([ids], { pooling: "mean" })];
  assertSameBits(found[0]!, expected[0]!, "vector");
});

test("refuses text, wherever it comes in", async () => {
  await refuses(() => bare.tokenizer);
  await refuses(() => bare.promptIds("text"));
  await refuses(() => bare.generate("text", GREEDY));
  await refuses(() => bare.generate([{ role: "user", content: "text" }], GREEDY));
  await refuses(() => bare.generate([1, 2], { ...GREEDY, stop: ["text"] }));
  await refuses(() => textPerplexity(bare, "text"));
  await refuses(() => bare.embed(["text"], { pooling: "mean" }));
  await refuses(() => bare.rerank("query", ["document"]));
});

test("refuses a prompt of nothing, and ids that are none", () => {
  for (const ids of [[], [320], [-1], [0.5]]) {
    const run = () => bare.generate(ids, GREEDY);
    assert.throws(run, (error: unknown) => error instanceof OptionError);
  }
});

test("a GGUF whose tokenizer is none", async () => {
  const { fixture } = tinyGguf({ architecture: "llama", size: "small" });
  const others = fixture.metadata.filter(([key]) => !key.startsWith("tokenizer."));
  const metadata = [...others, ["tokenizer.ggml.model", string("none")] as const];
  const file = memoryFile(buildGguf({ ...fixture, metadata }).bytes);
  const model = await load({ kind: "file", file });
  assert.is(model.hasTokenizer, false);
  assert.is((await model.generate([3, 1, 2], GREEDY).result).tokens.length, GREEDY.maxTokens);
  await model.dispose();
});

test("a folder of the reference", async () => {
  const path = sharedData("reference/tiny/llama-tied");
  if (path === undefined) return;
  const model = await load({ kind: "folder", folder: openFolder(path) });
  assert.is(model.hasTokenizer, false);
  assert.is((await model.logits([1, 2, 3])).length, 3 * model.config.vocabSize);
  await model.dispose();
});

test.run();
