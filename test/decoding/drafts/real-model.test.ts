/** The model in this repository: with drafts it says what it says without, whoever decides on them. */
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { DraftPolicy } from "../../../src/decoding/drafts/draft-policy.ts";
import { loadModel } from "../../../src/index.ts";

const test = suite("SmolLM2 with drafts");
const folder = fileURLToPath(new URL("../../../models/smollm2-135m-instruct-w4a8/", import.meta.url));

const LINE = "The lamp is lit every evening at five, although no ship has needed it for thirty years.";
const PROMPTS = [
  `Text: ${LINE}\n\nThe same text again: The lamp is lit every`,
  [{ role: "user", content: "Why is the sky blue?" }],
] as const;
const SAMPLINGS = [{ temperature: 0 }, { temperature: 0.7, topP: 0.9, repeatPenalty: 1.1, seed: 3 }] as const;

for (const threads of [1, 2]) {
  test(`${threads} threads`, async () => {
    await using model = await loadModel(folder, { threads, contextSize: 512 });
    const shipped = model.draftPolicy;
    const always = (): DraftPolicy => ({ length: (chances) => chances.length, passed: () => {} });
    let accepted = 0;
    for (const prompt of PROMPTS) {
      for (const sampling of SAMPLINGS) {
        const options = { ...sampling, maxTokens: 24 };
        const { tokens } = await model.generate(prompt, { ...options, draftMax: 0 }).result;
        for (const policy of [shipped, always]) {
          model.draftPolicy = policy;
          const result = await model.generate(prompt, options).result;
          assert.equal(result.tokens, tokens);
          if (policy === always) accepted += result.drafts.accepted;
        }
      }
    }
    assert.ok(accepted > 5, `${accepted}`);
  });
}

test.run();
