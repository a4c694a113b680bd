/**
 * Writes a calibration text of two kinds by turns: pieces of a text that is given, and passages that the
 * model to be quantized writes itself, from openings beside this file. An encyclopedia alone calibrates a
 * model for encyclopedias.
 *
 *     npm run calibration-text -- -o calibration.jsonl [-m MODEL] [--text wiki.valid.txt] [--data build/data]
 *                                 [--passages 72] [--tokens 480]
 *                                 [--context 1024] [--threads N]
 *
 * The same model, text and numbers give the same file everywhere. A line is {"text": "..."}, as `fptq
 * quantize --calibration` reads it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { displayProgress } from "../src/cli/progress-display.ts";
import { loadModel } from "../src/index.ts";
import { DATA_FOLDER, needData } from "./data/data-folder.ts";
import { OPENINGS } from "./calibration-text/openings.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", short: "m" },
    text: { type: "string" },
    data: { type: "string", default: DATA_FOLDER },
    output: { type: "string", short: "o" },
    passages: { type: "string", default: `${2 * OPENINGS.length}` },
    tokens: { type: "string", default: "480" },
    context: { type: "string", default: "1024" },
    threads: { type: "string" },
  },
});
const { output } = flags;
let source: string, textPath: string;
try {
  if (!output) throw new Error("--output: got none, need a file to write");
  source = flags.model ?? needData(flags.data, "SmolLM2-135M-Instruct.Q4_1.gguf");
  textPath = flags.text ?? needData(flags.data, "wiki.valid.txt");
} catch (error) {
  console.error((error as Error).message);
  process.exit(2);
}
const [passages, tokens] = [Number(flags.passages), Number(flags.tokens)];

using progress = displayProgress(process.stderr);
await using model = await loadModel(source, {
  contextSize: Number(flags.context),
  threads: flags.threads === undefined ? undefined : Number(flags.threads),
});
const { tokenizer } = model;
const ids = tokenizer.encode(readFileSync(textPath, "utf8"), { addSpecialTokens: false, parseSpecial: false });
if (ids.length < passages * tokens) throw new Error(`--text: ${ids.length} tokens, need ${passages * tokens}`);

const lines: string[] = [];
for (let i = 0; i < passages; i++) {
  const opening = OPENINGS[i % OPENINGS.length]!;
  const { text } = await model.generate(opening, {
    maxTokens: tokens,
    temperature: 1,
    topK: 0,
    minP: 0,
    repeatPenalty: 1.1,
    seed: i,
  }).result;
  const given = tokenizer.decode(ids.slice(i * tokens, (i + 1) * tokens));
  for (const piece of [given, `${opening}${text}`]) lines.push(JSON.stringify({ text: piece }));
  progress.onProgress({ phase: "write", done: i + 1, total: passages, unit: "items" });
}
writeFileSync(output, `${lines.join("\n")}\n`);
