import { suite } from "uvu";
import * as assert from "uvu/assert";
import { renderReport } from "../../../scripts/results/report.ts";
import type { Results } from "../../../scripts/results/results-file.ts";
import { DEFAULT_SETTINGS } from "../../../scripts/results/settings.ts";
import { ENVIRONMENT, exampleResults, rowResult } from "./fixture.ts";

const test = suite("report of the results");

const render = (results: Results, notes?: string, figures = {}) =>
  renderReport(results, { settings: DEFAULT_SETTINGS, notes, figures });
/** Cells of the first table row that begins with a label. */
const cells = (report: string, label: string) =>
  report
    .split("\n")
    .find((line) => line.startsWith(`| ${label} |`))!
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());

test("a row's figures stand in its line, rounded, each with its error", () => {
  const report = render(exampleResults());
  const expected = "FPTQ, W4A8, 25.00 ± 0.50, 1.250 ± 0.012, 0.123 ± 0.002, 87.6 ± 0.5, 24.7 ± 1.9, 4.44, 76, 62";
  assert.is(cells(report, "FPTQ").join(", "), expected);
  assert.equal(cells(report, "float32").slice(0, 4), ["float32", "float32", "20.00 ± 0.40", ""]);
  assert.is(cells(report, "GPTQ W4A16")[8], "float");
});

test("a format says bits of weights and activations, not more", () => {
  const results = exampleResults();
  for (const id of ["embedded", "zeroquant-fp-e5m2"]) results.rows[id] = rowResult(id, 1.1);
  const report = render(results);
  assert.is(cells(report, "The model in this repository")[1], "W4A8");
  assert.is(cells(report, "ZeroQuant-FP, E5M2 activations")[1], "W4A8 (fp4, fp8-e5m2)");
});

test("a row that failed says why, in one cell", () => {
  assert.match(render(exampleResults()), /\| RTN, static: failed: a {3}reason \| W4A8 \|/);
});

test("lowest and highest are named from the numbers, whichever they are", () => {
  assert.match(render(exampleResults()), /Lowest perplexity ratio: FPTQ best \(1\.080 .*\); highest: RTN, per token \(1\.400/);
  const results = exampleResults();
  results.rows["fptq-best"] = rowResult("fptq-best", 5);
  assert.match(render(results), /Lowest perplexity ratio: FPTQ \(1\.250 .*\); highest: FPTQ best \(5\.000/);
});

test("each measured row's command is there, and llama.cpp's figures are called given", () => {
  const report = render(exampleResults());
  assert.match(report, /# GPTQ W4A16\nfptq quantize SmolLM2-135M-Instruct\.Q4_1\.gguf -o OUT --recipe gptq /);
  assert.match(report, /llama\.cpp Q4_0: 1\.176.*\n?.*given to this project/);
});

test("rows without a measurement are named, and those whose options changed", () => {
  const results = exampleResults();
  results.rows["fptq"] = rowResult("rtn", 1.25);
  const report = render(results);
  assert.match(report, /Not measured yet: .*AWQ W4A16.*;/);
  assert.match(report, /Measured with other options than they have now: (.*; )?FPTQ[;.]/);
});

test("columns and sections of which there is nothing are left out", () => {
  const report = render(exampleResults());
  assert.match(report, /## Thresholds/);
  assert.not.match(report, /## Strength of the equalization/);
  const results = exampleResults();
  for (const [id, row] of Object.entries(results.rows)) {
    const { lambada: _, ...others } = row;
    results.rows[id] = others;
  }
  assert.not.match(render(results), /LAMBADA, %/);
});

test("a model's loss by part has a section, with the command that prints it", () => {
  const figures = (value: number) => ({
    kld: { value, standardError: 0.001 },
    pplRatio: { value: 1 + value, standardError: 0.01 },
    sameTop: { value: 0.875, standardError: 0.01 },
  });
  const results = exampleResults();
  const parts = [
    { part: "weights", alone: figures(0.02), cumulative: figures(0.02) },
    { part: "down", alone: figures(0.06), cumulative: figures(0) },
  ] as const;
  const row = rowResult("embedded-parts", 1);
  results.rows["embedded-parts"] = { ...row, parts: { scored: 1020, quantized: figures(0.07), parts } };
  const report = render(results);
  assert.match(report, /## Where the model in this repository loses\n/);
  assert.match(
    report,
    /over 1020 targets\. Printed by\n\n```\nfptq diagnose -m models\/\S+ --base \S+ -f wiki\.test\.txt -c 512 --chunks 4\n/,
  );
  assert.is(cells(report, "weights")[1], "0.0200 ± 0.0010");
  assert.equal(cells(report, "inputs of down").slice(1, 5), [
    "0.0600 ± 0.0010",
    "1.060 ± 0.010",
    "87.5 ± 1.0",
    "0.0000 ± 0.0010",
  ]);
  assert.not.match(render(exampleResults()), /Where the model in this repository loses\n/);
});

test("the notes of a person stand before the tables, figures where they are asked for", () => {
  const report = render(exampleResults(), "It is so.\n", { perplexity: "p.svg" });
  assert.ok(report.indexOf("## What to read from it\n\nIt is so.\n\n") < report.indexOf("## Recipes"));
  assert.match(report, /!\[[^\]]+\]\(p\.svg\)/);
  assert.not.match(render(exampleResults()), /What to read from it|!\[/);
});

test("machines are told apart where there is more than one", () => {
  assert.match(render(exampleResults()), /- Some CPU, 2 threads, node 20\.0\.0, simd128 build, fptq 0\.0\.1, 2026-01-02\n/);
  const results = exampleResults();
  results.rows["rtn"] = rowResult("rtn", 1.4, { environment: { ...ENVIRONMENT, cpu: "Another", threads: 1 } });
  const report = render(results);
  assert.match(report, /- Another, 1 thread, .*: RTN, per token\n/);
  assert.match(report, /- Some CPU, .*: float32; /);
});

test("nothing in it is undefined or not a number", () => assert.not.match(render(exampleResults()), /undefined|NaN|Infinity/));

test.run();
