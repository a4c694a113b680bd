/**
 * Runs models as other people made them and compares answers and perplexities with known ones
 * (`docs/models.md`).
 *
 *   npm run test:models -- --data FOLDER --text wiki.test.txt
 *
 * Models are found anywhere below FOLDER by the name of their file; those that are missing are skipped, which
 * is said.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect, parseArgs } from "node:util";
import { loadModel, perplexity } from "../src/index.ts";

/** Chunks of 512 tokens, and how far kept weights may be from float32, as a share of its perplexity. */
const CHUNKS = 8;
const MOST_KEPT = 0.015;
const MOST_FLOAT = 1e-3;

interface KnownModel {
  readonly file: string;
  /** By an independent implementation in float32. */
  readonly ppl: number;
  /** What follows a prompt at temperature 0 in float32. */
  readonly answer?: { readonly prompt: string; readonly begins: string };
}

const KNOWN: readonly KnownModel[] = [
  { file: "gemma-3-270m-q4_k_m.gguf", ppl: 15.1254 },
  {
    file: "qwen2.5-coder-0.5b-instruct.gguf",
    ppl: 29.1806,
    answer: { prompt: "def fibonacci(n):", begins: '\n    if n <= 0:\n        return "Invalid input"\n    elif n == 1:\n' },
  },
  { file: "qwen2.5-coder-1.5b-instruct.gguf", ppl: 13.5519 },
  { file: "SmolLM2-135M-Instruct.Q4_1.gguf", ppl: 21.5485 },
  {
    file: "stories260K.gguf",
    ppl: 425.3532,
    answer: { prompt: "Once upon a time", begins: ", there was a little girl named Lily." },
  },
  { file: "llama-2-tiny-random.gguf", ppl: 32145.19 },
];

const { values: given } = parseArgs({ options: { data: { type: "string" }, text: { type: "string" } } });
if (!given.data || !given.text || !existsSync(given.text)) {
  console.error("usage: npm run test:models -- --data FOLDER --text wiki.test.txt");
  process.exit(2);
}
const files = readdirSync(given.data, { recursive: true, encoding: "utf8" });
const text = readFileSync(given.text, "utf8");
let failed = 0;

for (const { file, ppl, answer } of KNOWN) {
  const path = files.find((name) => name === file || name.endsWith(`/${file}`));
  if (path === undefined) {
    console.log(`skip  ${file}: not below ${given.data}`);
    continue;
  }
  for (const weights of ["f32", "kept"] as const) {
    await using model = await loadModel(join(given.data, path), { weights, contextSize: 512 });
    const found = await perplexity(model, text, { chunks: CHUNKS });
    check(
      `${file} ${weights}: perplexity ${found.ppl.toFixed(4)}, ${(found.ppl / ppl).toFixed(4)} of ${ppl}`,
      found.ppl / ppl - 1 <= (weights === "f32" ? MOST_FLOAT : MOST_KEPT) &&
        (weights === "kept" || found.ppl / ppl - 1 >= -MOST_FLOAT),
    );
    if (!answer || weights === "kept") continue;
    const { text: said } = await model.generate(answer.prompt, { maxTokens: 32, temperature: 0 }).result;
    check(`${file}: ${inspect(answer.prompt)} goes on ${inspect(said.slice(0, 80))}`, said.startsWith(answer.begins));
  }
}
process.exitCode = failed > 0 ? 1 : 0;

function check(what: string, isRight: boolean): void {
  console.log(`${isRight ? "ok   " : "FAIL "} ${what}`);
  if (!isRight) failed++;
}
