import { DOMParser } from "linkedom";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { drawFigures } from "../../../scripts/results/figures.ts";
import type { Results } from "../../../scripts/results/results-file.ts";
import { exampleResults, rowResult } from "./fixture.ts";

const test = suite("figures of the results");

/** The figure, after checks that hold for each. */
function parse(svg: string | undefined): Element {
  assert.ok(svg, "nothing was drawn");
  assert.match(svg!, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  // Numbers that could not be placed, and styles that a dark page lacks.
  assert.not.match(svg!, /NaN|Infinity|undefined|"white"/);
  const { documentElement } = new DOMParser().parseFromString(svg!, "image/svg+xml");
  assert.ok(documentElement!.querySelector("style")!.textContent!.includes("prefers-color-scheme: dark"));
  return documentElement as unknown as Element;
}

test("ratios: a dot and an error for each recipe, best first; llama.cpp's lines are called given", () => {
  const results = exampleResults();
  const svg = parse(drawFigures(results).perplexity);
  assert.is(svg.querySelectorAll("g[aria-label=dot] circle").length, 4);
  const names = [...svg.querySelectorAll("g[aria-label='y-axis tick label'] text")].map(({ textContent }) => textContent);
  assert.equal(names, ["FPTQ best", "FPTQ", "GPTQ W4A16", "RTN, per token"]);
  assert.match(svg.textContent!, /llama\.cpp Q4_0: 1\.176 \(given\)/);
  assert.match(svg.textContent!, /1\.250 {2}W4A8/);
});

test("activations: a dot per channel, before and after, and the range a static scale covers", () => {
  const svg = parse(drawFigures(exampleResults()).activations);
  assert.is(svg.querySelectorAll("g[aria-label=dot] circle").length, 8);
  assert.match(svg.textContent!, /range 80/);
  assert.match(svg.textContent!, /range 6\.4/);
  assert.match(svg.textContent!, /channel of model\.layers\.1\.qkv/);
});

test("ranges: a line per input over the layers", () => {
  const svg = parse(drawFigures(exampleResults()).ranges);
  assert.is(svg.querySelectorAll("g[aria-label=line] path").length, 4);
});

test("errors: a line per recipe and input, at the output only where it was measured", () => {
  const svg = parse(drawFigures(exampleResults()).errors);
  // Weights of three recipes and outputs of two, in four small figures each.
  assert.is(svg.querySelectorAll("g[aria-label=line] path").length, 4 * (3 + 2));
  assert.match(svg.textContent!, /FPTQ best/);
});

test("nothing measured, nothing drawn", () => {
  const nothing: Results = { rows: {} };
  assert.equal(drawFigures(nothing), { perplexity: undefined, activations: undefined, ranges: undefined, errors: undefined });
  const failed: Results = { rows: { rtn: { ...rowResult("rtn", 1), text: undefined, quantization: undefined } as never } };
  assert.is(drawFigures(failed).perplexity, undefined);
});

test.run();
