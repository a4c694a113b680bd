/** `kld`, `lambada`, `choice`: what they ask of the library and what they print. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compareChoices, parseChoiceItems } from "../../src/evaluation/choice.ts";
import { divergenceStatistics } from "../../src/evaluation/divergence-statistics.ts";
import type { KlDivergenceOptions } from "../../src/evaluation/kl-divergence.ts";
import { compareLambada, parseLambadaItems } from "../../src/evaluation/lambada.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { runCli } from "./command-harness.ts";
import { FakeModel } from "./fake-model.ts";

const test = suite("evaluation commands");
const CHOICE = '{"context": "a", "choices": ["b", "c"], "answer": 0}';

test("lambada prints accuracy and perplexity with their errors, and the promised keys as JSON", async () => {
  const model = new FakeModel();
  const library = {
    parseLambadaItems,
    loadModel: () => Promise.resolve(model),
    lambada: (_: unknown, items: readonly unknown[], { limit }: { limit?: number | undefined }) => {
      assert.is(items.length, 1);
      assert.is(limit, 5);
      const accuracy = { value: 0.292, standardError: 0.0204 };
      const targetPerplexity = { value: 56.08, standardError: 7.5 };
      return Promise.resolve({ items: 500, accuracy, targetPerplexity, logLikelihoods: [-4.5, -0.25], solved: [false, true] });
    },
  };
  const run = (...words: string[]) =>
    runCli(["lambada", "-m", "m", "-f", "-", "--limit", "5", ...words], { input: '{"text": "one two"}', library });
  const { code, stdout } = await run();
  assert.is(code, 0);
  assert.is(stdout, "passages           500\naccuracy           29.20 ± 2.04 %\ntarget perplexity  56.0800 ± 7.5000\n");
  assert.equal(JSON.parse((await run("--json")).stdout), {
    accuracy: 0.292,
    accuracy_stderr: 0.0204,
    target_ppl: 56.08,
    target_ppl_stderr: 7.5,
    items: 500,
  });
  const { log_likelihoods, solved, items } = JSON.parse((await run("--log-samples")).stdout);
  assert.equal([items, log_likelihoods, solved], [500, [-4.5, -0.25], [0, 1]]);
  assert.is(model.disposed, 3);
});

test("choice prints both accuracies, and the promised keys as JSON", async () => {
  const result = {
    items: 400,
    accuracy: { value: 0.315, standardError: 0.023 },
    normalizedAccuracy: { value: 0.4225, standardError: 0.0247 },
    logLikelihoods: [[-1.5, -2]],
    solved: [true],
    solvedNormalized: [true],
  };
  const library = {
    parseChoiceItems,
    loadModel: () => Promise.resolve(new FakeModel()),
    multipleChoice: () => Promise.resolve(result),
  };
  const run = (...words: string[]) => runCli(["choice", "-m", "m", "-f", "-", ...words], { input: CHOICE, library });
  assert.is(
    (await run()).stdout,
    "items                400\naccuracy             31.50 ± 2.30 %\nnormalized accuracy  42.25 ± 2.47 %\n",
  );
  assert.equal(JSON.parse((await run("--json")).stdout), {
    accuracy: 0.315,
    accuracy_stderr: 0.023,
    accuracy_norm: 0.4225,
    accuracy_norm_stderr: 0.0247,
    items: 400,
  });
  assert.equal(JSON.parse((await run("--log-samples")).stdout).log_likelihoods, [[-1.5, -2]]);
});

test("lambada and choice compare with a base item by item; the base runs in float32, and is disposed first", async () => {
  const loaded: [string, LoadOptions][] = [];
  const base = new FakeModel();
  const model = new FakeModel();
  const share = (value: number) => ({ value, standardError: 0.25 });
  const library = {
    parseLambadaItems,
    compareLambada,
    parseChoiceItems,
    compareChoices,
    loadModel: (source: string, options: LoadOptions = {}) => {
      loaded.push([source, options]);
      if (source === "m") assert.is(base.disposed, 1);
      return Promise.resolve(source === "m" ? model : base);
    },
    lambada: (asked: unknown) =>
      Promise.resolve({
        items: 4,
        accuracy: share(asked === model ? 0.25 : 0.5),
        targetPerplexity: share(asked === model ? 60 : 50),
        logLikelihoods: asked === model ? [-1, -2, -3, -4] : [-1, -2, -3, -3],
        solved: asked === model ? [true, false, false, false] : [true, true, false, false],
      }),
    multipleChoice: (asked: unknown) =>
      Promise.resolve({
        items: 2,
        accuracy: share(0.5),
        normalizedAccuracy: share(1),
        logLikelihoods: [],
        solved: asked === model ? [true, false] : [false, true],
        solvedNormalized: [true, true],
      }),
  };
  const words = ["-m", "m", "--base", "float", "-f", "-", "-ctk", "q8t", "--head", "f32"];
  const run = async (command: string, input: string, ...more: string[]) => {
    base.disposed = 0;
    return (await runCli([command, ...words, ...more], { input, library })).stdout;
  };
  const passage = '{"text": "one two"}';
  assert.match(await run("lambada", passage), /^base accuracy {6}50\.00 ± 25\.00 %, difference -25\.00 ± 25\.00 %$/m);
  assert.match(await run("lambada", passage), /^base perplexity {4}50\.0000 ± 0\.2500, ratio 1\.2840 ± 0\.3210$/m);
  const document = JSON.parse(await run("lambada", passage, "--json"));
  assert.is(document.base.accuracy, 0.5);
  assert.equal([document.accuracy_difference, document.accuracy_difference_stderr], [-0.25, 0.25]);
  assert.match(await run("choice", CHOICE), /^base accuracy {8}50\.00 ± 25\.00 %, difference 0\.00 ± 100\.00 %$/m);
  const choices = JSON.parse(await run("choice", CHOICE, "--json"));
  assert.equal([choices.accuracy_norm_difference, choices.accuracy_norm_difference_stderr], [0, 0]);
  const [[first, baseOptions], [second, modelOptions]] = loaded as [[string, LoadOptions], [string, LoadOptions]];
  assert.equal([first, baseOptions.weights, baseOptions.head, baseOptions.kvCache], ["float", "f32", undefined, {}]);
  assert.equal([second, modelOptions.weights, modelOptions.head, modelOptions.kvCache], ["m", undefined, "f32", { k: "q8t" }]);
});

test("a file with a mistake is refused with its line, before any model is loaded", async () => {
  const library = { parseChoiceItems, parseLambadaItems };
  const choice = await runCli(["choice", "-m", "m", "-f", "-"], { input: `${CHOICE}\n{"context": "a"}\n`, library });
  assert.is(choice.code, 1);
  assert.match(choice.stderr, /-, line 2: "choices": got nothing/);
  const passage = await runCli(["lambada", "-m", "m", "-f", "-"], { input: "{}", library });
  assert.match(passage.stderr, /-, line 1: "text": got nothing, need a string/);
});

test("kld loads both models, the base as it is stored, and prints llama-perplexity's lines", async () => {
  const loaded: [string, LoadOptions][] = [];
  let asked: KlDivergenceOptions | undefined;
  const statistics = divergenceStatistics({
    losses: [1, 2, 3.5],
    baseLosses: [1, 2, 3],
    divergences: [0, 0.1, 0.5],
    sameTop: [1, 1, 0],
  });
  const library = {
    loadModel: (source: string, options: LoadOptions = {}) => {
      loaded.push([source, options]);
      return Promise.resolve(new FakeModel());
    },
    klDivergence: (_base: unknown, _model: unknown, _text: string, options: KlDivergenceOptions) => {
      asked = options;
      return Promise.resolve({ ...statistics, chunks: 2, tokens: 1024 });
    },
  };
  const words = ["kld", "--base", "float", "-m", "w4a8", "-f", "-", "--chunks", "2", "-ctk", "f32", "--head", "f32", "-t", "1"];
  const { code, stdout, stderr } = await runCli(words, { input: "text", library });
  assert.is(code, 0, stderr);
  assert.equal(
    loaded.map(([source]) => source),
    ["float", "w4a8"],
  );
  const [[, base], [, model]] = loaded as [[string, LoadOptions], [string, LoadOptions]];
  assert.equal([base.head, base.kvCache, base.contextSize, base.threads], [undefined, {}, 512, 1]);
  assert.equal([model.head, model.kvCache, model.contextSize, model.threads], ["f32", { k: "f32" }, 512, 1]);
  assert.is(asked!.chunks, 2);
  assert.is(asked!.contextSize, 512);
  for (const line of [
    /^={6} Perplexity statistics ={6}$/m,
    /^Mean PPL\(Q\) +: 8\.729\d+ ± \d+\.\d{6}$/m,
    /^Mean PPL\(Q\)\/PPL\(base\) +: 1\.181360 ± /m,
    /^Mean {4}KLD: 0\.200000 ± 0\.152753$/m,
    /^Maximum KLD: 0\.500000$/m,
    /^99\.9% {3}KLD: 0\.499200$/m,
    /^Median {2}KLD: 0\.100000$/m,
    /^Same top p : 66\.667 ± 33\.333 %$/m,
  ]) {
    assert.match(stdout, line);
  }
  const document = JSON.parse((await runCli([...words, "--json"], { input: "text", library })).stdout);
  assert.is(document.kld.mean.value, statistics.kld.mean.value);
  assert.is(document.kld.quantiles["0.99"], statistics.kld.quantiles[1]!.value);
  assert.equal(Object.keys(document).toSorted(), [
    "base_ppl",
    "chunks",
    "correlation",
    "delta_p",
    "kld",
    "ln_ppl_ratio",
    "ppl",
    "ppl_ratio",
    "rms_delta_p",
    "same_top",
    "scored",
    "tokens",
  ]);
});

test("what must be given is asked for", async () => {
  for (const [words, missing] of [
    [["kld", "-m", "m", "-f", "-"], /--base <source>' not specified/],
    [["lambada", "-m", "m"], /--file <path>' not specified/],
    [["choice", "-f", "-"], /--model <source>' not specified/],
  ] as const) {
    const { code, stderr } = await runCli(words);
    assert.is(code, 2);
    assert.match(stderr, missing);
  }
});

test.run();
