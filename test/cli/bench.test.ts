import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BenchFlags, crossProduct, integerRanges, testName } from "../../src/cli/bench/bench-options.ts";
import { batchedBenchPrinter } from "../../src/cli/bench/batched-bench-report.ts";
import { benchPrinter, type BenchRecord } from "../../src/cli/bench/bench-report.ts";
import * as fptq from "../../src/index.ts";
import { kernelFiles } from "../../src/host/node.ts";
import { tinyModel } from "../tiny-model.ts";
import { SIMD_BUILDS } from "../kernels/kernel-memory.ts";
import { runCli } from "./command-harness.ts";

const SEED = 71;
const test = suite(`bench (seed ${SEED})`);
const model = mkdtempSync(join(tmpdir(), "fptq-bench-"));
for (const [name, { bytes }] of tinyModel(SEED).files) writeFileSync(join(model, name), bytes);
test.after(() => rmSync(model, { recursive: true, force: true }));

const bench = (...words: string[]) => runCli(["bench", "-m", model, ...words], { library: fptq });

test("ranges as llama-bench reads them", () => {
  const parse = integerRanges(0);
  assert.equal(parse("512"), [512]);
  assert.equal(parse("1,2,4"), [1, 2, 4]);
  assert.equal(parse("1-4"), [1, 2, 3, 4]);
  assert.equal(parse("128-512+128,0"), [128, 256, 384, 512, 0]);
  assert.equal(parse("1-9*2"), [1, 2, 4, 8]);
  assert.equal(parse("3", [1, 2]), [1, 2, 3]);
  for (const wrong of ["", "x", "1,", "4-1", "1-8*1", "1-8+0", "0-8*2", "1.5", "1-2-3", "-1"]) {
    assert.throws(() => parse(wrong), /Expected|does not end|is empty/, wrong);
  }
  assert.throws(() => integerRanges(1, 64)("0"), /from 1 to 64, got 0/);
});

test("every combination once, prompts before generations, lengths of 0 left out", () => {
  const flags: BenchFlags = {
    model: ["a", "b"],
    nPrompt: [512, 0],
    nGen: [128],
    promptGen: [[16, 8]],
    nDepth: [0, 4096],
    threads: [1, 2],
    cacheTypeK: [undefined],
    cacheTypeV: [undefined],
    build: ["simd128", "relaxed"],
  };
  const setups = crossProduct(flags);
  assert.equal(
    setups.map(({ model: name, threads, build }) => `${name}${threads}${build}`),
    ["a1", "a2", "b1", "b2"].flatMap((setup) => [`${setup}simd128`, `${setup}relaxed`]),
  );
  const names = ["pp512", "tg128", "pp16+tg8", "pp512 @ d4096", "tg128 @ d4096", "pp16+tg8 @ d4096"];
  for (const { tests } of setups) assert.equal(tests.map(testName), names);
});

test("md: llama-bench's columns, one row for each test", async () => {
  const { code, stdout, stderr } = await bench("-p", "16", "-n", "4", "-d", "0,8", "-t", "1,2", "-r", "2");
  assert.is(code, 0, stderr);
  const lines = stdout.split("\n");
  const cells = lines.slice(0, 10).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim())); // prettier-ignore
  assert.equal(cells[0], ["model", "size", "params", "backend", "threads", "test", "t/s"]);
  const tests = ["pp16", "tg4", "pp16 @ d8", "tg4 @ d8"];
  assert.equal(
    cells.slice(2).map((row) => [row[4], row[5]]),
    ["1", "2"].flatMap((threads) => tests.map((name) => [threads, name])),
  );
  for (const row of cells.slice(2)) {
    assert.match(row[0]!, /^llama [\d.]+ k F32 as F32$/);
    assert.match(row[6]!, /^\d+\.\d\d ± \d+\.\d\d$/);
  }
  assert.match(stdout, /\nbuild: fptq 1\.2\.3, node \d+\.\d+\.\d+, wasm [0-9a-f]{12}\n$/);
  assert.is(new Set(lines.slice(0, 10).map((line) => line.length)).size, 1, "the table is aligned");
});

test("md on a narrow terminal: the model above, no line too wide", async () => {
  const record = {
    model_type: "llama 134.5 M W4A8 int4 g32", model_size: 2 ** 27, model_n_params: 1e8, backends: "Wasm", simd: "relaxed", n_threads: 2,
    type_k: "q8", type_v: "q8", n_prompt: 512, n_gen: 0, n_depth: 4096, avg_ts: 1234.5, stddev_ts: 1.5,
    build_commit: "1.2.3", runtime: "node", runtime_version: "26.10.0", wasm_sha256: "0123456789abcdef",
  } as unknown as BenchRecord; // prettier-ignore
  for (const columns of [60, 80]) {
    let text = "";
    const printer = benchPrinter("md", (written) => (text += written), ["type_k"], columns);
    for (const model_type of [record.model_type, record.model_type, "other"]) printer.row({ ...record, model_type });
    printer.end();
    assert.equal(text.split("\n").filter((line) => line.length > columns), []); // prettier-ignore
    assert.match(text, /^llama 134\.5 M W4A8 int4 g32, 128\.00 MiB, 100\.00 M, Wasm\s+relaxed\n\n\| threads \| type_k \|/);
    assert.is(text.match(/1234\.50 ± 1\.50/g)!.length, 3);
    assert.is(text.match(/threads/g)!.length, 2);
  }
});

test("-np on a narrow terminal: columns that others say as well are left out", () => {
  for (const [columns, heads] of [
    [100, ["PP", "TG", "B", "N_KV", "T_PP s", "S_PP t/s", "T_TG s", "S_TG t/s", "T s", "S t/s"]],
    [80, ["PP", "TG", "B", "N_KV", "S_PP t/s", "S_TG t/s", "S t/s"]],
    [60, ["PP", "TG", "B", "S_PP t/s", "S_TG t/s", "S t/s"]],
  ] as const) {
    let text = "";
    const printer = batchedBenchPrinter("md", (written) => (text += written), columns);
    printer.model({ model: "m", threads: 1, build: "simd128", cpu: "a processor of a long name, with its frequency and cores" });
    printer.row({ promptTokens: 16, generatedTokens: 4, sequences: 2 }, { promptSeconds: 1, generationSeconds: 2 });
    printer.end();
    const lines = text.trimEnd().split("\n");
    assert.ok(lines.every((line) => line.length <= columns), text); // prettier-ignore
    assert.equal(lines.at(-3)!.split("|").slice(1, -1).map((cell) => cell.trim()), [...heads]); // prettier-ignore
  }
});

test("json and jsonl: llama-bench's keys and ours, with every sample", async () => {
  const words = ["-p", "16", "-n", "4", "-t", "2", "-r", "3"];
  const records = JSON.parse((await bench(...words, "-o", "json")).stdout) as Record<string, unknown>[];
  const lines = (await bench(...words, "-o", "jsonl")).stdout.trimEnd().split("\n");
  assert.is(records.length, 2);
  assert.equal(
    lines.map((line) => Object.keys(JSON.parse(line) as object)),
    records.map((record) => Object.keys(record)),
  );
  const [prompt, generation] = records as [Record<string, unknown>, Record<string, unknown>];
  assert.equal([prompt["n_prompt"], prompt["n_gen"], generation["n_prompt"], generation["n_gen"]], [16, 0, 0, 4]);
  assert.is(prompt["n_threads"], 2);
  assert.is(prompt["runtime"], "node");
  assert.is(prompt["runtime_version"], process.versions.node);
  assert.match(prompt["test_time"] as string, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const digest = createHash("sha256");
  for (const file of kernelFiles(prompt["simd"] as "simd128")) digest.update(readFileSync(file));
  assert.is(prompt["wasm_sha256"], digest.digest("hex"));
  const samples = prompt["samples_ts"] as number[];
  assert.is(samples.length, 3);
  assert.is(prompt["avg_ts"], samples.reduce((sum, value) => sum + value, 0) / 3);
});

test("csv: a header, then a quoted row for each test", async () => {
  const { stdout } = await bench("-p", "8", "-n", "0", "-pg", "8,2", "-r", "1", "-t", "1", "-o", "csv");
  const [header, ...rows] = stdout.trimEnd().split("\n");
  assert.match(header!, /^build_commit,build_number,cpu_info,.*,avg_ts,stddev_ts,runtime,runtime_version,simd,wasm_sha256$/);
  assert.is(rows.length, 2);
  for (const row of rows) assert.is(row.split('","').length, header!.split(",").length);
});

test("-np: llama-batched-bench's table and its keys, one row for each number of sequences", async () => {
  const words = ["-np", "1,3", "-p", "16", "-n", "4", "-t", "1"];
  const { code, stdout, stderr } = await bench(...words);
  assert.is(code, 0, stderr);
  const rows = stdout.split("\n").filter((line) => line.startsWith("|"));
  const cells = rows.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim())); // prettier-ignore
  assert.equal(cells[0], ["PP", "TG", "B", "N_KV", "T_PP s", "S_PP t/s", "T_TG s", "S_TG t/s", "T s", "S t/s"]);
  assert.equal(
    cells.slice(2).map((row) => row.slice(0, 4)),
    [
      ["16", "4", "1", "20"],
      ["16", "4", "3", "60"],
    ],
  );
  assert.is(new Set(rows.map((line) => line.length)).size, 1, "the table is aligned");

  const records = JSON.parse((await bench(...words, "-o", "json")).stdout) as Record<string, number>[];
  assert.equal(
    records.map(({ pl, n_kv }) => [pl, n_kv]),
    [
      [1, 20],
      [3, 60],
    ],
  );
  for (const { pp, tg, pl, n_kv, t_pp, speed_pp, t_tg, speed_tg, t, speed } of records) {
    assert.ok(t_pp! > 0 && t_tg! > 0);
    assert.equal([speed_pp, speed_tg, speed], [(pl! * pp!) / t_pp!, (pl! * tg!) / t_tg!, n_kv! / t!]);
  }
  const lines = (await bench(...words, "-o", "jsonl")).stdout.trimEnd().split("\n");
  assert.equal(
    lines.map((line) => Object.keys(JSON.parse(line) as object)),
    records.map((record) => Object.keys(record)),
  );
});

test("a cache precision that was asked for has a column", async () => {
  const { stdout } = await bench("-p", "8", "-n", "0", "-r", "1", "-t", "1", "-ctk", "f32");
  assert.match(stdout, /\| threads \| type_k \|/);
});

test("bad values are exit 2 with the option's name; a context beyond the model's is exit 1", async () => {
  for (const words of [
    ["-t", "0"],
    ["-np", "0"],
    ["-np", "1025"],
    ["-t", "-2"],
    ["-t", "1,65"],
    ["-r", "0"],
    ["-p", "-1"],
    ["-d", "x"],
    ["-o", "xml"],
    ["--build", "avx"],
  ]) {
    const { code, stdout, stderr } = await bench(...words);
    assert.is(code, 2, words.join(" "));
    assert.is(stdout, "");
    assert.ok(stderr.includes(words[0]!), stderr);
  }
  const { code, stderr } = await bench("-p", "8", "-d", "1000", "-n", "0");
  assert.is(code, 1);
  assert.match(stderr, /contextSize: got 1008, need an integer from 1 to the model's 256/);
});

test("--build is what runs, and what the engine lacks is exit 1", async () => {
  const words = ["-p", "8", "-n", "0", "-r", "1", "-t", "1", "-o", "jsonl"];
  const { stdout } = await bench(...words, "--build", "simd128");
  assert.is((JSON.parse(stdout) as Record<string, unknown>)["simd"], "simd128");
  const relaxed = await bench(...words, "--build", "relaxed");
  if (SIMD_BUILDS.includes("relaxed")) assert.is((JSON.parse(relaxed.stdout) as Record<string, unknown>)["simd"], "relaxed");
  else {
    assert.is(relaxed.code, 1);
    assert.match(relaxed.stderr, /^error: build: relaxed is asked for, and node [\d.]+ cannot load it\n/);
  }
});

test("more threads than the machine has is one warning on stderr", async () => {
  const threads = availableParallelism() + 1;
  const { code, stderr, stdout } = await bench("-p", "1", "-n", "0", "-r", "1", "-t", `${threads}`);
  assert.is(code, 0);
  assert.match(
    stderr,
    new RegExp(`^warning: threads: ${threads} asked for, this machine runs ${threads - 1} at a time[^\\n]*\\n$`),
  );
  assert.match(stdout, new RegExp(`\\| +${threads} \\|`));
});

test.run();
