import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCli } from "./command-harness.ts";
import { FakeModel } from "./fake-model.ts";

const test = suite("arguments");
const RUN = ["run", "-m", "m", "-p", "x"];

// Wrong command lines: exit 2, nothing on stdout, and a word of help where there is one.
for (const [words, expected] of [
  [["run", "--tmep", "0"], /unknown option '--tmep'\n\(Did you mean --temp\?\)/],
  [["run", "--modle", "m"], /Did you mean --model\?/],
  [["qantize"], /unknown command 'qantize'\n\(Did you mean quantize\?\)/],
  [[...RUN, "-ctx", "q8"], /unknown option '-ctx'\n\(Did you mean -ctk\?\)/],
  [[...RUN, "-sts"], /Did you mean -st\?/],
  [[...RUN, "-verbose"], /unknown option '-verbose'\n\(Did you mean --verbose\?\)/],
  [[...RUN, "-ngl", "99"], /unknown option '-ngl'\n\(fptq computes on the CPU only/],
  [[...RUN, "-cnv"], /fptq chat/],
  [["run", "-p", "x"], /required option '-m, --model <source>' not specified/],
  [["run", "-m", "m"], /prompt: got nothing, need -p TEXT or -f FILE/],
  [[...RUN, "-f", "file"], /'-p, --prompt <text>' cannot be used with option '-f, --file <path>'/],
  [[...RUN, "-sys", "Be brief."], /-sys: got a system message without -st, need -st/],
  [[...RUN, "-n", "ten"], /'-n, --predict <n>' argument 'ten' is invalid. Expected an integer of at least -1/],
  [[...RUN, "-n", "-2"], /Expected an integer of at least -1/],
  [[...RUN, "-n", "1e3"], /Expected an integer/],
  [[...RUN, "-n", ""], /Expected an integer/],
  [[...RUN, "-s", "4294967296"], /Expected an integer from -1 to 4294967295/],
  [[...RUN, "--temp", "-0.1"], /Expected a number of at least 0/],
  [[...RUN, "--temp", "Infinity"], /Expected a number of at least 0/],
  [[...RUN, "--temp", "0x1"], /Expected a number of at least 0/],
  [[...RUN, "--top-p", "1.5"], /Expected a number from 0 to 1/],
  [[...RUN, "-c", "0"], /Expected an integer of at least 1/],
  [
    [...RUN, "-ctk", "q4_0"],
    /'-ctk, --cache-type-k <f32\|q8\|q8t>' argument 'q4_0' is invalid. Allowed choices are f32, q8, q8t/,
  ],
  [[...RUN, "-r", ""], /'-r, --reverse-prompt <text>' argument '' is invalid. It is empty/],
  [["quantize", "s"], /required option '-o, --output <dir>' not specified/],
  [
    ["quantize", "s", "-o", "d", "--override", "x=loose"],
    /got policy "loose", need static, dynamic, none, or one of them after lae\+/,
  ],
  [["quantize", "-o", "d"], /missing required argument 'source'/],
  [["quantize", "s", "-o", "d", "--group-size", "48"], /Allowed choices are 32, 64, 128/],
  [["quantize", "s", "-o", "d", "--embedding", "f8"], /Allowed choices are q8, f16/],
  [["quantize", "s", "-o", "d", "--embedding", "f166"], /\n\(Did you mean f16\?\)/],
  [["quantize", "s", "-o", "d", "--recipe", "fptq-bset"], /Allowed choices are fptq, [^]*\n\(Did you mean fptq-best\?\)/],
  [["quantize", "s", "-o", "d", "--folds", "key,vlaue"], /\n\(Did you mean value\?\)/],
  [["bench", "-m", "m", "--build", "relaxd"], /\n\(Did you mean relaxed\?\)/],
  [["inspect", "a", "b"], /too many arguments/],
  [["analyze", "s", "--layers", "1,x"], /Expected layer numbers with commas between/],
  [[], /no command[^]*Usage: fptq/],
] as const) {
  test(`fptq ${words.join(" ")}: exit 2`, async () => {
    const { code, stdout, stderr } = await runCli(words);
    assert.is(code, 2);
    assert.is(stdout, "");
    assert.match(stderr, /^error: /);
    assert.match(stderr, expected);
  });
}

test("arguments in llama.cpp's spelling and their long names mean the same", async () => {
  const short = await options(["-m", "m", "-c", "64", "-ctk", "f32", "-ctv", "q8", "-st", "-sys", "S", "-p", "-st", "-n", "-1"]);
  const long = await options(["--model", "m", "--ctx-size", "64", "--cache-type-k", "f32", "--cache-type-v", "q8", "--single-turn", "--system-prompt", "S", "--prompt", "-st", "--predict", "-1"]); // prettier-ignore
  assert.equal(short, long);
  assert.equal(short.load.kvCache, { k: "f32", v: "q8" });
  assert.is(short.load.contextSize, 64);
  assert.is(short.generate.maxTokens, undefined);
  // "-st" as the value of -p is text, not an option.
  assert.equal(short.prompt, [
    { role: "system", content: "S" },
    { role: "user", content: "-st" },
  ]);
});

test("sampling that is not given is left to the model and the library; 128 tokens at most", async () => {
  const { load, generate } = await options(["-m", "m", "-p", "x"]);
  assert.equal(load.kvCache, {});
  assert.is(load.head, undefined);
  assert.equal(
    [
      generate.maxTokens,
      generate.temperature,
      generate.topK,
      generate.topP,
      generate.minP,
      generate.repeatPenalty,
      generate.seed,
    ],
    [128, undefined, undefined, undefined, undefined, undefined, undefined],
  );
});

test("-s -1 asks for a random seed, 0 is a seed", async () => {
  assert.is((await options(["-m", "m", "-p", "x", "-s", "-1"])).generate.seed, undefined);
  assert.is((await options(["-m", "m", "-p", "x", "-s", "0"])).generate.seed, 0);
});

test("escapes in -p, -sys and -r are carried out unless --no-escape", async () => {
  const words = ["-m", "m", "-st", "-p", String.raw`a\nb\x41\\\q`, "-sys", String.raw`\t`, "-r", String.raw`\n\n`];
  const escaped = await options(words);
  assert.equal(escaped.prompt, [
    { role: "system", content: "\t" },
    { role: "user", content: "a\nbA\\\\q" },
  ]);
  assert.equal(escaped.generate.stop, ["\n\n"]);
  const verbatim = await options([...words, "--no-escape", "-r", "second"]);
  assert.equal(verbatim.generate.stop, [String.raw`\n\n`, "second"]);
});

test("help goes to stdout, names every option as llama.cpp does, and gives examples", async () => {
  for (const command of ["quantize", "run", "chat", "ppl", "inspect", "analyze"]) {
    const { code, stdout, stderr } = await runCli([command, "--help"]);
    assert.is(code, 0);
    assert.is(stderr, "");
    assert.match(stdout, new RegExp(`^Usage: fptq ${command} `));
    assert.match(stdout, /Examples:\n  (fptq|printf)/);
  }
  const { stdout } = await runCli(["run", "--help"]);
  for (const name of ["-ctk, --cache-type-k", "-ctv, --cache-type-v", "-st, --single-turn", "-sys, --system-prompt"]) {
    assert.ok(stdout.includes(`  ${name}`), name);
  }
  assert.not.match(stdout, /--ctk|--st,/);
});

test("--version prints the version", async () => {
  assert.equal(await runCli(["--version"]), { code: 0, stdout: "1.2.3\n", stderr: "" });
});

/** What `fptq run` makes of its arguments. */
async function options(words: readonly string[]) {
  const model = new FakeModel();
  let load: Record<string, unknown> = {};
  const { code, stderr } = await runCli(["run", ...words], {
    library: {
      loadModel: (path, { signal: _signal, onProgress: _onProgress, onWarning: _onWarning, ...rest } = {}) => {
        load = { path, ...rest };
        return Promise.resolve(model);
      },
    },
  });
  assert.is(code, 0, stderr);
  const { signal: _signal, ...generate } = model.options[0]!;
  return { load, generate, prompt: model.prompts[0]! };
}

test.run();
