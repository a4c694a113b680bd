import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { parseHTML } from "linkedom";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadFigures } from "../../src/cli/figures/load-figures.ts";
import { styled } from "../../src/cli/terminal.ts";
import { CapabilityError } from "../../src/errors.ts";
import type { InputAnalysis } from "../../src/quantizer/decide/analyze-inputs.ts";
import { INPUT_NAMES } from "../../src/architecture/description.ts";
import { runCli } from "./command-harness.ts";

const test = suite("analyze");
const folder = mkdtempSync(join(tmpdir(), "fptq-analyze-"));

/** Ranges 10, 20, 40, ... over layers and inputs, so that every policy occurs; the last channel is 0. */
const ANALYSIS: InputAnalysis[] = [0, 1].flatMap((layer) =>
  INPUT_NAMES.map((input, i) => {
    const range = 10 * 2 ** (4 * layer + i);
    return {
      name: `model.layers.${layer}.${input}`,
      layer,
      input,
      followsNorm: input === "qkv" || input === "up",
      range,
      smallest: 0,
      median: range / 4,
      equalizedRange: range / 2,
      equalizedSmallest: 0,
      channelAbsmax: Float32Array.of(range, range / 2, range / 4, 0),
      factors: undefined,
    };
  }),
);
const analyze = (words: string[]) =>
  runCli(["analyze", "m", ...words], { library: { analyze: () => Promise.resolve(ANALYSIS) } });

test("the table has a row per layer input with the policy it leads to, then the ranges over all layers", async () => {
  const { code, stdout } = await analyze([]);
  assert.is(code, 0);
  const lines = stdout.trimEnd().split("\n");
  assert.is(lines.length, 1 + 8 + 1 + 1 + 4 + 2);
  const ends = lines.slice(1, 9).map((line) => line.split(/ +/).at(-1));
  const count = (policy: string) => ends.filter((end) => end === policy).length;
  assert.ok(count("static") > 0 && count("lae+static") > 0 && count("dynamic") > 0);
  const counts = `${count("static")} static, ${count("lae+static")} equalized, ${count("dynamic")} dynamic`;
  assert.is(lines.at(-1), `8 layer inputs: ${counts} (v0 = 15, v1 = 150)`);
  // Their points stand below each other.
  assert.is(new Set(lines.slice(1, 9).map((line) => /^\S+ +\S+ +\d+(?=\.| )/.exec(line)![0].length)).size, 1);
  assert.match(lines[1]!, /^model\.layers\.0\.qkv +0 +2\.50 +10\.0 +5\.00 +static$/);
  assert.match(lines[3]!, /^model\.layers\.0\.up .* lae\+static$/);
  assert.match(lines[8]!, /^model\.layers\.1\.down .* dynamic$/);
  assert.match(lines[11]!, /^qkv +0 +160/);
});

test("on a terminal policies have colours, unless they are off, and names are short where columns are few", async () => {
  const library = { analyze: () => Promise.resolve(ANALYSIS) };
  const { stdout } = await runCli(["analyze", "m"], { library, columns: 60 });
  assert.ok(stdout.includes(styled("green", "static")));
  const plain = stripVTControlCharacters(stdout).split("\n").slice(0, 10); // prettier-ignore
  assert.equal(plain.filter((line) => line.length > 60), []); // prettier-ignore
  for (const [words, environment] of [
    [["--no-color"], {}],
    [[], { NO_COLOR: "1" }],
    [[], { TERM: "dumb" }],
  ] as const) {
    const off = await runCli(["analyze", "m", ...words], { library, columns: 120, environment });
    assert.is(off.stdout, stripVTControlCharacters(off.stdout));
    assert.match(off.stdout, /^model\.layers\.0\.qkv /m);
  }
});

test("--json is one document, with channels on request; thresholds change the policy", async () => {
  const document = JSON.parse((await analyze(["--json", "--v0", "1", "--v1", "5"])).stdout);
  assert.equal(document.layers[0], { name: "model.layers.0.qkv", smallest: 0, median: 2.5, range: 10, equalized_range: 5, policy: "dynamic" }); // prettier-ignore
  assert.equal(
    document.summary.map((row: { input: string }) => row.input),
    [...INPUT_NAMES],
  );
  assert.equal(document.policies, { static: 0, equalized: 0, dynamic: 8 });
  const channels = JSON.parse((await analyze(["--json", "--channels"])).stdout);
  assert.equal(channels.layers[1].channel_absmax, [20, 10, 5, 0]);
});

test("--svg draws a line and a dot per layer input, and both thresholds", async () => {
  const path = join(folder, "ranges.svg");
  const { code, stderr } = await analyze(["--svg", path]);
  assert.is(code, 0);
  assert.match(stderr, /wrote .*ranges\.svg/);
  const svg = parseSvg(path);
  assert.is(svg.querySelectorAll("g[aria-label=line] path").length, 4);
  assert.is(svg.querySelectorAll("g[aria-label=dot] circle").length, 8);
  assert.match(svg.textContent, /v0 = 15.*v1 = 150/);
  for (const input of INPUT_NAMES) assert.ok(svg.textContent.includes(input));
  assert.not.match(svg.outerHTML, /NaN|Infinity/);
});

test("--svg-channels draws one small figure per input and layer", async () => {
  const path = join(folder, "channels.svg");
  await analyze(["--svg-channels", path, "--layers", "1"]);
  const svg = parseSvg(path);
  assert.is(svg.querySelectorAll("g[aria-label=line] path").length, 4);
  assert.ok(svg.textContent.includes("layer 1"));
  assert.not.ok(svg.textContent.includes("layer 0"));
  assert.not.match(svg.outerHTML, /NaN|Infinity/);
});

test("a layer that is not there, and a figure that cannot be written, are named", async () => {
  const beyond = await analyze(["--svg-channels", join(folder, "x.svg"), "--layers", "0,2"]);
  assert.is(beyond.code, 1);
  assert.match(beyond.stderr, /--layers: got 2, need layers from 0 to 1/);
  const unwritable = await analyze(["--svg", join(folder, "no", "x.svg")]);
  assert.is(unwritable.code, 1);
  assert.match(unwritable.stderr, /--svg .*x\.svg: cannot be written/);
});

test("without the packages that draw, the one that is missing is named, and how to install it", async () => {
  // A variable: the type checker looks for a name in quotes.
  const absent = "a-package-that-is-not-installed";
  const error = await loadFigures("--svg", () => import(absent)).catch((reason: unknown) => reason);
  assert.instance(error, CapabilityError);
  assert.is((error as Error).message, `--svg: got no ${absent}, need it to draw: npm install @observablehq/plot linkedom`);
  const other = new TypeError("broken");
  assert.is(await loadFigures("--svg", () => Promise.reject(other)).catch((reason: unknown) => reason), other);
});

test("what only figures need is an optional peer that this repository installs for itself", () => {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as Record<string, object>;
  for (const name of ["@observablehq/plot", "linkedom"]) {
    assert.not.ok(name in manifest["dependencies"]!, name);
    assert.ok(name in manifest["devDependencies"]! && name in manifest["peerDependencies"]!, name);
    assert.equal((manifest["peerDependenciesMeta"] as Record<string, unknown>)[name], { optional: true });
  }
});

function parseSvg(path: string): SVGElement {
  const text = readFileSync(path, "utf8");
  assert.match(text, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  return parseHTML(`<body>${text}</body>`).document.querySelector("svg") as unknown as SVGElement;
}

test.run();
