import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { styled } from "../../src/cli/terminal.ts";
import type { GenerateOptions, GenerationResult } from "../../src/decoding/generation-options.ts";
import { Generation } from "../../src/decoding/generation.ts";
import type { Prompt } from "../../src/decoding/prompt.ts";
import { AbortError, OptionError } from "../../src/errors.ts";
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
  assert.match(stderr, /^\/system TEXT {2}system message/);
  assert.match(stderr, /unknown command \/rest\n\(Did you mean \/reset\?\)/);
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

test("/system: from now on, for the turns before as well; without a text there is none", async () => {
  const { model, stderr } = await chat("One?\n/system Be kind.\nTwo?\n/system\nThree?\n", ["-sys", "Be brief."]);
  assert.equal(
    model.prompts.map((prompt) => (prompt as { role: string; content: string }[]).filter(({ role }) => role === "system")),
    [[{ role: "system", content: "Be brief." }], [{ role: "system", content: "Be kind." }], []],
  );
  assert.is(model.prompts[2]!.length, 5);
  assert.is(stderr, "(system message set)\n(no system message)\n");
});

test("/regen asks the last question again without its answer, by the next seed", async () => {
  const { model, stdout } = await chat("One?\n/regen\n/regen\nTwo?\n", ["-s", "4294967295"]);
  assert.equal(model.prompts.slice(0, 3), [[user("One?")], [user("One?")], [user("One?")]]);
  assert.equal(model.prompts[3], [user("One?"), ANSWER, user("Two?")]);
  assert.equal(
    model.options.map(({ seed }) => seed),
    [4294967295, 0, 1, 4294967295],
  );
  assert.is(stdout, "Paris. It\n".repeat(4));
  const nothing = await chat("/regen\n");
  assert.is(nothing.code, 1);
  assert.match(nothing.stderr, /\/regen: got no answer yet, need one to replace/);
});

test("/save: messages in a .json, Markdown elsewhere; a file of somebody else is left alone", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fptq-chat-"));
  try {
    const [json, text] = [join(folder, "talk.JSON"), join(folder, "my talk.md")];
    const { code, stderr } = await chat(`One?\n/save ${json}\n/save ${text}\nTwo?\n/save ${text}\n`, ["-sys", "S"]);
    assert.is(code, 0, stderr);
    assert.equal(JSON.parse(readFileSync(json, "utf8")), [{ role: "system", content: "S" }, user("One?"), ANSWER]);
    const turn = (question: string) => `## user\n\n${question}\n\n## assistant\n\nParis. It\n`;
    assert.is(readFileSync(text, "utf8"), `## system\n\nS\n\n${turn("One?")}\n${turn("Two?")}`);

    for (const [lines, expected] of [
      [`One?\n/save ${json}\n`, /got a file that is there, need another name/],
      [`One?\n/save ${join(folder, "no/such.md")}\n`, /cannot be written: ENOENT/],
      ["One?\n/save\n", /\/save: got no name/],
      [`/save ${join(folder, "new.md")}\n`, /got no conversation/],
    ] as const) {
      const refused = await chat(lines);
      assert.is(refused.code, 1);
      assert.match(refused.stderr, expected);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("--show-timings: a plain line on stderr after each answer", async () => {
  assert.is((await chat("One?\n", ["--show-timings"])).stderr, "3 tokens, 80.0 tok/s; prompt 5 tokens, 250 tok/s; cut by -n\n");
});

/** A person at a terminal of 24 columns, who types line by line, each after the mark that asks for it. */
async function typed(lines: readonly string[], words: string[] = [], model = new FakeModel()) {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const left = [...lines];
  const unasked = model.beforePiece;
  model.beforePiece = (index) => {
    unasked(index);
    if (index === 0) setImmediate(() => input.write(left.shift() ?? "\u0004"));
  };
  input.write(left.shift()!);
  const library = { loadModel: () => Promise.resolve(model) };
  const outcome = await runCli(["chat", "-m", "m", ...words], { library, input, columns: 24 });
  return { ...outcome, model };
}

test("on a terminal words are wrapped, and the speed is dim unless colours are off", async () => {
  const model = new FakeModel();
  model.pieces = ["The capital of Fra", "nce is Paris, the ", "largest town."];
  const { code, stdout, stderr } = await typed(["One?\r"], [], model);
  assert.is(code, 0, stderr);
  assert.is(stdout, "The capital of France is\nParis, the largest town.\n");
  const speed = "3 tokens, 80.0 tok/s; prompt 5 tokens, 250 tok/s; cut by -n";
  assert.ok(stderr.includes(`${styled("dim", speed)}\n`), stderr);
  const plain = (await typed(["One?\r"], ["--no-color"])).stderr;
  assert.ok(plain.includes(`${speed}\n`) && !plain.includes(styled("dim", speed)), plain);
  assert.not.match((await typed(["One?\r"], ["--no-show-timings"])).stderr, /tok\/s/);
});

/** Says one word, then nothing until it is aborted, which takes it a moment. */
class SlowModel extends FakeModel {
  readonly onWaiting: () => void;

  constructor(onWaiting: () => void) {
    super();
    this.onWaiting = onWaiting;
  }

  override generate(prompt: Prompt, options: GenerateOptions = {}) {
    this.prompts.push(prompt);
    const { result, onWaiting } = this;
    async function* iterate(): AsyncGenerator<string, GenerationResult, void> {
      yield "Well";
      const aborted = new Promise((resolve) => options.signal!.addEventListener("abort", resolve));
      onWaiting();
      await aborted;
      await new Promise(setImmediate);
      throw new AbortError("generate: aborted");
    }
    return new Generation(iterate(), () => result, () => {}); // prettier-ignore
  }
}

test("Ctrl-C stops an answer, which stays as far as it got; the next one leaves", async () => {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const keys = ["\u0003", "\u0003"];
  const model = new SlowModel(() => input.write(keys.shift()!));
  input.write("One?\rTwo?\r");
  const library = { loadModel: () => Promise.resolve(model) };
  const talk = runCli(["chat", "-m", "m"], { library, input, columns: 60 });
  // Both questions are stopped; then nothing is being written.
  while (model.prompts.length < 2) await new Promise(setImmediate);
  setTimeout(() => input.write("half a question\u0003\u0003"), 20);
  const { code, stdout, stderr } = await talk;
  assert.is(code, 0, stderr);
  assert.is(stdout, "Well\nWell\n");
  assert.is(stderr.match(/\(stopped\)/g)?.length, 2);
  assert.equal(model.prompts[1], [user("One?"), { role: "assistant", content: "Well" }, user("Two?")]);
});

test("Ctrl-C twice during an answer leaves", async () => {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const model = new SlowModel(() => input.write("\u0003\u0003"));
  input.write("One?\r");
  const { code, stdout } = await runCli(["chat", "-m", "m"], {
    library: { loadModel: () => Promise.resolve(model) },
    input,
    columns: 60,
  });
  assert.is(code, 0);
  assert.is(stdout, "Well\n");
});

test.run();
