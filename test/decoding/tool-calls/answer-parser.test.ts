import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AnswerPart } from "../../../src/decoding/tool-calls/answer-parser.ts";
import { answerParsing } from "../../../src/decoding/tool-calls/answer-parsing.ts";
import { mulberry32 } from "../../random.ts";
import { partsOf } from "./answer-parts.ts";

const SEED = 23;
const test = suite(`calls and thoughts in answers (seed ${SEED})`);
const HERMES = "{% if tools %}<tool_call></tool_call>{% endif %}<think></think>";
const LLAMA = 'Environment: ipython {"name": function name, "parameters": ...}';

const MISTRAL = "[AVAILABLE_TOOLS][TOOL_CALLS]";
const GEMMA = "<start_function_call>call:";

const parse = (template: string, answer: string, { prompt = "", random = mulberry32(SEED) } = {}): AnswerPart[] =>
  partsOf(answerParsing(template).reading(prompt, true).parser(), answer, random);

const text = (said: string): AnswerPart => ({ kind: "text", text: said });
const call = (name: string, args: object): AnswerPart => ({ kind: "call", name, arguments: JSON.stringify(args), text: "" });
/** Numbers stay as the model wrote them. */
const asData = (parts: readonly AnswerPart[]) =>
  parts.map((part) => (part.kind === "call" ? { name: part.name, arguments: JSON.parse(part.arguments) as unknown } : part));

const CASES: readonly [what: string, template: string, answer: string, parts: readonly AnswerPart[]][] = [
  ["text alone", HERMES, " plain <b>text</b> ", [text(" plain <b>text</b> ")]],
  ["a call", HERMES, '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>', [call("f", { x: 1 })]],
  ["two calls behind a text", HERMES,
    'Let me see.\n<tool_call>{"name": "f", "arguments": {}}</tool_call>\n<tool_call>{"name": "g", "arguments": {"y": [2]}}</tool_call>',
    [text("Let me see.\n"), call("f", {}), call("g", { y: [2] })]],
  ["a call that was not closed", HERMES, '<tool_call>{"name": "f", "arguments": {"x": 1}}', [call("f", { x: 1 })]],
  ["a call cut off is text", HERMES, '<tool_call>{"name": "f", "argum', [text('<tool_call>{"name": "f", "argum')]],
  ["no call", HERMES, "<tool_call>maybe</tool_call> so", [text("<tool_call>maybe</tool_call> so")]],
  ["thoughts", HERMES, "<think>well\n</think>\n\nYes.", [{ kind: "reasoning", text: "well\n" }, text("Yes.")]],
  ["thoughts cut off", HERMES, "<think>well </thin", [{ kind: "reasoning", text: "well </thin" }]],
  ["the beginning of a mark at the end", HERMES, "1 <tool_", [text("1 <tool_")]],
  ["llama's call", LLAMA, '{"name": "f", "parameters": {"x": "1"}}', [call("f", { x: "1" })]],
  ["llama's text", LLAMA, "It is {so}.", [text("It is {so}.")]],
  ["llama's JSON that is no call", LLAMA, '{"answer": 1}', [text('{"answer": 1}')]],
  ["Mistral's list", MISTRAL, '[TOOL_CALLS] [{"name": "f", "arguments": {"x": "]}"}}, {"name": "g", "arguments": {}}]',
    [call("f", { x: "]}" }), call("g", {})]],
  ["Mistral's newer calls", MISTRAL, 'So.[TOOL_CALLS]f[ARGS]{"x": {"y": 1}}[TOOL_CALLS]g[CALL_ID]abcdefghi[ARGS]{}',
    [text("So."), call("f", { x: { y: 1 } }), call("g", {})]],
  ["Mistral's newest", MISTRAL, '[TOOL_CALLS]get_it{"x": 1} Done.', [call("get_it", { x: 1 }), text("Done.")]],
  ["Mistral's call cut off", MISTRAL, '[TOOL_CALLS][{"name": "f", "argu', [text('[TOOL_CALLS][{"name": "f", "argu')]],
  ["Mistral's mark in a text", MISTRAL, "The mark is [TOOL_CALLS], I think.", [text("The mark is [TOOL_CALLS], I think.")]],
  ["Mistral's list of something else", MISTRAL, "[TOOL_CALLS][1, 2] x", [text("[TOOL_CALLS][1, 2] x")]],
  ["FunctionGemma's call", GEMMA,
    "<start_function_call>call:get_weather{city:<escape>Paris, {x}<escape>,days:3}<end_function_call>",
    [call("get_weather", { city: "Paris, {x}", days: 3 })]],
  ["FunctionGemma's values", GEMMA,
    "<start_function_call>call:f{a:{b:[1,-2.5e3,<escape>t<escape>],c:{}},d:true,e:null,g:bare words,h:[]}<end_function_call>",
    [call("f", { a: { b: [1, -2500, "t"], c: {} }, d: true, e: null, g: "bare words", h: [] })]],
  ["FunctionGemma's two calls", GEMMA,
    "<start_function_call>call:f{}<end_function_call><start_function_call>call:g{x:1}<end_function_call>",
    [call("f", {}), call("g", { x: 1 })]],
  ["FunctionGemma's call that is none", GEMMA, "<start_function_call>call:f{x}<end_function_call>",
    [text("<start_function_call>call:f{x}<end_function_call>")]],
]; // prettier-ignore

for (const [what, template, answer, parts] of CASES) {
  test(`${what}, however it is cut`, () => {
    const random = mulberry32(SEED);
    for (let i = 0; i < 50; i++) assert.equal(asData(parse(template, answer, { random })), asData(parts));
  });
}

test("values nested without end are text", () => {
  const answer = `<start_function_call>call:f{x:${"[".repeat(10_000)}<end_function_call>`;
  assert.equal(parse(GEMMA, answer), [text(answer)]);
});

test("thoughts that the prompt opened", () => {
  const parts = parse(HERMES, "hm</think>So.", { prompt: "<|im_start|>assistant\n<think>\n" });
  assert.equal(parts, [{ kind: "reasoning", text: "hm" }, text("So.")]);
});

test.run();
