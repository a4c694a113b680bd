/** A real model, in float32 and as its file has it, against an independent float32 implementation. */
import { readFileSync, statSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel, perplexity } from "../../src/index.ts";
import { SMOLLM2, sharedData, smollm2Reference } from "../shared-data.ts";

const test = suite("SmolLM2");
const path = sharedData(SMOLLM2);
const text = sharedData("data/wiki.test.txt");
const reference = smollm2Reference();

/** The reference prints its logits with 6 digits and adds in another order. */
const LOGIT_TOLERANCE = 5e-3;
/** Perplexity of 16 chunks averages the same differences over thousands of tokens. */
const PERPLEXITY_TOLERANCE = 1e-3;

if (path !== undefined && text !== undefined && reference !== undefined) {
  const model = await loadModel(path, { contextSize: 512, weights: "f32" });

  for (const { text: prompt, ids, top10_ids, top10_logits, greedy24 } of reference.prompts) {
    test(`${JSON.stringify(prompt)}: ten likeliest tokens, their logits, greedy continuation`, async () => {
      assert.equal(model.promptIds(prompt), ids);
      const logits = (await model.logits(ids)).slice(-model.config.vocabSize);
      const ranked = Array.from(logits.keys()).toSorted((a, b) => logits[b]! - logits[a]!);
      assert.equal(ranked.slice(0, 10), top10_ids);
      for (const [rank, id] of top10_ids.entries()) {
        const off = Math.abs(logits[id]! - top10_logits[rank]!);
        assert.ok(off <= LOGIT_TOLERANCE, `logit of token ${id}: got ${logits[id]}, expected ${top10_logits[rank]}`);
      }
      // The reference goes on after an end token; so does this.
      const { tokens } = await model.generate(prompt, { temperature: 0, maxTokens: 24, ignoreEos: true }).result;
      assert.equal(tokens, greedy24);
    });
  }

  test("perplexity of 16 chunks of WikiText-2, both rules", async () => {
    const result = await perplexity(model, readFileSync(text, "utf8"), { contextSize: 512, chunks: 16 });
    const { second_half, all_positions } = reference.wikitext2_test.ppl;
    console.log(`\nfigure: perplexity ${result.ppl.toFixed(4)} (reference ${second_half.toFixed(4)}), all positions ` +
      `${result.pplAllPositions.toFixed(4)} (${all_positions.toFixed(4)})`); // prettier-ignore
    assert.ok(Math.abs(result.ppl / second_half - 1) < PERPLEXITY_TOLERANCE, `${result.ppl}`);
    assert.ok(Math.abs(result.pplAllPositions / all_positions - 1) < PERPLEXITY_TOLERANCE, `${result.pplAllPositions}`);
  });

  test("as the file has it: perplexity within 1.5 % of float32, weights within 1.15 of the file", async () => {
    await using kept = await loadModel(path, { contextSize: 512 });
    assert.equal(kept.forwardPass.kvCache, { k: "q8t", v: "q8t" });
    const { ppl } = await perplexity(kept, readFileSync(text, "utf8"), { contextSize: 512, chunks: 16 });
    const { second_half } = reference.wikitext2_test.ppl;
    const [bytes, stored] = [kept.memory().weights, statSync(path).size];
    console.log(
      `\nfigure: kept, perplexity ${ppl.toFixed(4)}, ${(ppl / second_half).toFixed(4)} of float32, ${bytes} bytes of ${stored}`,
    );
    assert.ok(ppl / second_half <= 1.015, `${ppl}`);
    assert.ok(bytes <= 1.15 * stored, `${bytes}`);
  });

  test.after(() => model.dispose());
}

test.run();
