/** A whole test set, from its file to the table, on a tiny model beside itself. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Measurement } from "../../../scripts/results/measure.ts";
import { renderReport } from "../../../scripts/results/report.ts";
import type { Results } from "../../../scripts/results/results-file.ts";
import { ROWS } from "../../../scripts/results/rows.ts";
import { DEFAULT_SETTINGS } from "../../../scripts/results/settings.ts";
import { tinyModel } from "../../tiny-model.ts";
import { rowResult } from "./fixture.ts";

const test = suite("results of whole test sets (seed 74)");
const folder = mkdtempSync(join(tmpdir(), "fptq-results-sets-"));
test.after(() => rmSync(folder, { recursive: true }));

const model = join(folder, "model");
mkdirSync(model);
for (const [name, { bytes }] of tinyModel(74).files) writeFileSync(join(model, name), bytes);
const lines = (items: readonly object[]) => items.map((item) => JSON.stringify(item)).join("\n");
const [text, lambada, openbookqa] = ["text.txt", "lambada.jsonl", "openbookqa.jsonl"].map((name) => join(folder, name)) as [
  string,
  string,
  string,
];
writeFileSync(text, "a bc def ghij ".repeat(60));
writeFileSync(lambada, lines([{ text: "a bc def" }, { text: "ghij a bc" }, { text: "bc a" }]));
writeFileSync(openbookqa, lines([{ context: "a", choices: [" bc", " def"], answer: 0 }]));
const settings = {
  ...DEFAULT_SETTINGS,
  model,
  text,
  calibration: text,
  lambada,
  openbookqa,
  contextSize: 32,
  samples: 2,
  threads: 1,
};
const options = { signal: new AbortController().signal, onProgress: () => {}, onWarning: () => {} };

test("every item of a set, by both models", async () => {
  await using measurement = new Measurement(settings, options);
  const row = { id: "x", label: "X", recipe: "rtn", evaluate: ["testSet"] } as const;
  const passages = (await measurement.measure({ ...row, testSet: "lambada" })).testSet!;
  assert.is(passages.items, 3);
  const [accuracy, perplexity] = passages.measures;
  assert.equal([accuracy!.name, perplexity!.name], ["accuracy", "target perplexity"]);
  const ratio = perplexity!.model.value / perplexity!.base.value;
  assert.ok(ratio !== 1 && Math.abs(perplexity!.comparison.value - ratio) < 1e-9 * ratio);
  const questions = (await measurement.measure({ ...row, testSet: "openbookqa" })).testSet!;
  assert.is(questions.items, 1);
  assert.equal(
    questions.measures.map(({ name }) => name),
    ["accuracy", "normalized accuracy"],
  );
});

test("the report has a line for each measure, and the command that prints it", () => {
  const uncertain = (value: number, standardError: number) => ({ value, standardError });
  const row = ROWS.find(({ id }) => id === "embedded-lambada")!;
  const testSet = {
    items: 5153,
    measures: [
      { name: "accuracy", model: uncertain(0.288, 0.006), base: uncertain(0.292, 0.006), comparison: uncertain(-0.004, 0.002) },
      { name: "target perplexity", model: uncertain(59.61, 2), base: uncertain(56.08, 2), comparison: uncertain(1.063, 0.006) },
    ],
  } as const;
  const results: Results = { rows: { [row.id]: { ...rowResult(row.id, 1), testSet } } };
  const report = renderReport(results, { settings: DEFAULT_SETTINGS, notes: undefined, figures: {} });
  assert.match(report, /^\| LAMBADA, accuracy \| 5153 \| 29\.2 ± 0\.6 \| 28\.8 ± 0\.6 \| -0\.4 ± 0\.2 \|$/m);
  assert.match(report, /^\| LAMBADA, target perplexity \| 5153 \| 56\.08 ± 2\.00 \| 59\.61 ± 2\.00 \| 1\.063 ± 0\.006 \|$/m);
  assert.ok(
    report.includes(
      "fptq lambada -m models/smollm2-135m-instruct-w4a8 --base SmolLM2-135M-Instruct.Q4_1.gguf -f lambada_test.jsonl",
    ),
  );
});

test.run();
