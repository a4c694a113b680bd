import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AbortError, CheckpointError } from "../../src/errors.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { runCli } from "./command-harness.ts";
import { FakeModel, RESULT } from "./fake-model.ts";

const test = suite("run");
const folder = mkdtempSync(join(tmpdir(), "fptq-run-"));
const loading = (model: FakeModel) => ({ library: { loadModel: () => Promise.resolve(model) } });

test("prints prompt and text on stdout, timings on stderr as llama.cpp does", async () => {
  const model = new FakeModel();
  const { code, stdout, stderr } = await runCli(["run", "-m", "m", "-p", "The capital is "], loading(model));
  assert.is(code, 0);
  assert.is(stdout, "The capital is Paris. It\n");
  assert.match(
    stderr,
    /^prompt eval time = {6}20\.00 ms \/ {5}5 tokens \( {4}4\.00 ms per token, {3}250\.00 tokens per second\)$/m,
  );
  assert.match(
    stderr,
    /^ {7}eval time = {6}25\.00 ms \/ {5}2 runs {3}\( {3}12\.50 ms per token, {4}80\.00 tokens per second\)$/m,
  );
  assert.match(stderr, /stop = length, seed 42/);
  assert.not.match(stderr, /draft/);
  assert.is(model.disposed, 1);
});

test("the form of a text: a schema or a grammar, given or in a file", async () => {
  const [schema, grammar] = [{ type: "integer" }, 'root ::= "a"'];
  const files = { schema: join(folder, "schema.json"), grammar: join(folder, "list.gbnf") };
  writeFileSync(files.schema, JSON.stringify(schema));
  writeFileSync(files.grammar, grammar);
  const model = new FakeModel();
  const run = (...words: string[]) => runCli(["run", "-m", "m", "-p", "x", ...words], loading(model));
  for (const words of [
    ["-j", JSON.stringify(schema)],
    ["-jf", files.schema],
  ]) {
    assert.is((await run(...words)).code, 0);
    assert.equal(model.options.at(-1)!.responseFormat, { type: "json_schema", json_schema: { schema } });
  }
  for (const words of [
    ["--grammar", grammar],
    ["--grammar-file", files.grammar],
  ]) {
    assert.is((await run(...words)).code, 0);
    assert.is(model.options.at(-1)!.grammar, grammar);
  }
  assert.match((await run("-j", "{")).stderr, /--json-schema: got "\{", need a JSON schema/);
  assert.is((await run("-j", "{}", "--grammar", grammar)).code, 2);
});

test("--draft-max reaches the generation, and what came of drafts stands beside the timings", async () => {
  const model = new FakeModel();
  model.result = { ...RESULT, drafts: { drafted: 297, accepted: 171 } };
  const { stderr } = await runCli(["run", "-m", "m", "-p", "x", "--draft-max", "24"], loading(model));
  assert.is(model.options[0]!.draftMax, 24);
  // As llama.cpp's server has it.
  assert.match(stderr, /^draft acceptance rate = 0\.57576 \( {2}171 accepted \/ {3}297 generated\)$/m);
  await runCli(["run", "-m", "m", "-p", "x"], loading(model));
  assert.is(model.options[1]!.draftMax, undefined);
  assert.is((await runCli(["run", "-m", "m", "-p", "x", "--draft-max", "-1"], loading(model))).code, 2);
});

test("-v says what the time to the first text went into", async () => {
  const model = new FakeModel();
  const quiet = await runCli(["run", "-m", "m", "-p", "x"], loading(model));
  assert.not.match(quiet.stderr, /start:/);
  const { stderr } = await runCli(["run", "-m", "m", "-p", "x", "-v"], loading(model));
  const line = /^start: command (.+), code .+ ms, model .+ ms, first text .+ ms: ready after (.+), first text after (.+)$/m;
  const inMs = (time: string) => Number.parseFloat(time) * (time.endsWith(" ms") ? 1 : 1000);
  const [command, ready, text] = (line.exec(stderr) ?? []).slice(1).map(inMs);
  assert.ok(command! > 0 && command! <= ready! && ready! <= text!, stderr);
  model.pieces = [];
  assert.match(
    (await runCli(["run", "-m", "m", "-p", "x", "-v"], loading(model))).stderr,
    /^start: .+: ready after [\d.]+ m?s; no text$/m,
  );
});

test("options of the model reach the loader; a value it cannot mean is exit 2 with the option's name", async () => {
  const asked: (LoadOptions | undefined)[] = [];
  const library = {
    loadModel: (_: unknown, options?: LoadOptions) => {
      asked.push(options);
      return Promise.resolve(new FakeModel());
    },
  };
  await runCli(
    [
      "run",
      "-m",
      "m",
      "-p",
      "x",
      "-t",
      "2",
      "-c",
      "99",
      "--build",
      "simd128",
      "-ctk",
      "f32",
      "--head",
      "q8",
      "--poll",
      "0",
      "--memory-limit",
      "1.5G",
    ],
    {
      library,
    },
  );
  const { threads, contextSize, build, kvCache, head, poll, memoryLimit } = asked[0]!;
  assert.equal({ threads, contextSize, build, kvCache, head, poll, memoryLimit }, { threads: 2, contextSize: 99, build: "simd128", kvCache: { k: "f32" }, head: "q8", poll: 0, memoryLimit: 1.5 * 2 ** 30 }); // prettier-ignore
  for (const [option, value] of [
    ["-t", "0"],
    ["-t", "65"],
    ["-c", "0"],
    ["--build", "avx"],
    ["--head", "q4"],
    ["--memory-limit", "0"],
    ["--memory-limit", "4 TB"],
  ] as const) {
    // prettier-ignore
    const { code, stdout, stderr } = await runCli(["run", "-m", "m", "-p", "x", option, value], { library });
    assert.is(code, 2, `${option} ${value}`);
    assert.is(stdout, "");
    assert.ok(stderr.includes(option), stderr);
  }
  assert.is(asked.length, 1);
});

test("prints the text only with --no-display-prompt, and in a single turn", async () => {
  for (const words of [["--no-display-prompt"], ["-st"]]) {
    const { stdout } = await runCli(["run", "-m", "m", "-p", "The capital is ", ...words], loading(new FakeModel()));
    assert.is(stdout, "Paris. It\n");
  }
});

test("--json is one document with the keys that are promised, and no prompt before it", async () => {
  const { code, stdout, stderr } = await runCli(["run", "-m", "m", "-p", "x", "--json"], loading(new FakeModel()));
  assert.is(code, 0);
  assert.is(stderr, "");
  assert.match(stdout, /^ {2}"tokens": \[7, 8, 9\],$/m);
  assert.equal(JSON.parse(stdout), {
    text: RESULT.text,
    tokens: [7, 8, 9],
    prompt_tokens: 5,
    prefill: { ms: 20, tokens_per_second: 250 },
    decode: { ms: 25, tokens_per_second: 80 },
    drafts: { drafted: 0, accepted: 0 },
    stop: "length",
  });
});

test("-f reads the prompt from a file or from stdin, byte for byte", async () => {
  const path = join(folder, "prompt.txt");
  writeFileSync(path, "Déjà\\n vu\n");
  const model = new FakeModel();
  await runCli(["run", "-m", "m", "-f", path], loading(model));
  await runCli(["run", "-m", "m", "-f", "-"], { ...loading(model), input: "from a pipe" });
  assert.equal(model.prompts, ["Déjà\\n vu\n", "from a pipe"]);
});

test("a prompt file that is missing, a folder or not text is named, before the model is loaded", async () => {
  const binary = join(folder, "binary.txt");
  writeFileSync(binary, Buffer.from([0xff, 0xfe, 0x00]));
  for (const [path, reason] of [
    [join(folder, "missing.txt"), /--file .*missing\.txt: cannot be read: there is no such file/],
    [folder, /it is a folder/],
    [binary, /binary\.txt: got bytes that are not UTF-8, need a UTF-8 text file/],
  ] as const) {
    const { code, stdout, stderr } = await runCli(["run", "-m", "m", "-f", path]);
    assert.is(code, 1);
    assert.is(stdout, "");
    assert.match(stderr, reason);
    assert.not.match(stderr, /at .*\.ts:\d+/);
  }
});

test("an error of the library ends with its message and exit 1; --verbose adds stack and cause", async () => {
  const library = { loadModel: () => Promise.reject(new CheckpointError("m: cut short", { cause: new Error("the cause") })) };
  const brief = await runCli(["run", "-m", "m", "-p", "x"], { library });
  assert.equal(brief, { code: 1, stdout: "", stderr: "error: m: cut short\n" });
  const verbose = await runCli(["run", "-m", "m", "-p", "x", "-v"], { library });
  assert.is(verbose.code, 1);
  assert.match(verbose.stderr, /^error: .*m: cut short\n {4}at /);
  assert.match(verbose.stderr, /caused by: Error: the cause/);
});

test("an aborted run is exit 130, and the model is disposed", async () => {
  const interruption = new AbortController();
  const model = new FakeModel();
  model.beforePiece = (index) => index === 1 && interruption.abort();
  const { code, stdout, stderr } = await runCli(["run", "-m", "m", "-p", ""], { ...loading(model), signal: interruption.signal });
  assert.is(code, 130);
  assert.is(stdout, "Paris");
  assert.match(stderr, /interrupted/);
  assert.is(model.disposed, 1);
  assert.is(
    (await runCli(["run", "-m", "m", "-p", ""], { library: { loadModel: () => Promise.reject(new AbortError("load")) } })).code,
    130,
  );
});

test("--verbose says what was loaded and what it takes", async () => {
  const { stderr } = await runCli(["run", "-m", "m", "-p", "x", "-v"], loading(new FakeModel()));
  assert.match(
    stderr,
    /loaded m in [\d.]+ ms; 1\.88 MiB: weights 1\.00 MiB, cache \(q8 and f32\) 512\.0 KiB, scratch 256\.0 KiB, JavaScript 128\.0 KiB/,
  );
});

test("--verbose says whose the sampling is", async () => {
  const model = new FakeModel();
  model.recommendedSampling = { temperature: 0.2, topP: 0.9 };
  const { stderr } = await runCli(["run", "-m", "m", "-p", "x", "-v", "--top-p", "0.5"], loading(model));
  assert.match(
    stderr,
    /^sampling: temperature 0\.2 \(the model's\), topK 40 \(default\), topP 0\.5 \(given\), minP 0\.05 \(default\), /m,
  );
  assert.is(model.options[0]!.temperature, undefined, "left to the model");
  assert.is(model.options[0]!.topP, 0.5);
});

test.run();
