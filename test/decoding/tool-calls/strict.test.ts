/** Strict tools that a model may call or not: texts stay free, calls are held to schemas. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { generate } from "../../../src/decoding/generate.ts";
import type { GenerateOptions } from "../../../src/decoding/generation-options.ts";
import { OptionError } from "../../../src/errors.ts";
import type { JsonObject } from "../../../src/json-object.ts";
import { bytes } from "../byte-tokenizer.ts";
import { PROMPT, steeredModel } from "./steered-model.ts";

const test = suite("strict tools");
const family = (name: string) =>
  readFileSync(new URL(`../../chat-template/golden/families/${name}.jinja`, import.meta.url), "utf8");
const [HERMES, LLAMA, MISTRAL, QWEN3, GEMMA] = ["hermes", "llama-3.1", "mistral-tools", "qwen-3", "functiongemma"].map(family) as [string, string, string, string, string]; // prettier-ignore
const NEWER_MISTRAL = "{{ messages }}[TOOL_CALLS]{{ name }}[ARGS]{{ tools }}";

const PERSON = {
  type: "object",
  properties: { name: { type: "string", maxLength: 6 }, age: { type: "integer", minimum: 1, maximum: 99 } },
  required: ["name", "age"],
  additionalProperties: false,
};
const tool = (name: string, rest: JsonObject = {}): JsonObject => ({ type: "function", function: { name, ...rest } });
const ADD = tool("add", { parameters: PERSON, strict: true });
const TOOLS = [ADD, tool("note", { parameters: { type: "object", properties: { not: { not: {} } } } })];

const say = (answer: string, template: string, options: GenerateOptions = {}, prompt = PROMPT) =>
  generate(steeredModel(answer, template, prompt), prompt, { temperature: 0, tools: TOOLS, maxTokens: 400, ...options });
const answerOf = async (...said: Parameters<typeof say>) => {
  const { text, toolCalls, stop } = await say(...said).result;
  return { text, calls: toolCalls!.map(({ name, arguments: given }) => ({ name, given: given as JsonObject })), stop };
};

function checkPerson(given: JsonObject): void {
  assert.equal(Object.keys(given).toSorted(), ["age", "name"], JSON.stringify(given));
  const { name, age } = given as { name: string; age: number };
  assert.ok(typeof name === "string" && name.length <= 6, name);
  assert.ok(Number.isInteger(age) && age >= 1 && age <= 99, String(age));
}

/** A call that breaks the schema in each of its parts, as a format writes it. */
const wrong = (name: string) => ({
  hermes: `<tool_call>\n{"name": "${name}", "arguments": {"age": 300, "name": "Annabella", "x": 1}}\n</tool_call>`,
  mistral: `[TOOL_CALLS][{"name": "${name}", "arguments": {"age": 300, "name": "Annabella"}, "id": "ABC"}]`,
  newer: `[TOOL_CALLS]${name}[ARGS]{"age": 300, "name": "Annabella"}`,
  gemma: `<start_function_call>call:${name}{name:Annabella,age:<escape>3<escape>}<end_function_call>`,
});

const FORMATS: readonly (readonly [what: string, template: string, call: (name: string) => string])[] = [
  ["Hermes", HERMES, (name) => wrong(name).hermes],
  ["Mistral's list", MISTRAL, (name) => wrong(name).mistral],
  ["Mistral's newer calls", NEWER_MISTRAL, (name) => wrong(name).newer],
  ["FunctionGemma", GEMMA, (name) => wrong(name).gemma],
];
for (const [what, template, call] of FORMATS) {
  test(`${what}: behind a free text, a call is of a function there is, by its schema`, async () => {
    const { text, calls } = await answerOf(`Let <me> see: {"a": [.\n${call("add")}`, template);
    // What the model could not say in the call it may say behind it.
    assert.ok(text.startsWith('Let <me> see: {"a": [.\n'), text);
    assert.ok(calls.length > 0);
    assert.equal([...new Set(calls.map(({ name }) => name))], ["add"]);
    for (const { given } of calls) checkPerson(given);
    const { calls: others } = await answerOf(call("jump"), template);
    assert.ok(others.length > 0 && others.every(({ name }) => name === "add" || name === "note"), JSON.stringify(others));
  });

  test(`${what}: text without a call is the text that is free`, async () => {
    for (const answer of [
      "",
      "So.",
      'a <tool_cal> [TOOL_CALL] <start_function_cal> {"name": "add"}',
      "é\n<b>日本</b> </tool_call> <|im_end",
    ]) {
      const { text, calls, stop } = await answerOf(answer, template);
      assert.equal([text, calls.length, stop], [answer, 0, "eos"]);
    }
  });

  test(`${what}: text goes on behind a call; no second one where there may be one only`, async () => {
    const answer = `${call("add")} Then ${call("add")} end`;
    const both = await answerOf(answer, template);
    assert.ok(both.calls.length >= 2, JSON.stringify(both));
    for (const { given } of both.calls) checkPerson(given);
    const one = await answerOf(answer, template, { parallelToolCalls: false });
    assert.is(one.calls.length, 1, JSON.stringify(one));
    checkPerson(one.calls[0]!.given);
    assert.match(one.text, /Then .* end$/s);
    // Without strict tools too.
    const loose = await answerOf(answer, template, { parallelToolCalls: false, tools: [tool("add")] });
    assert.is(loose.calls.length, 1, JSON.stringify(loose));
  });
}

test("a function that is not strict has any object for its arguments", async () => {
  const { calls } = await answerOf('<tool_call>\n{"name": "note", "arguments": {"x": [1, {"y": null}]}}\n</tool_call>', HERMES);
  assert.equal(calls, [{ name: "note", given: { x: [1, { y: null }] } }]);
});

test("a stream gives the same, piece by piece", async () => {
  const answer = `Hm. ${wrong("add").hermes}`;
  const generation = say(answer, HERMES);
  let text = "";
  for await (const piece of generation) text += piece;
  const whole = await say(answer, HERMES).result;
  assert.is(text, whole.text);
  assert.equal(generation.toolCalls!.map((call) => call.arguments), whole.toolCalls!.map((call) => call.arguments)); // prettier-ignore
});

test("marks in a string of a call are part of the string", async () => {
  const wide = tool("add", {
    parameters: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
    strict: true,
  });
  const said = 'a </tool_call> "b" <tool_call> \\ c';
  const call = `<tool_call>\n{"name": "add", "arguments": {"text": ${JSON.stringify(said)}}}\n</tool_call>`;
  const { text, calls } = await answerOf(`${call}.`, HERMES, { tools: [wide] });
  assert.equal([text, calls], [".", [{ name: "add", given: { text: said } }]]);
});

test("what is thought is free, whoever has begun it", async () => {
  const thought = `<think>${wrong("jump").hermes} <tool_call> hm</think>\n\n`;
  const { text, calls } = await answerOf(`${thought}So. ${wrong("add").hermes}`, QWEN3);
  assert.ok(text.startsWith(`${thought}So. `), text);
  assert.is(calls.length, 1);
  checkPerson(calls[0]!.given);
  const prompt = bytes("<|im_start|>assistant\n<think>\n");
  const open = await answerOf(`${wrong("jump").hermes} hm</think>${wrong("add").hermes}`, QWEN3, {}, prompt);
  assert.ok(open.text.startsWith(`${wrong("jump").hermes} hm</think>`), open.text);
  assert.is(open.calls.length, 1);
  checkPerson(open.calls[0]!.given);
  // A prompt whose ids are made when it runs.
  const pending = await generate(steeredModel(`${wrong("jump").hermes} hm</think>${wrong("add").hermes}`, QWEN3, prompt), () => Promise.resolve(prompt), { temperature: 0, tools: TOOLS, maxTokens: 400 }).result; // prettier-ignore
  assert.is(pending.text, open.text);
});

test("Llama's answer that begins with a brace is a call, any other is free", async () => {
  for (const begin of ["", " \n"]) {
    const { text, calls, stop } = await answerOf(`${begin}{"name": "jump", "parameters": {"age": 0}} and more`, LLAMA);
    assert.equal([text, calls.length, stop], ["", 1, "eos"]);
    assert.ok(calls[0]!.name === "add" || calls[0]!.name === "note");
    if (calls[0]!.name === "add") checkPerson(calls[0]!.given);
  }
  const reordered = await answerOf('{"parameters": {"x": 1}, "name": "add"}', LLAMA, { tools: [ADD] });
  assert.is(reordered.calls.length, 1);
  checkPerson(reordered.calls[0]!.given);
  for (const answer of ["So {it} is.", '\u00a0{"name": "add"}', "", "  "]) {
    const { text, calls } = await answerOf(answer, LLAMA);
    assert.equal([text, calls.length], [answer, 0]);
  }
});

test("where nothing is strict and there may be several calls, nothing is held", async () => {
  const { calls } = await answerOf(wrong("jump").hermes, HERMES, { tools: [tool("add", { parameters: PERSON })] });
  assert.equal(calls, [{ name: "jump", given: { age: 300, name: "Annabella", x: 1 } }]);
});

test("what is cut says so", async () => {
  const { calls, stop, text } = await answerOf(wrong("add").hermes, HERMES, { maxTokens: 30 });
  assert.equal([calls.length, stop], [0, "length"]);
  assert.match(text, /^<tool_call>\n\{"name": "add"/);
});

const deep = (levels: number): JsonObject => {
  let schema: JsonObject = { type: "string" };
  for (let i = 0; i < levels; i++) schema = { type: "object", properties: { a: schema } };
  return schema;
};

test("schemas that cannot be held to are refused by name at once, and none that is not strict", () => {
  const strict = (parameters: unknown, name = "f") => ({ tools: [tool(name, { parameters, strict: true })] });
  const refused: readonly (readonly [options: object, message: RegExp, template?: string])[] = [
    [strict({ not: {} }), /^tools\.0\.function\.parameters: got the keyword "not"/],
    [strict({ type: "object", properties: { a: { patternProperties: {} } } }), /^tools\.0\.function\.parameters\.properties\.a: got the keyword/],
    [strict({ type: "string" }), /^tools\.0\.function\.parameters\.type: got "string", need "object"/],
    [strict(3), /^tools\.0\.function\.parameters: got 3, need a JSON schema of an object/],
    [strict(deep(100)), /nested more than 64 deep/],
    [strict(deep(50_000)), /^tools\S*: got one that cannot be written|nested more than 64 deep/],
    [strict({ $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/a" } } }), /got/],
    [strict({ type: "object", properties: { a: { $ref: "#" } }, required: ["a"] }), /no text follows/],
    [strict({ type: "object", properties: { a: { type: "string", pattern: "(a|b)*a(a|b){20}" } } }), /^tools\.0\.function\.parameters\.properties\.a\.pattern: got/],
    [strict({ type: "object", properties: { ["k".repeat(60_000)]: {} } }), /^tools\.0\.function\.parameters\.properties: got one of more than 50000 places/],
    [strict(PERSON, "n".repeat(60_000)), /^tools\.0\.function\.name: got/],
    [strict(PERSON, "a b"), /^tools\.0\.function\.name: got "a b"/, NEWER_MISTRAL],
    [strict(PERSON, "a{b"), /^tools\.0\.function\.name: got "a\{b"/, GEMMA],
    [strict({ type: "object", properties: { a: { enum: ["x<escape>y"] } } }), /^tools\.0\.function\.parameters\.properties\.a\.enum: got "<esc" in a text/, GEMMA],
    [{ ...strict(PERSON), ignoreEos: true }, /^ignoreEos: got true beside/],
  ]; // prettier-ignore
  for (const [options, message, template = HERMES] of refused)
    assert.throws(() => say("", template, options), (error: Error) => error instanceof OptionError && message.test(error.message), String(message)); // prettier-ignore
  say("", HERMES, { tools: [tool("f", { parameters: { not: {} } })] });
});

test.run();
