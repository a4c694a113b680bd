import { suite } from "uvu";
import * as assert from "uvu/assert";
import { analyze, diagnose, loadModel, lossByPart, openCheckpoint, quantize } from "../src/index.ts";
import * as core from "../src/core.ts";
import { OptionError } from "../src/errors.ts";
import { checkOptions, optionKeys, withOptionKeys } from "../src/option-keys.ts";

const test = suite("option keys");

interface Options {
  readonly maxTokens?: number;
  readonly topK?: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: () => void;
}
const KEYS = optionKeys<Options>({ maxTokens: 0, topK: 0, threads: 0, signal: 0, onProgress: 0 });
const OTHER = optionKeys<{ cache: unknown }>({ cache: 0 });

const message = (check: () => unknown): string => {
  try {
    check();
  } catch (error) {
    assert.instance(error, OptionError);
    return (error as Error).message;
  }
  throw new Error("accepted");
};

test("known options pass, be they undefined; so does none at all", () => {
  for (const options of [undefined, {}, { topK: 3 }, { topK: undefined, cache: 1 }]) checkOptions(options, KEYS, OTHER);
});

test("an unknown one is refused with all there are, and the nearest by spelling", () => {
  assert.is(
    message(() => checkOptions({ max_tokens: 3 }, KEYS, OTHER)),
    'options: got "max_tokens", need one of cache, maxTokens, onProgress, signal, threads, topK; did you mean maxTokens?',
  );
  for (const [written, meant] of [
    ["nThreads", "threads"],
    ["topk", "topK"],
    ["TOP-K", "topK"],
    ["tread", "threads"],
  ] as const)
    // prettier-ignore
    assert.ok(
      message(() => checkOptions({ [written]: 1 }, KEYS)).endsWith(`; did you mean ${meant}?`),
      written,
    );
  assert.not.match(
    message(() => checkOptions({ frequency_penalty: 1 }, KEYS)),
    /did you mean/,
  );
  assert.match(
    message(() => checkOptions({ cache: 1 }, KEYS)),
    /got "cache"/,
  );
});

test("sets with an option in common list it once", () => {
  const both = message(() => checkOptions({ x: 1 }, KEYS, optionKeys<Pick<Options, "signal">>({ signal: 0 })));
  assert.is(both.split("signal").length, 2, both);
});

test("what is no object of options is refused", () => {
  for (const options of [5, "threads", null, [1]])
    assert.match(
      message(() => checkOptions(options, KEYS)),
      /^options: got .*, need an object$/,
    );
});

test("a signal or a listener that is none is refused: it would be ignored", () => {
  assert.match(
    message(() => checkOptions({ signal: new AbortController() }, KEYS)),
    /^signal: got .*need an AbortSignal/,
  );
  assert.match(
    message(() => checkOptions({ signal: true }, KEYS)),
    /^signal: got true/,
  );
  assert.match(
    message(() => checkOptions({ onProgress: "yes" }, KEYS)),
    /^onProgress: got "yes", need a function/,
  );
  checkOptions({ signal: AbortSignal.abort(), onProgress: () => {} }, KEYS);
});

test("the options of one set among others", () => {
  assert.equal(withOptionKeys({ topK: 1, cache: 2 } as object, KEYS), { topK: 1 });
});

const refusal = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error("accepted"),
    (error: Error) => error,
  );

test("every function of the library refuses what it does not know, before it opens anything", async () => {
  const none = "no/such/model";
  const unknown = { nThreads: 1 } as object;
  for (const [name, refused] of Object.entries({
    loadModel: refusal(loadModel(none, unknown)),
    quantize: refusal(quantize(none, { output: "no/such/output", ...unknown })),
    analyze: refusal(analyze(none, unknown)),
    openCheckpoint: refusal(openCheckpoint(none, unknown)),
    diagnose: refusal(diagnose(unknown)),
    lossByPart: refusal(lossByPart(none, none, "", unknown)),
    "core.lossByPart": refusal(core.lossByPart({} as never, {} as never, "", {} as never, unknown)),
    resolveRecipe: refusal(Promise.resolve().then(() => core.resolveRecipe("fptq", unknown))),
    "core.loadModel": refusal(core.loadModel({} as never, {} as never, unknown)),
    "core.analyze": refusal(core.analyze({} as never, {} as never, unknown)),
    measureSpeed: refusal(core.measureSpeed({} as never, {} as never, unknown)),
    measureBatchedSpeed: refusal(core.measureBatchedSpeed({} as never, unknown as never)),
    perplexity: refusal(core.perplexity({} as never, "", unknown)),
    klDivergence: refusal(core.klDivergence({} as never, {} as never, "", unknown)),
    lambada: refusal(core.lambada({} as never, [{ name: "", context: "a", target: "b" }], unknown)),
    multipleChoice: refusal(
      core.multipleChoice({} as never, [{ name: "", context: "a", choices: ["b", "c"], answer: 0 }], unknown),
    ),
  })) {
    const error = await refused;
    assert.instance(error, OptionError, `${name}: ${error.message}`);
    assert.match(error.message, /^options: got "nThreads", need one of /, name);
  }
  assert.match((await refusal(loadModel(none, unknown))).message, /did you mean threads\?$/);
});

test("one object of options serves the core's locateModel and loadModel", async () => {
  const options = { cache: false, authorization: "x", threads: 1 } as const;
  const error = await refusal(core.loadModel({ kind: "folder", folder: undefined } as never, {} as never, options));
  assert.not.instance(error, OptionError, error.message);
});

test("options of the loader outside their domain are refused before a file is opened", async () => {
  for (const options of [
    { threads: 0 }, { threads: 65 }, { threads: "2" as never }, { contextSize: 0 }, { contextSize: 1.5 }, { chunkSize: 257 },
    { poll: 101 }, { poll: -1 }, { poll: 0.5 }, { cacheTokens: -1 }, { maxSequences: 0 }, { build: "avx" as never }, { head: "q4" as never }, { kvCache: { k: "q5" as never } },
  ]) {
    const error = await refusal(loadModel("no/such/model", options));
    assert.instance(error, OptionError, JSON.stringify(options));
    assert.ok(error.message.startsWith(Object.keys(options)[0]!), error.message);
  } // prettier-ignore
});

test("a model that is none is refused by name", async () => {
  for (const [source, got] of [[undefined, "undefined"], [null, "null"], ["", '""'], [5, "5"]] as const) {
    const error = await refusal(loadModel(source as never));
    assert.instance(error, OptionError);
    assert.is(error.message, `model: got ${got}, need a path, a URL, hf:ORG/MODEL or files`);
  } // prettier-ignore
});

test.run();
