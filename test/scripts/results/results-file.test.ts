import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isCurrent, madeWith, readResults, writeResults } from "../../../scripts/results/results-file.ts";
import { ROWS, type Row } from "../../../scripts/results/rows.ts";
import { DEFAULT_SETTINGS } from "../../../scripts/results/settings.ts";
import { exampleResults } from "./fixture.ts";

const test = suite("file of the results");
const folder = mkdtempSync(join(tmpdir(), "fptq-results-test-"));
test.after(() => rmSync(folder, { recursive: true }));

const fptq = ROWS.find(({ id }) => id === "fptq")!;
const wanted = (changes: Partial<Row> = {}, settings = {}) =>
  madeWith({ ...fptq, ...changes }, { ...DEFAULT_SETTINGS, ...settings });

test("what was written is read again, lists of numbers in one line", () => {
  const path = join(folder, "results.json");
  assert.equal(readResults(path), { rows: {} });
  writeResults(path, exampleResults());
  assert.equal(readResults(path), JSON.parse(JSON.stringify(exampleResults())));
  assert.match(readFileSync(path, "utf8"), /"before": \[80, 4, 2, 0\]/);
  assert.match(readFileSync(path, "utf8"), /"output": \[null, null, null\]/);
});

test("a measurement is current while recipe, data and evaluations are the same", () => {
  const result = { madeWith: JSON.parse(JSON.stringify(wanted())) };
  assert.ok(isCurrent(result, wanted()));
  // The folder and the machine's threads change no figure.
  assert.ok(isCurrent(result, wanted({}, { text: "/elsewhere/wiki.test.txt", threads: 1 })));
  assert.ok(isCurrent(result, wanted({ label: "another label" })));
  // Nor do texts that it does not look at.
  assert.ok(isCurrent(result, wanted({}, { hellaswagItems: 1, hellaswag: "other.jsonl" })));
  for (const changed of [
    wanted({ options: { v0: 1 } }),
    wanted({ recipe: "rtn" }),
    wanted({ calibration: "random" }),
    wanted({ evaluate: ["text"] }),
    wanted({ layerErrors: false }),
    wanted({}, { chunks: 2 }),
    wanted({}, { lambadaItems: 2 }),
    wanted({}, { model: "another.gguf" }),
  ])
    assert.not.ok(isCurrent(result, changed), JSON.stringify(changed));
  assert.not.ok(isCurrent(undefined, wanted()));
  assert.not.ok(isCurrent({ ...result, failure: "why" }, wanted()));
});

test("a measurement from before an option came stands for what leaves its stage out", () => {
  const { transforms: _, ...before } = wanted().recipe!;
  const old = { madeWith: JSON.parse(JSON.stringify({ ...wanted(), recipe: before })) };
  assert.ok(isCurrent(old, wanted()));
  assert.not.ok(isCurrent(old, wanted({ options: { transforms: ["value"] } })));
});

test.run();
