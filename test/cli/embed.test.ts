import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCli } from "./command-harness.ts";
import { FakeModel } from "./fake-model.ts";

const test = suite("embed and rerank");

async function run(words: readonly string[], input = "") {
  const model = new FakeModel();
  const { code, stdout, stderr } = await runCli(words, { input, library: { loadModel: () => Promise.resolve(model) } });
  const withoutSignal = (key: string, value: unknown) => (key === "signal" ? undefined : value);
  return { code, stdout, stderr, asked: JSON.parse(JSON.stringify(model.texts, withoutSignal)) as unknown[] };
}

test("a line of JSON for each text, in order", async () => {
  const { code, stdout, asked } = await run(["embed", "-m", "m", "-p", "one", "-p", "two"]);
  assert.is(code, 0);
  assert.equal(stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as unknown), [[0, 0.5, -2], [1, 0.5, -2]]); // prettier-ignore
  assert.equal(asked, [[["one", "two"], {}]]);
});

test("texts from a file; what they become", async () => {
  const words = ["--prompt-name", "query", "--pooling", "mean", "--embd-normalize", "-1", "--dimensions", "2"];
  const { asked } = await run(["embed", "-m", "m", "-f", "-", ...words], "one\r\n\nthree\n");
  assert.equal(asked, [[["one", "", "three"], { promptName: "query", pooling: "mean", normalize: false, dimensions: 2 }]]);
});

test("documents in order of their scores", async () => {
  const { stdout, asked } = await run(["rerank", "-m", "m", "-p", "why", "-f", "-", "--instruction", "find"], "a\nccc\nbb");
  assert.is(stdout, "0.3000  ccc\n0.2000  bb\n0.1000  a\n");
  assert.equal(asked, [["why", ["a", "ccc", "bb"], { instruction: "find" }]]);
  const json = await run(["rerank", "-m", "m", "-p", "why", "-f", "-", "--json"], "a\nbb");
  assert.equal(JSON.parse(json.stdout), { results: [{ index: 1, score: 0.2 }, { index: 0, score: 0.1 }] }); // prettier-ignore
});

test("wrong command lines", async () => {
  for (const [words, message] of [
    [["embed", "-m", "m"], /texts: got none/],
    [["embed", "-m", "m", "-p", "a", "--pooling", "max"], /last, mean, cls/],
    [["embed", "-m", "m", "-p", "a", "--embd-normalize", "1"], /--embd-normalize: got 1, need -1 or 2/],
    [["rerank", "-m", "m", "-p", "a", "-f", "-"], /documents: got none/],
    [["rerank", "-m", "m", "-p", "a"], /--file <path>' not specified/],
  ] as const) {
    const { code, stderr } = await run(words);
    assert.is(code, 2, stderr);
    assert.match(stderr, message);
  }
});

test.run();
