/** What may be given to a model to go on with, and what is refused. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel } from "../../src/core.ts";
import { OptionError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { tinyModel } from "../tiny-model.ts";

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

test.run();
