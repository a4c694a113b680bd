/** Likelihoods of a real model's continuations against an independent implementation. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel, multipleChoice, parseChoiceItems } from "../../src/index.ts";
import { SMOLLM2, sharedData, smollm2Reference } from "../shared-data.ts";

const test = suite("HellaSwag by SmolLM2 in float32");
const path = sharedData(SMOLLM2);
const file = sharedData("data/hellaswag_val_400.jsonl");
const reference = smollm2Reference();

/**
 * The reference prints four decimals of sums over some tens of tokens, each of whose logits it adds in
 * another order.
 */
const TOLERANCE = 5e-3;

if (path !== undefined && file !== undefined && reference !== undefined) {
  test("log-likelihoods of the first five items", async () => {
    const items = parseChoiceItems(readFileSync(file, "utf8"), "hellaswag");
    const model = await loadModel(path, { contextSize: 512, weights: "f32" });
    try {
      const { logLikelihoods } = await multipleChoice(model, items, { limit: 5 });
      for (const [i, choices] of reference.hellaswag_val_400.first_5_loglikelihoods.entries()) {
        for (const [c, expected] of choices.entries()) {
          const found = logLikelihoods[i]![c]!;
          assert.ok(Math.abs(found - expected) < TOLERANCE, `item ${i}, choice ${c}: got ${found}, expected ${expected}`);
        }
      }
    } finally {
      await model.dispose();
    }
  });
}

test.run();
