/** What may be given to a model to go on with, and what is refused. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel } from "../../src/core.ts";
import { GenerationAbortError } from "../../src/decoding/generation.ts";
import { OptionError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { tinyModel } from "../tiny-model.ts";
import { TINY_BOS } from "../tiny-tokenizer.ts";

const test = suite("prompt");
const model = await loadModel({ kind: "folder", folder: tinyModel(7) }, nodeHost, { threads: 1, contextSize: 64 });
test.after(() => model.dispose());

for (const [prompt, got] of [
  [undefined, "undefined"],
  [5, "5"],
  [{}, "an object with nothing in it"],
  [{ messages: [{ role: "user", content: "hi" }] }, "an object with messages"],
  [[], "an empty array"],
] as const) {
  test(`${got} is no prompt`, () => {
    assert.throws(
      () => model.generate(prompt as never),
      (error: unknown) =>
        error instanceof OptionError && error.message === `prompt: got ${got}, need a text, token ids or an array of messages`,
    );
  });
}

test("a sequence that has tokens goes on with nothing added", async () => {
  using sequence = model.createSequence();
  assert.throws(
    () => sequence.generate([]),
    (error: unknown) => error instanceof OptionError,
  );
  const [first, second] = [
    await sequence.generate([5, 6], { maxTokens: 3, temperature: 0, ignoreEos: true }).result,
    await sequence.generate([], { maxTokens: 3, temperature: 0, ignoreEos: true }).result,
  ];
  const whole = await model.generate([5, 6], { maxTokens: 6, temperature: 0, ignoreEos: true }).result;
  assert.equal([...first.tokens, ...second.tokens], whole.tokens);
});

test("a long text is encoded when the generation runs, and other events run meanwhile", async () => {
  const folder = tinyModel(7, { config: { contextLength: 1 << 17 } });
  await using wide = await loadModel({ kind: "folder", folder }, nodeHost, { threads: 1, contextSize: 1 << 17 });
  const leaving = new AbortController();
  const generation = wide.generate("the cat sat on the house ".repeat(4000), { signal: leaving.signal });
  setImmediate(() => leaving.abort());
  const error = (await generation.result.catch((reason: unknown) => reason)) as GenerationAbortError;
  assert.instance(error, GenerationAbortError);
  assert.is(error.partial.promptTokens, 0, "stopped before there were ids");
});

/** A tiny model whose tokenizer puts its beginning-of-sequence token before texts. */
async function addingBos(onWarning: (message: string) => void) {
  const folder = tinyModel(7);
  const bos = "<|im_start|>";
  const change = (fileName: string, changed: object) => {
    const json = JSON.parse(new TextDecoder().decode(folder.files.get(fileName)!.bytes)) as object;
    folder.set(fileName, JSON.stringify({ ...json, ...changed }));
  };
  const single = [{ SpecialToken: { id: bos, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }];
  const special_tokens = { [bos]: { id: bos, ids: [TINY_BOS], tokens: [bos] } };
  change("tokenizer.json", { post_processor: { type: "TemplateProcessing", single, pair: [], special_tokens } });
  change("tokenizer_config.json", { bos_token: bos, chat_template: "{{ bos_token }}{{ messages[0].content }}" });
  return loadModel({ kind: "folder", folder }, nodeHost, { threads: 1, contextSize: 64, onWarning });
}

test("a second beginning-of-sequence token is told once; a template's own is no second one", async () => {
  const warnings: string[] = [];
  await using adding = await addingBos((message) => warnings.push(message));
  assert.equal(adding.promptIds([{ role: "user", content: "the" }]).filter((id) => id === TINY_BOS).length, 1);
  assert.equal(adding.promptIds("the")[0], TINY_BOS);
  assert.equal(warnings, []);
  for (let i = 0; i < 2; i++) assert.equal(adding.promptIds("<|im_start|>the").slice(0, 2), [TINY_BOS, TINY_BOS]);
  assert.is(warnings.length, 1);
  assert.match(warnings[0]!, /^prompt: got <\|im_start\|> at its beginning, and the tokenizer adds one/);
});

test.run();
