import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OptionError } from "../../src/errors.ts";
import { runCli } from "./command-harness.ts";
import { FakeModel } from "./fake-model.ts";

const test = suite("chat");
const user = (content: string) => ({ role: "user", content });
const ANSWER = { role: "assistant", content: "Paris. It" };

async function chat(input: string, words: string[] = [], model = new FakeModel()) {
  const outcome = await runCli(["chat", "-m", "m", ...words], { library: { loadModel: () => Promise.resolve(model) }, input });
  return { ...outcome, model };
}

test("from a pipe each line is a turn, answers alone are on stdout, and the history is kept", async () => {
  const { code, stdout, stderr, model } = await chat("One?\n\n  \nTwo?\n");
  assert.is(code, 0);
  assert.is(stderr, "");
  assert.is(stdout, "Paris. It\nParis. It\n");
  assert.equal(model.prompts, [[user("One?")], [user("One?"), ANSWER, user("Two?")]]);
  assert.is(model.disposed, 1);
});

test("the system message opens the conversation, also after /reset", async () => {
  const { model } = await chat("One?\n/reset\nTwo?\n", ["-sys", "Be\\nbrief."]);
  const system = { role: "system", content: "Be\nbrief." };
  assert.equal(model.prompts, [
    [system, user("One?")],
    [system, user("Two?")],
  ]);
});

test("/exit leaves, /help and unknown commands answer on stderr", async () => {
  const { code, stdout, stderr, model } = await chat("/help\n/rest\n/exit\nNever asked.\n");
  assert.is(code, 0);
  assert.is(stdout, "");
  assert.is(model.prompts.length, 0);
  assert.match(stderr, /^\/reset {3}forget/);
  assert.match(stderr, /unknown command \/rest/);
});

test("a line that ends in a backslash goes on in the next; a path is no command", async () => {
  const { model } = await chat("first\\\nsecond\n/usr/bin is a folder\n");
  assert.equal(model.prompts[0], [user("first\nsecond")]);
  assert.equal(model.prompts[1]?.at(-1), user("/usr/bin is a folder"));
});

test("generation goes on until the end token by default", async () => {
  assert.is((await chat("One?\n")).model.options[0]!.maxTokens, undefined);
});

test("from a pipe a conversation that no longer fits is an error", async () => {
  const model = new FakeModel();
  model.beforePiece = () => {
    throw new OptionError("prompt: 5000 tokens, the context holds 4096");
  };
  const { code, stderr } = await chat("One?\n", [], model);
  assert.is(code, 1);
  assert.match(stderr, /the context holds 4096/);
});

test.run();
