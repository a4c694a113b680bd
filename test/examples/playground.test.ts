/** What the playground claims: the published hash is that of the embedded model, the marked tokens differ. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { commonTokens } from "../../examples/playground/src/token-difference.ts";
import { PUBLISHED, publishedLogits } from "../../scripts/published-logits.ts";
import { mulberry32 } from "../random.ts";

const SEED = 18;
const test = suite(`playground (seed ${SEED})`);

test("the published hash of the logits is that of the embedded model", async () => {
  const written: unknown = JSON.parse(readFileSync(PUBLISHED, "utf8"));
  assert.equal(written, await publishedLogits(), "npx tsx scripts/published-logits.ts");
});

/** The longest common subsequence by trying every subset of the shorter text. */
function longest(a: readonly number[], b: readonly number[]): number {
  let best = 0;
  for (let subset = 0; subset < 2 ** a.length; subset++) {
    const chosen = a.filter((_, i) => (subset >> i) & 1);
    let at = 0;
    for (const id of b) if (id === chosen[at]) at++;
    if (at === chosen.length) best = Math.max(best, at);
  }
  return best;
}

test("tokens that are not marked are a longest common subsequence of both texts", () => {
  const random = mulberry32(SEED);
  const ids = (length: number) => Array.from({ length }, () => Math.floor(random() * 4));
  for (let trial = 0; trial < 200; trial++) {
    const [a, b] = [ids(trial % 9), ids((trial * 7) % 11)];
    const common = commonTokens(a, b);
    const kept = a.filter((_, i) => common.a[i]);
    assert.equal(
      kept,
      b.filter((_, i) => common.b[i]),
      `${a} and ${b}`,
    );
    assert.is(kept.length, longest(a, b), `${a} and ${b}`);
  }
});

test.run();
