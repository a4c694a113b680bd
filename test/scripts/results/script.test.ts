/** The script from end to end, on a tiny model. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Results } from "../../../scripts/results/results-file.ts";
import { mulberry32 } from "../../random.ts";
import { tinyModel } from "../../tiny-model.ts";

const test = suite("script of the results (seed 72)");
const folder = mkdtempSync(join(tmpdir(), "fptq-results-script-"));
test.after(() => rmSync(folder, { recursive: true }));

const random = mulberry32(72);
const words = (count: number) => Array.from({ length: count }, () => "abcdefgh".slice(Math.floor(random() * 7))).join(" ");
const file = (name: string, content: string) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

mkdirSync(join(folder, "model"));
for (const [name, { bytes }] of tinyModel(72).files) writeFileSync(join(folder, "model", name), bytes);
mkdirSync(join(folder, "docs"));
const DATA = Object.entries({
  model: join(folder, "model"),
  output: join(folder, "docs"),
  threads: 1,
  text: file("text.txt", words(400)),
  calibration: file("calibration.txt", words(400)),
  lambada: file("lambada.jsonl", `${JSON.stringify({ text: words(6) })}\n`.repeat(3)),
  hellaswag: file("choice.jsonl", `${JSON.stringify({ context: words(4), choices: [" ab", " cd"], answer: 1 })}\n`),
  "ctx-size": 32,
  chunks: 3,
  "part-chunks": 2,
  samples: 2,
  "lambada-items": 2,
}).flatMap(([option, value]) => [`--${option}`, `${value}`]);

function run(...args: string[]): string {
  const script = fileURLToPath(new URL("../../../scripts/results.ts", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", script, ...DATA, ...args], { encoding: "utf8" });
  assert.is(status, 0, stderr);
  return stderr;
}
const read = (name: string) => readFileSync(join(folder, "docs", name), "utf8");

test("measures rows once, and writes numbers, tables and figures", () => {
  const first = run("--only", "fptq-best", "--only", "fptq-v0-0", "--only", "activations");
  assert.match(first, /1 of 3: .*about .* left/);
  const { rows, activations } = JSON.parse(read("results.json")) as Results;
  assert.equal(Object.keys(rows), ["fptq-best", "fptq-v0-0-v1-150"]);
  const { quantization, text, lambada, hellaswag } = rows["fptq-best"]!;
  assert.is(text!.scored, 3 * 15);
  assert.ok(text!.divergence!.pplRatio.value > 0.5 && text!.divergence!.kld.value > 0);
  assert.is(lambada!.items, 2);
  assert.is(hellaswag!.items, 1);
  assert.is(quantization!.bitsPerWeight, 4.5);
  assert.is(quantization!.layerErrors!.down.output.length, 3);
  assert.is(activations!.telling.before.length, 64);
  assert.match(read("results.md"), /\| FPTQ best \| W4A8 \| \d/);
  for (const name of ["perplexity", "activations", "ranges", "errors"])
    assert.ok(existsSync(join(folder, "docs", `results-${name}.svg`)));

  assert.match(run("--only", "fptq-best"), /nothing to measure/);
  assert.match(run("--only", "fptq-v0-0", "--chunks", "2"), /1 of 1: /);
});

test("the report is written again from the numbers, with what a person noted", () => {
  writeFileSync(join(folder, "docs", "results.notes.md"), "Noted.\n");
  const numbers = read("results.json");
  run("--report");
  assert.is(read("results.json"), numbers);
  assert.match(read("results.md"), /## What to read from it\n\nNoted\./);
});

test.run();
