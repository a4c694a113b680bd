/**
 * The commands over the real library and a tiny model: what they print, what they write, what they refuse.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tinyModel } from "../tiny-model.ts";
import { runCli } from "./command-harness.ts";

const SEED = 11;
const test = suite(`end to end (seed ${SEED})`);
const root = fileURLToPath(new URL("../..", import.meta.url));
const parent = mkdtempSync(join(tmpdir(), "fptq-end-to-end-"));
const source = join(parent, "model");
const quantized = join(parent, "quantized");
const text = join(parent, "text.txt");
mkdirSync(source);
for (const [fileName, { bytes }] of tinyModel(SEED).files) writeFileSync(join(source, fileName), bytes);
writeFileSync(
  text,
  "the cat sat on the mat and the dog ran to the other end of the house where there was a red ball. ".repeat(20),
);

const library = await import("../../src/index.ts");
const fptq = (...words: string[]) => runCli(words, { library });
const CALIBRATION = ["--samples", "2", "-c", "64"];

/** `fptq run --json` of the quantized model. */
const run = async (...words: string[]) => {
  const { code, stdout, stderr } = await fptq(
    "run",
    "-m",
    quantized,
    "-p",
    "the cat",
    "-n",
    "8",
    "--ignore-eos",
    "--json",
    ...words,
  );
  assert.is(code, 0, stderr);
  return JSON.parse(stdout);
};

/** `fptq ppl --json` of two chunks of the text. */
const ppl = async (model: string) => {
  const { code, stdout, stderr } = await fptq("ppl", "-m", model, "-f", text, "-c", "64", "--chunks", "2", "--json");
  assert.is(code, 0, stderr);
  assert.match(stderr, /\[1\]\d+\.\d{4},\[2\]\d+\.\d{4},\n/);
  return JSON.parse(stdout);
};

test("quantize --json reports every layer input and writes a checkpoint", async () => {
  const { code, stdout, stderr } = await fptq(
    "quantize",
    source,
    "-o",
    quantized,
    "--json",
    "--calibration",
    text,
    ...CALIBRATION,
  );
  assert.is(code, 0, stderr);
  const report = JSON.parse(stdout);
  assert.equal(Object.keys(report), [
    "recipe",
    "layers",
    "bits_per_weight",
    "kept",
    "distillation",
    "simulated",
    "static_share",
    "seconds",
    "stages",
  ]);
  assert.is(report.layers.length, 3 * 4);
  for (const layer of report.layers) {
    const errors = ["weight_nmse", "nearest_weight_nmse", "output_nmse", "nearest_output_nmse", "kept_share"];
    assert.equal(Object.keys(layer), ["name", "range", "policy", "input_scale"].concat(errors));
    assert.is(layer.policy === "dynamic", layer.input_scale === null);
    assert.ok(layer.range > 0 && layer.weight_nmse > 0);
  }
  assert.ok(existsSync(join(quantized, "config.json")));
});

for (const [activations, title] of [
  ["fp8", "E4M3"],
  ["fp8-e5m2", "E5M2"],
] as const) {
  test(`--activations ${activations}: every report says that they are simulated, and perplexity is near that of float`, async () => {
    const folder = join(parent, activations);
    const note = `${activations} activations (${title}) are simulated: rounded exactly, multiplied in float32`;
    const options = ["--recipe", "rtn", "--activations", activations, "--weights", "int8", "--calibration", text, ...CALIBRATION];
    const { code, stderr } = await fptq("quantize", source, "-o", folder, ...options);
    assert.is(code, 0, stderr);
    assert.ok(stderr.includes(note), stderr);
    const stored = JSON.parse(readFileSync(join(folder, "quantization-report.json"), "utf8"));
    assert.is(stored.simulated, note);

    const { stdout } = await fptq("inspect", folder);
    assert.ok(stdout.includes(`simulated        ${note}`), stdout);
    assert.match(stdout, new RegExp(`^ +0 {2}${activations} +${activations} +${activations} +${activations}$`, "m"));
    const description = JSON.parse((await fptq("inspect", folder, "--json")).stdout);
    assert.is(description.quantized.simulated, note);
    assert.equal(description.policy[0].down, { policy: activations, input_scale: null });

    const measured = await fptq("ppl", "-m", folder, "-f", text, "-c", "64", "--chunks", "2", "--json");
    assert.is(measured.stderr.split(note).length, 2, measured.stderr);
    const ratio = JSON.parse(measured.stdout).ppl / (await ppl(source)).ppl;
    assert.ok(ratio > 0.9 && ratio < 1.1 && ratio !== 1, `${ratio}`);
  });
}

test("an output folder that exists is refused without --force, before any work, and left as it is", async () => {
  const before = readFileSync(join(quantized, "config.json"));
  const { code, stdout, stderr } = await fptq("quantize", source, "-o", quantized, ...CALIBRATION);
  assert.is(code, 1);
  assert.is(stdout, "");
  assert.match(stderr, /quantized: got a folder with files in it, need .* or --force to replace it$/m);
  assert.equal(readFileSync(join(quantized, "config.json")), before);
  assert.is((await fptq("quantize", source, "-o", quantized, "--force", "--calibration", text, ...CALIBRATION)).code, 0);
});

test("an output folder that cannot be written is named, and nothing is left behind", async () => {
  const { code, stderr } = await fptq("quantize", source, "-o", join(text, "out"), ...CALIBRATION);
  assert.is(code, 1);
  assert.match(stderr, /error: .*text\.txt/);
});

test("a calibration text that is too short names what it has and needs", async () => {
  const { code, stderr } = await fptq(
    "quantize",
    source,
    "-o",
    join(parent, "short"),
    "--calibration",
    text,
    "--samples",
    "9999",
  );
  assert.is(code, 1);
  assert.match(stderr, /text\.txt: got \d+ tokens, need \d+ \(9999 samples of \d+\); --samples \d+ would fit/);
  assert.not.ok(existsSync(join(parent, "short")));
});

test("run --json gives text and ids; a seed gives them again", async () => {
  const first = await run("-s", "5");
  assert.equal(Object.keys(first), ["text", "tokens", "prompt_tokens", "prefill", "decode", "drafts", "stop"]);
  assert.equal(Object.keys(first.prefill), ["ms", "tokens_per_second"]);
  assert.is(first.tokens.length, 8);
  assert.is(first.stop, "length");
  assert.equal((await run("-s", "5")).tokens, first.tokens);
  assert.equal((await run("--temp", "0", "-t", "1")).tokens, (await run("--temp", "0", "-t", "2")).tokens);
});

test("every precision of cache and head runs; an int8 cache of an unquantized model has its own scales", async () => {
  const words = ["-p", "the cat", "-n", "2", "--temp", "0", "--ignore-eos"];
  for (const precisions of [
    ["-ctk", "f32"],
    ["-ctv", "f32"],
    ["-ctk", "f32", "-ctv", "f32", "--head", "f32"],
    ["-ctk", "q8t", "-ctv", "q8t"],
    ["--head", "q8"],
  ]) {
    assert.is((await fptq("run", "-m", quantized, ...words, ...precisions)).code, 0, precisions.join(" "));
  }
  const { code, stderr } = await fptq("run", "-m", source, ...words, "-ctk", "q8", "-v");
  assert.is(code, 0);
  assert.match(stderr, /cache \(q8t and f32\) /);
});

test("a prompt longer than the context is refused with both numbers", async () => {
  const { code, stderr } = await fptq("run", "-m", quantized, "-f", text, "-c", "32", "--no-display-prompt");
  assert.is(code, 1);
  assert.match(stderr, /\d+ tokens.*32/);
});

test("chat answers through the model's template", async () => {
  const { code, stdout, stderr } = await runCli(["chat", "-m", quantized, "-n", "4", "--temp", "0"], {
    library,
    input: "the cat\n/reset\nthe cat\n",
  });
  assert.is(code, 0, stderr);
  const [first, second] = stdout.split("\n");
  assert.is(first, second);
});

test("ppl --json has both rules; quantizing costs little, and as many tokens are scored", async () => {
  const [w4a8, f32] = [await ppl(quantized), await ppl(source)];
  assert.equal(Object.keys(w4a8), ["ppl", "ppl_all_positions", "chunks", "tokens"]);
  assert.is(w4a8.chunks, 2);
  assert.is(w4a8.tokens, 128);
  assert.is(f32.tokens, 128);
  assert.not.equal(w4a8.ppl, f32.ppl);
});

test("inspect and analyze agree with the report on the policy", async () => {
  const report = JSON.parse(readFileSync(join(quantized, "quantization-report.json"), "utf8"));
  const inspected = JSON.parse((await fptq("inspect", quantized, "--json")).stdout);
  const analyzed = JSON.parse((await fptq("analyze", source, "--json", "--calibration", text, ...CALIBRATION)).stdout);
  const expected = report.layers.map((layer: { policy: string }) => layer.policy);
  assert.equal(
    analyzed.layers.map((layer: { policy: string }) => layer.policy),
    expected,
  );
  assert.equal(
    inspected.policy.flatMap((layer: Record<string, { policy: string }>) =>
      ["qkv", "o", "up", "down"].map((input) => layer[input]!.policy),
    ),
    expected,
  );
});

test("Ctrl-C during quantization: exit 130, and no trace of the output folder", async () => {
  const folder = join(parent, "interrupted");
  mkdirSync(folder);
  // Far more calibration than anyone waits for, so that the signal always arrives in the middle of it.
  const words = [
    "--import",
    "tsx",
    "src/cli/main.ts",
    "quantize",
    source,
    "-o",
    join(folder, "out"),
    "--samples",
    "2000",
    "-c",
    "256",
  ];
  const child = spawn(process.execPath, words, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  while (readdirSync(folder).length === 0 && child.exitCode === null) await sleep(20);
  assert.is(child.exitCode, null, stderr);
  child.kill("SIGINT");
  assert.is(await ended, 130, stderr);
  assert.match(stderr, /interrupted/);
  assert.equal(readdirSync(folder), []);
});

test.run();
