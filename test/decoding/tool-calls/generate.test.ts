/** Calls that the library finds in what a model says, and those it makes it say. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel } from "../../../src/core.ts";
import { generate } from "../../../src/decoding/generate.ts";
import { GenerationAbortError } from "../../../src/decoding/generation.ts";
import type { GenerateOptions } from "../../../src/decoding/generation-options.ts";
import { answerParsing } from "../../../src/decoding/tool-calls/answer-parsing.ts";
import { OptionError } from "../../../src/errors.ts";
import { nodeHost } from "../../../src/host/node.ts";
import type { JsonObject } from "../../../src/json-object.ts";
import { tinyModel } from "../../tiny-model.ts";
import { byteModel, bytes, BYTE_VOCABULARY, EOS } from "../byte-tokenizer.ts";
import { ToyForwardPass } from "../toy-model.ts";

const SEED = 83;
const test = suite(`calls of functions in the library (seed ${SEED})`);
const family = (name: string) =>
  readFileSync(new URL(`../../chat-template/golden/families/${name}.jinja`, import.meta.url), "utf8");
const TEMPLATES = { hermes: family("hermes"), llama3: family("llama-3.1"), mistral: family("mistral-tools"), qwen3: family("qwen-3") }; // prettier-ignore

const PERSON = {
  type: "object",
  properties: { name: { type: "string", maxLength: 6 }, age: { type: "integer", minimum: 1, maximum: 99 } },
  required: ["name", "age"],
  additionalProperties: false,
};
const tool = (name: string, rest: JsonObject = {}): JsonObject => ({ type: "function", function: { name, ...rest } });
const TOOLS = [tool("add", { parameters: PERSON }), tool("stop")];

const PROMPT = bytes("Say: ");
/** A model that says a text byte by byte, told by a template how it calls. */
function saying(answer: string, template: string, options: GenerateOptions = {}, prompt = PROMPT) {
  const script = [...bytes(answer), EOS];
  const pass = new ToyForwardPass({
    vocabSize: BYTE_VOCABULARY,
    contextSize: 512,
    logits: (ids) => Array.from({ length: BYTE_VOCABULARY }, (_, id) => (id === script[ids.length - prompt.length] ? 20 : 0)),
  });
  const parsing = answerParsing(template);
  return generate({ ...byteModel(pass), answers: () => parsing }, prompt, { temperature: 0, tools: TOOLS, ...options });
}

const HERMES_CALL = '<tool_call>\n{"name": "add", "arguments": {"name": "Ann", "age": 3}}\n</tool_call>';

test("calls come out of the text, each with a name, its arguments as data and what was written", async () => {
  const generation = saying(`Let me see.\n${HERMES_CALL}\n<tool_call>{"name": "stop"}</tool_call>`, TEMPLATES.hermes);
  const seen: [piece: string, calls: number][] = [];
  for await (const piece of generation) seen.push([piece, generation.toolCalls!.length]);
  const { text, toolCalls, stop } = await generation.result;
  assert.is(text, "Let me see.\n");
  assert.is(seen.map(([piece]) => piece).join(""), text);
  assert.is(stop, "eos");
  assert.equal(toolCalls!.map(({ name, arguments: given, text: written }) => ({ name, arguments: given, text: written })), [
    { name: "add", arguments: { name: "Ann", age: 3 }, text: HERMES_CALL },
    { name: "stop", arguments: {}, text: '<tool_call>{"name": "stop"}</tool_call>' },
  ]); // prettier-ignore
  assert.is(new Set(toolCalls!.map(({ id }) => id)).size, 2);
  // Each call is told of with a piece, when it is whole.
  assert.equal(seen.slice(-2), [["", 1], ["", 2]]); // prettier-ignore
});

test("every format: text beside calls, calls that were cut, and what is none", async () => {
  const cases: readonly (readonly [template: string, answer: string, text: string, names: readonly string[]])[] = [
    [TEMPLATES.llama3, '{"name": "add", "parameters": {"name": "A", "age": 1}}', "", ["add"]],
    [TEMPLATES.llama3, '{"so": 1}', '{"so": 1}', []],
    [TEMPLATES.mistral, 'So.[TOOL_CALLS] [{"name": "add", "arguments": {}}, {"name": "stop", "arguments": {}}]', "So.", ["add", "stop"]],
    [TEMPLATES.hermes, '<tool_call>{"name": "add", "argu', '<tool_call>{"name": "add", "argu', []],
    [TEMPLATES.hermes, "a <b> c", "a <b> c", []],
    [TEMPLATES.qwen3, `<think>a <tool_call> b</think>\n\nSo. ${HERMES_CALL}`, "<think>a <tool_call> b</think>\n\nSo. ", ["add"]],
  ]; // prettier-ignore
  for (const [template, answer, text, names] of cases) {
    const result = await saying(answer, template).result;
    assert.is(result.text, text);
    assert.equal(result.toolCalls!.map(({ name }) => name), names); // prettier-ignore
  }
});

test("thoughts that the prompt opened hold no calls", async () => {
  const prompt = bytes("<|im_start|>assistant\n<think>\n");
  const { text, toolCalls } = await saying(`${HERMES_CALL} hm</think>${HERMES_CALL}`, TEMPLATES.qwen3, {}, prompt).result;
  assert.is(text, `${HERMES_CALL} hm</think>`);
  assert.is(toolCalls!.length, 1);
});

test("without tools, or with none to be called, text is as the model wrote it", async () => {
  for (const options of [{ tools: undefined }, { tools: [] }, { toolChoice: "none" }] as const) {
    const { text, toolCalls } = await saying(HERMES_CALL, TEMPLATES.hermes, options).result;
    assert.is(text, HERMES_CALL);
    assert.is(toolCalls, undefined);
  }
});

test("what was cut and what was aborted has its calls; usage counts", async () => {
  const cut = await saying(`${HERMES_CALL} and more`, TEMPLATES.hermes, { maxTokens: bytes(HERMES_CALL).length + 4 }).result;
  assert.equal([cut.text, cut.toolCalls!.length, cut.stop], ["and", 1, "length"]);
  const completionTokens = cut.tokens.length;
  assert.equal(cut.usage, { promptTokens: 5, cachedTokens: 0, completionTokens, totalTokens: 5 + completionTokens });
  const stopping = new AbortController();
  const generation = saying(`${HERMES_CALL} and more`, TEMPLATES.hermes, { signal: stopping.signal });
  try {
    for await (const _ of generation) stopping.abort();
    assert.unreachable();
  } catch (error) {
    assert.instance(error, GenerationAbortError);
    assert.is((error as GenerationAbortError).partial.toolCalls!.length, 1);
  }
});

test("stop strings and a call's own end do not get into each other's way", async () => {
  const { text, toolCalls, stop } = await saying(`${HERMES_CALL}\nEnd. more`, TEMPLATES.hermes, { stop: ["End."] }).result;
  assert.equal([text, toolCalls!.length, stop], ["", 1, "stop"]);
});

test("what is no tool, no choice, or no way to call is refused by name at once", () => {
  const refused: readonly (readonly [object, RegExp])[] = [
    [{ tools: {} }, /^tools: got \{\}, need an array/],
    [{ tools: [{ name: "f" }] }, /^tools\.0\.function: got nothing, need an object with a name/],
    [{ toolChoice: "always" }, /^toolChoice: got "always", need "auto"/],
    [{ tools: [], toolChoice: "required" }, /^toolChoice: got a call that has to be, need tools/],
    [{ toolChoice: { type: "function", function: { name: "jump" } } }, /^toolChoice\.function\.name: got "jump"/],
    [{ tools: [tool("f", { parameters: { not: {} } })], toolChoice: "required" }, /^tools\.0\.function\.parameters: got the keyword "not"/],
    [{ toolChoice: "required", ignoreEos: true }, /^ignoreEos: got true beside/],
  ]; // prettier-ignore
  for (const [options, message] of refused)
    assert.throws(() => saying("", TEMPLATES.hermes, options), (error: Error) => error instanceof OptionError && message.test(error.message)); // prettier-ignore
  assert.throws(() => saying("", family("chatml")), /^tools: got some, need none: this model's template/);
});

/** Shows functions by their names. */
const SHORT =
  "{% if tools %}{% for tool in tools %}{{ tool.function.name }}{% endfor %}<tool_call>{% endif %}" +
  "{% for message in messages %}{{ message.role }}: {{ message.content }}{% for call in message.tool_calls or [] %}" +
  "<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}\n{% endfor %}assistant: ";

/** The tiny model with another chat template. */
function loadWith(template: string) {
  const folder = tinyModel(SEED);
  const config = JSON.parse(new TextDecoder().decode(folder.files.get("tokenizer_config.json")!.bytes)) as JsonObject;
  folder.set("tokenizer_config.json", JSON.stringify({ ...config, chat_template: template }));
  return loadModel({ kind: "folder", folder }, nodeHost, { threads: 1, contextSize: 256, cacheTokens: 1024 });
}

const MESSAGES = [{ role: "user", content: "hello" }];
const DRAWN = { temperature: 1.5, topK: 0, topP: 1, minP: 0, maxTokens: 150 } as const;

test("a call that has to be is made, of a conversation and of a sequence, and goes back into the conversation", async () => {
  const model = await loadWith(SHORT);
  const options = { ...DRAWN, tools: TOOLS, toolChoice: { type: "function", function: { name: "add" } }, parallelToolCalls: false } as const; // prettier-ignore
  const { text, toolCalls, usage, promptTokens } = await model.generate(MESSAGES, { ...options, seed: SEED }).result;
  using sequence = model.createSequence();
  const again = await sequence.generate(MESSAGES, { ...options, seed: SEED }).result;
  assert.equal(again.toolCalls!.map(({ text: written }) => written), toolCalls!.map(({ text: written }) => written)); // prettier-ignore
  assert.is(text, "");
  const [{ id, name, arguments: given }] = toolCalls as unknown as [
    { id: string; name: string; arguments: { name: string; age: number } },
  ];
  assert.is(name, "add");
  assert.ok([...given.name].length <= 6 && Number.isInteger(given.age) && given.age >= 1 && given.age <= 99);
  assert.is(usage.promptTokens, promptTokens);
  assert.equal(model.promptIds(MESSAGES, { tools: TOOLS }).length, promptTokens);
  const next = [
    ...MESSAGES,
    { role: "assistant", content: "", tool_calls: [{ id, type: "function", function: { name, arguments: given } }] },
    { role: "tool", tool_call_id: id, name, content: "done" },
  ];
  const end = await model.generate(next, { ...DRAWN, seed: SEED, tools: TOOLS, maxTokens: 4 }).result;
  assert.ok(end.promptTokens > promptTokens && Array.isArray(end.toolCalls));
  assert.equal((await model.generate(next, { ...DRAWN, seed: SEED, tools: TOOLS, toolChoice: "none", maxTokens: 4 }).result).promptTokens, model.promptIds(next).length); // prettier-ignore
  await model.dispose();
});

test.run();
