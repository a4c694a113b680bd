import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { PerplexityOptions } from "../../src/evaluation/perplexity.ts";
import { runCli } from "./command-harness.ts";
import { FakeModel } from "./fake-model.ts";

const test = suite("ppl");

const estimate = (value: number) => ({ ppl: value, standardError: 0.034, scored: 510 });

async function ppl(words: string[]) {
  const model = new FakeModel();
  let loaded: { contextSize?: number | undefined } = {};
  let asked: { text: string; options: PerplexityOptions } | undefined;
  const outcome = await runCli(["ppl", "-m", "m", "-f", "-", ...words], {
    input: "A text.",
    library: {
      loadModel: (_, options = {}) => {
        loaded = options;
        return Promise.resolve(model);
      },
      perplexity: (_, text, options) => {
        asked = { text, options };
        const progress = { phase: "perplexity", total: 2, unit: "chunks", allPositions: estimate(6.5) } as const;
        options.onProgress?.({ ...progress, done: 1, secondHalf: estimate(4.51) });
        options.onProgress?.({ ...progress, done: 2, secondHalf: estimate(5.06) });
        return Promise.resolve({
          ppl: 5.06,
          pplAllPositions: 6.5,
          secondHalf: estimate(5.06),
          allPositions: estimate(6.5),
          chunks: 2,
          tokens: 1024,
          meanNllSecondHalf: [],
          meanNllAllPositions: [],
        });
      },
    },
  });
  return { ...outcome, model, loaded, asked: asked! };
}

test("prints running values on stderr and the estimate on stdout, as llama-perplexity does", async () => {
  const { code, stdout, stderr, model, asked, loaded } = await ppl([]);
  assert.is(code, 0);
  assert.is(stdout, "Final estimate: PPL = 5.0600 +/- 0.03400\n");
  assert.match(stderr, /^2 chunks, \d+\.\d\d seconds per pass - ETA \d+\.\d\d minutes\n\[1\]4\.5100,\[2\]5\.0600,\n$/);
  assert.is(asked.text, "A text.");
  assert.is(asked.options.contextSize, 512);
  assert.is(loaded.contextSize, 512);
  assert.is(model.disposed, 1);
});

test("--json is one document with the keys that are promised", async () => {
  const { stdout, asked } = await ppl(["--json", "-c", "128", "--chunks", "2"]);
  assert.equal(JSON.parse(stdout), { ppl: 5.06, ppl_all_positions: 6.5, chunks: 2, tokens: 1024 });
  assert.is(asked.options.contextSize, 128);
  assert.is(asked.options.chunks, 2);
});

test.run();
