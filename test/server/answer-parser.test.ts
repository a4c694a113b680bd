import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AnswerPart } from "../../src/server/tool-calls/answer-parser.ts";
import { answerParsing } from "../../src/server/tool-calls/answer-parsing.ts";
import { mulberry32 } from "../random.ts";

const SEED = 23;
const test = suite(`calls and thoughts in answers (seed ${SEED})`);
const HERMES = "{% if tools %}<tool_call></tool_call>{% endif %}<think></think>";
const LLAMA = 'Environment: ipython {"name": function name, "parameters": ...}';

/** The parts of an answer cut at random, with neighbours of one kind joined. */
function parse(template: string, answer: string, { prompt = "", random = mulberry32(SEED) } = {}): AnswerPart[] {
  const parser = answerParsing(template).reading(prompt, true).parser();
  const parts: AnswerPart[] = [];
  for (let at = 0; at < answer.length;) {
    const end = at + 1 + Math.floor(random() * 6);
    parts.push(...parser.push(answer.slice(at, end)));
    at = end;
  }
  parts.push(...parser.flush());
  const joined: AnswerPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (last === undefined || part.kind === "call" || last.kind !== part.kind) joined.push(part);
    else joined[joined.length - 1] = { kind: part.kind, text: last.text + part.text };
  }
  return joined;
}

const text = (said: string): AnswerPart => ({ kind: "text", text: said });
const call = (name: string, args: object): AnswerPart => ({ kind: "call", name, arguments: JSON.stringify(args) });

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
]; // prettier-ignore

for (const [what, template, answer, parts] of CASES) {
  test(`${what}, however it is cut`, () => {
    const random = mulberry32(SEED);
    for (let i = 0; i < 50; i++) assert.equal(parse(template, answer, { random }), parts);
  });
}

test("thoughts that the prompt opened", () => {
  const parts = parse(HERMES, "hm</think>So.", { prompt: "<|im_start|>assistant\n<think>\n" });
  assert.equal(parts, [{ kind: "reasoning", text: "hm" }, text("So.")]);
});

test.run();
