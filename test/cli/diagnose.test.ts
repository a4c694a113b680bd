/** `diagnose`: what it asks of the library, its table and its JSON. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { divergenceStatistics } from "../../src/evaluation/divergence-statistics.ts";
import type { LossByPartOptions } from "../../src/evaluation/loss-by-part.ts";
import { runCli } from "./command-harness.ts";

const test = suite("diagnose");

/** @param divergence of each target */
const statistics = (divergence: number) =>
  divergenceStatistics({
    losses: [1 + divergence, 2, 3],
    baseLosses: [1, 2, 3],
    divergences: [divergence, divergence, divergence],
    sameTop: [1, 1, 0],
  });

const asked: { source: string; base: string; text: string; options: LossByPartOptions }[] = [];
const library = {
  lossByPart: (source: string, base: string, text: string, options: LossByPartOptions) => {
    asked.push({ source, base, text, options });
    return Promise.resolve({
      quantized: statistics(0.3),
      parts: [
        { part: "weights", alone: statistics(0.1), cumulative: statistics(0.1) },
        { part: "down", alone: statistics(0.25), cumulative: statistics(0) },
      ] as const,
      chunks: 2,
      tokens: 1024,
    });
  },
};
const WORDS = ["diagnose", "-m", "w4a8", "--base", "float.gguf", "-f", "-", "-c", "256", "--chunks", "2", "-t", "1"];

test("a row for the model as it is and one for each part, alone and with those before it", async () => {
  const { code, stdout, stderr } = await runCli(WORDS, { input: "text", library });
  assert.is(code, 0, stderr);
  const { source, base, text, options } = asked.at(-1)!;
  assert.equal([source, base, text], ["w4a8", "float.gguf", "text"]);
  assert.equal([options.contextSize, options.chunks, options.threads], [256, 2, 1]);
  const rows = stdout.trimEnd().split("\n");
  assert.match(rows[0]!, /^in float +KLD +PPL ratio +same top +KLD so far +PPL ratio +same top$/);
  assert.match(rows[1]!, /^nothing +0\.3000 ± 0\.0000 +1\.1052 ± 0\.\d{4} +66\.67 ± 33\.33 % +0\.3000 /);
  assert.match(rows[2]!, /^weights +0\.1000 ± 0\.0000 .* 0\.1000 ± 0\.0000 /);
  assert.match(rows[3]!, /^inputs of down +0\.2500 ± 0\.0000 .* 0\.0000 ± 0\.0000 +1\.0000 ± 0\.0000 /);
});

test("the promised keys as JSON", async () => {
  const { stdout } = await runCli([...WORDS, "--json"], { input: "text", library });
  const document = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal(Object.keys(document), ["base_ppl", "quantized", "parts", "scored", "chunks", "tokens"]);
  assert.equal(Object.keys(document["quantized"] as object), ["ppl", "ppl_ratio", "kld", "same_top"]);
  const [weights, down] = document["parts"] as { part: string; alone: object; cumulative: { kld: object } }[];
  assert.equal([weights!.part, down!.part], ["weights", "down"]);
  assert.equal(down!.cumulative.kld, { value: 0, stderr: 0 });
});

test("a base and a text are needed", async () => {
  assert.match((await runCli(["diagnose", "-m", "m", "-f", "x"])).stderr, /--base/);
  assert.match((await runCli(["diagnose", "-m", "m", "--base", "b"])).stderr, /--file/);
});

test.run();
