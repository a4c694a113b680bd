import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { QuantizeOptions } from "../../src/index.ts";
import type { QuantizationReport } from "../../src/quantizer/report.ts";
import { runCli } from "./command-harness.ts";

const test = suite("quantize");
const folder = mkdtempSync(join(tmpdir(), "fptq-quantize-"));
const LAYERS = [
  { name: "model.layers.0.qkv", range: 12.5, policy: "static" as const, input_scale: 0.0984, weight_nmse: 0.0061 },
  { name: "model.layers.0.down", range: 3384.7, policy: "dynamic" as const, input_scale: null, weight_nmse: 0.0072 },
];
/** What is printed, and some of what only the report file carries. */
const REPORT = {
  format_version: 1,
  source: "model.gguf",
  layers: LAYERS.map((layer) => Object.assign({ group_size: 64, weight_sqnr_db: 22 }, layer)),
  bits_per_weight: 4.876,
  seconds: 41.23,
} as unknown as QuantizationReport;

async function quantize(words: string[]) {
  const calls: { source: string; options: QuantizeOptions }[] = [];
  const outcome = await runCli(["quantize", "model.gguf", "-o", "out", ...words], {
    library: {
      quantize: (source, options) => {
        calls.push({ source: source as string, options });
        return Promise.resolve(REPORT);
      },
    },
  });
  return { ...outcome, calls };
}

test("prints the table on stdout and what to do next on stderr", async () => {
  const { code, stdout, stderr } = await quantize([]);
  assert.is(code, 0);
  assert.equal(stdout.trimEnd().split("\n"), [
    "layer input          range  policy   input scale  weight NMSE",
    "model.layers.0.qkv    12.5  static        0.0984      0.00610",
    "model.layers.0.down   3385  dynamic    per token      0.00720",
  ]);
  assert.match(stderr, /wrote out: 4\.88 bits per weight in the layers, took 41\.2 s/);
});

test("--json is the report with the keys that are promised", async () => {
  const { stdout } = await quantize(["--json"]);
  assert.equal(JSON.parse(stdout), { layers: LAYERS, bits_per_weight: 4.876, seconds: 41.23 });
});

test("without a calibration file: random tokens from a seed, and stderr says so", async () => {
  const { stderr, calls } = await quantize(["-s", "7"]);
  assert.match(stderr, /no --calibration FILE: calibrating with random tokens, seed 7 .*\na text like what the model will see/);
  assert.equal(calls[0]!.options.calibration, { kind: "random", seed: 7 });
});

test("a calibration file is handed on with its name, which says whether it is JSON lines", async () => {
  const text = join(folder, "valid.txt");
  const lines = join(folder, "valid.jsonl");
  writeFileSync(text, "Some text.\n");
  writeFileSync(lines, '{"text":"One."}\n{"text":"Two."}\n');
  assert.equal((await quantize(["--calibration", text])).calls[0]!.options.calibration, { kind: "text", text: "Some text.\n", name: "valid.txt" }); // prettier-ignore
  assert.equal((await quantize(["--calibration", lines])).calls[0]!.options.calibration, { kind: "text", text: '{"text":"One."}\n{"text":"Two."}\n', name: "valid.jsonl" }); // prettier-ignore
});

test("a calibration file that is missing is named, and nothing is quantized", async () => {
  const { code, stdout, stderr, calls } = await quantize(["--calibration", join(folder, "missing.txt")]);
  assert.is(code, 1);
  assert.is(stdout, "");
  assert.match(stderr, /--calibration .*missing\.txt: cannot be read: there is no such file/);
  assert.is(calls.length, 0);
});

test("recipe options reach the library as given, and are left to the recipe where not", async () => {
  const { calls } = await quantize(["--recipe", "rtn", "--group-size", "64", "--embedding", "f16", "--samples", "3", "-c", "128", "--force"]); // prettier-ignore
  const {
    signal: _signal,
    onProgress: _onProgress,
    onWarning: _onWarning,
    calibration: _calibration,
    ...options
  } = calls[0]!.options;
  assert.equal(options, {
    output: "out",
    force: true,
    recipe: "rtn",
    groupSize: 64,
    v0: undefined,
    v1: undefined,
    alpha: undefined,
    overrides: undefined,
    embedding: "f16",
    samples: 3,
    contextSize: 128,
    threads: undefined,
  });
  const thresholds = await quantize(["--v0", "10", "--v1", "1e2", "--alpha", ".5"]);
  const { v0, v1, alpha } = thresholds.calls[0]!.options;
  assert.equal({ v0, v1, alpha }, { v0: 10, v1: 100, alpha: 0.5 });
});

test.run();
