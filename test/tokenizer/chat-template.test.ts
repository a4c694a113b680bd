import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CheckpointError, OptionError, UnsupportedModelError } from "../../src/errors.ts";
import { type ChatMessage, ChatTemplate } from "../../src/tokenizer/chat-template.ts";
import { smolLM2 } from "./smollm2.ts";

const test = suite("chat-template");
const user: ChatMessage[] = [{ role: "user", content: "Hi" }];

function render(template: string, options?: Parameters<ChatTemplate["render"]>[1], messages = user): string {
  return new ChatTemplate({ chat_template: template, bos_token: "<s>", eos_token: { content: "</s>" } }, "tiny").render(
    messages,
    options,
  );
}

function isError(kind: new (message: string) => Error, ...parts: string[]) {
  return (error: unknown) => error instanceof kind && ["tiny", ...parts].every((part) => error.message.includes(part));
}

if (smolLM2 !== undefined) {
  const template = new ChatTemplate(smolLM2.files.tokenizerConfig, "SmolLM2");
  // What transformers 5.23 makes of the same template.
  const system = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n";
  test("SmolLM2's template", () => {
    assert.is(template.render(user), `${system}<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n`);
    assert.is(template.render(user, { addGenerationPrompt: false }), `${system}<|im_start|>user\nHi<|im_end|>\n`);
    assert.is(
      template.render([{ role: "system", content: "Be short." }, ...user], { addGenerationPrompt: false }),
      "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n",
    );
  });
}

test("variables of the template", () => {
  assert.is(render("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"), "<s>Hi</s>");
  assert.is(render("{% if add_generation_prompt %}go{% endif %}", { addGenerationPrompt: false }), "");
  assert.is(render("{{ tools[0].name }}", { tools: [{ name: "add" }] }), "add");
  assert.is(render("{% if tools %}tools{% else %}none{% endif %}"), "none");
  assert.is(render("{{ enable_thinking }}", { variables: { enable_thinking: false } }), "False");
  assert.match(render("{{ strftime_now('%d %b %Y') }}"), /^\d\d [A-Z][a-z]{2} \d{4}$/);
  assert.is(render("{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(5, 1, -2) %}{{ i }}{% endfor %}"), "01253");
  assert.is(render("  {% if true %}\nx\n  {% endif %}\ny"), "x\ny"); // lines of a block alone leave nothing, as in transformers
});

test("named templates of older files", () => {
  const config = {
    chat_template: [
      { name: "default", template: "plain" },
      { name: "tool_use", template: "tools" },
    ],
  };
  assert.is(new ChatTemplate(config, "tiny").render(user), "plain");
  assert.is(new ChatTemplate(config, "tiny", "tool_use").render(user), "tools");
  assert.is(new ChatTemplate(config, "tiny", "rag").render(user), "plain");
});

test("no template, no Jinja, no messages", () => {
  for (const chat_template of [undefined, null, [], 7]) {
    assert.throws(
      () => new ChatTemplate({ chat_template }, "tiny"),
      isError(UnsupportedModelError, "chat template: got nothing, need one"),
    );
  }
  assert.throws(() => render("{% if %}"), isError(CheckpointError, "chat template"));
  const template = new ChatTemplate({ chat_template: "x" }, "tiny");
  for (const messages of [[], [{}], "Hi", [null]]) {
    assert.throws(
      () => template.render(messages as ChatMessage[]),
      (error: unknown) => error instanceof OptionError,
    );
  }
});

test("what the template says against the messages reaches the caller", () => {
  assert.throws(() => render("{{ raise_exception('roles must alternate') }}"), isError(OptionError, "roles must alternate"));
  assert.throws(() => render("{{ messages.missing() }}"), isError(OptionError, "chat template"));
});

test("a hostile template ends, without much memory and without the host", () => {
  const refused = isError(OptionError, "chat template");
  assert.throws(() => render("{% for i in range(1000000000) %}{% endfor %}"), refused);
  assert.throws(() => render("{% for i in range(9000) %}{% for j in range(9000) %}{% endfor %}{% endfor %}"), refused);
  assert.throws(
    () => render("{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}"),
    refused,
  );
  assert.throws(
    () => render("{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}"),
    refused,
  );
  assert.throws(() => render("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), refused);
  for (const reach of [
    "''.constructor",
    "messages.constructor",
    "messages[0].__proto__",
    "range.constructor",
    "globalThis",
    "process",
  ]) {
    let text = "";
    try {
      text = render(`{{ ${reach} }}`);
    } catch (error) {
      assert.ok(refused(error), String(error));
    }
    assert.is(text, "", reach);
  }
});

test.run();
