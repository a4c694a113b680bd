/** `/v1/embeddings` and `/v1/rerank`, over tiny models that were made for it, and over one that was not. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { poolingJson } from "../../src/checkpoint/pooling.ts";
import { loadModel } from "../../src/core.ts";
import { OptionError, UnsupportedModelError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { createServer } from "../../src/server.ts";
import type { MemoryFolder } from "../memory-folder.ts";
import { tinyModel } from "../tiny-model.ts";
import { tinyTokenizer } from "../tiny-tokenizer.ts";
import { clientOf, loadTiny, SEED } from "./serving.ts";

const test = suite(`/v1/embeddings and /v1/rerank (seed ${SEED})`);
const load = (folder: MemoryFolder) =>
  loadModel({ kind: "folder", folder }, nodeHost, { threads: 1, contextSize: 1024, cacheTokens: 4096 });

/** A model that says of itself how its states become vectors. */
function embeddingFolder(): MemoryFolder {
  const folder = tinyModel(SEED, { architecture: "qwen3" });
  const pooling = poolingJson({ kind: "last", normalize: true, prompts: { query: "the query " } });
  folder.set("config.json", JSON.stringify({ ...folder.json("config.json"), fptq: pooling, max_position_embeddings: 1024 }));
  return folder;
}

/** A model with the tokens of the prompt that Qwen3-Reranker knows. */
function rerankingFolder(): MemoryFolder {
  const folder = tinyModel(SEED, { architecture: "qwen3", config: { vocabSize: 324, contextLength: 2048 } });
  const tokenizer = tinyTokenizer(320).tokenizerJson as { added_tokens: object[] };
  for (const [i, content] of ["<think>", "</think>", "yes", "no"].entries()) {
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
    tokenizer.added_tokens.push({ id: 320 + i, content, ...flags });
  }
  folder.set("tokenizer.json", JSON.stringify(tokenizer));
  return folder;
}

const embedder = await load(embeddingFolder());
const reranker = await load(rerankingFolder());
const plain = await loadTiny();
test.after(async () => {
  for (const model of [embedder, reranker, plain]) await model.dispose();
});
const TEXTS = ["the cat sat on the mat", "the dog ran", "one of the hens"];

test("vectors are what the library gives, in the order of the texts, as numbers or as bytes", async () => {
  const server = clientOf(embedder, { alias: "tiny" });
  const expected = await embedder.embed(TEXTS);
  const { status, json } = await server.post("/v1/embeddings", { input: TEXTS, model: "tiny", encoding_format: "float" });
  assert.is(status, 200);
  const tokens = TEXTS.reduce((sum, text) => sum + embedder.tokenizer.encode(text).length, 0);
  assert.equal(json, {
    object: "list",
    data: expected.map((vector, index) => ({ object: "embedding", index, embedding: [...vector] })),
    model: "tiny",
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
  const bytes = await server.post("/v1/embeddings", { input: TEXTS, encoding_format: "base64" });
  for (const [i, { embedding }] of (bytes.json.data as { embedding: string }[]).entries()) {
    assert.equal(new Float32Array(new Uint8Array(Buffer.from(embedding, "base64")).buffer), expected[i]);
  }
});

test("one text, ids, many lists of ids, fewer dimensions, a prompt of the model's", async () => {
  const server = clientOf(embedder);
  const vectors = async (body: object) =>
    ((await server.post("/v1/embeddings", body)).json.data as { embedding: number[] }[]).map(({ embedding }) => embedding);
  const ids = TEXTS.map((text) => [...embedder.tokenizer.encode(text)]);
  const expected = (await embedder.embed(TEXTS)).map((vector) => Array.from(vector));
  assert.equal(await vectors({ input: TEXTS[0] }), [expected[0]]);
  assert.equal(await vectors({ input: ids[0] }), [expected[0]]);
  assert.equal(await vectors({ input: ids }), expected);
  const [short] = await embedder.embed([TEXTS[0]!], { dimensions: 8 });
  assert.equal(await vectors({ input: TEXTS[0], dimensions: 8 }), [[...short!]]);
  const [asked] = await embedder.embed([TEXTS[0]!], { promptName: "query" });
  assert.equal(await vectors({ input: TEXTS[0], prompt_name: "query" }), [[...asked!]]);
});

test("requests for vectors wait like all others", async () => {
  const server = clientOf(embedder, { parallel: 1, maxWaiting: 1 });
  const replies = await Promise.all(TEXTS.map((input) => server.post("/v1/embeddings", { input })));
  assert.equal(replies.map(({ status }) => status), [200, 200, 429]); // prettier-ignore
});

test("documents are ordered by the library's scores, under every path", async () => {
  const server = clientOf(reranker, { rerank: true });
  const query = "where is the cat";
  const scores = await reranker.rerank(query, TEXTS);
  const expected = scores
    .map((relevance_score, index) => ({ index, relevance_score }))
    .toSorted((a, b) => b.relevance_score - a.relevance_score);
  for (const path of ["/v1/rerank", "/rerank", "/v1/reranking", "/reranking"]) {
    const { status, json } = await server.post(path, { query, documents: TEXTS });
    assert.is(status, 200, path);
    assert.equal(json.results, expected);
    assert.ok(json.usage.prompt_tokens > 3 * 50);
  }
  const documents = TEXTS.map((text) => ({ text }));
  const { json } = await server.post("/v1/rerank", { query, documents, top_n: 2, return_documents: true });
  const best = expected.slice(0, 2).map(({ index, relevance_score }) => ({ index, relevance_score, document: documents[index] }));
  assert.equal(json.results, best);
});

test("a model that was not made for it says so, unless its server was told to", async () => {
  const server = clientOf(plain);
  for (const [path, body] of [
    ["/v1/embeddings", { input: "a" }],
    ["/v1/rerank", { query: "a", documents: ["b"] }],
  ] as const) {
    const { status, json } = await server.post(path, body);
    assert.is(status, 400);
    assert.is(json.error.code, "not_supported");
    assert.match(json.error.message, new RegExp(`^${path.slice(4)}: got a `));
  }
  const told = clientOf(plain, { embedding: true, pooling: "mean" });
  const [vector] = await plain.embed(["the cat"], { pooling: "mean" });
  assert.equal((await told.post("/v1/embeddings", { input: "the cat" })).json.data[0].embedding, [...vector!]);
  assert.is((await clientOf(embedder, { embedding: false }).post("/v1/embeddings", { input: "a" })).status, 400);
  assert.throws(() => createServer(plain, { embedding: true }), (error: unknown) => error instanceof OptionError && error.message.startsWith("pooling: got nothing")); // prettier-ignore
  assert.throws(() => createServer(plain, { rerank: true }), (error: unknown) => error instanceof UnsupportedModelError); // prettier-ignore
});

const refused = [
  ["no input", {}, "input"],
  ["an empty text", { input: ["a", ""] }, "input.1"],
  ["ids that are none", { input: [[1], [-1]] }, "input.1.0"],
  ["ids of no token", { input: [99_999] }, null],
  ["a format nobody knows", { input: "a", encoding_format: "int8" }, "encoding_format"],
  ["more dimensions than there are", { input: "a", dimensions: 65 }, "dimensions"],
  ["a prompt the model does not have", { input: "a", prompt_name: "other" }, null],
  ["a text longer than the context", { input: ["a", "the cat ".repeat(2000)] }, null],
] as const;

for (const [what, body, param] of refused) {
  test(`${what} is refused`, async () => {
    const { status, json } = await clientOf(embedder).post("/v1/embeddings", body);
    assert.is(status, 400, JSON.stringify(json));
    assert.is(json.error.param, param);
  });
}

test.run();
