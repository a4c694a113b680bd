/** Calls in the words of templates: what a template writes of a call is read back as that call. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { callFormatOf } from "../../src/decoding/tool-calls/call-formats.ts";
import { answerParsing } from "../../src/decoding/tool-calls/answer-parsing.ts";
import { ChatTemplate } from "../../src/tokenizer/chat-template.ts";
import { mulberry32 } from "../random.ts";
import { partsOf } from "../decoding/tool-calls/answer-parts.ts";
import { scriptedModel } from "./scripted-model.ts";
import { clientOf, loadTiny } from "./serving.ts";

const SEED = 41;
const test = suite(`formats of calls (seed ${SEED})`);
const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const family = (name: string) => read(`../chat-template/golden/families/${name}.jinja`);
const MISTRAL = family("mistral-tools");
const GEMMA = read("../decoding/tool-calls/function-gemma.jinja");

const TEMPLATES = {
  hermes: family("hermes"),
  "qwen-2.5": family("qwen-2.5"),
  "qwen-3": family("qwen-3"),
  "llama-3.1": family("llama-3.1"),
  "mistral-tools": MISTRAL,
  "function-gemma": GEMMA,
};
const ARGUMENTS = { city: 'Łódź "x", {y}', days: 2, exact: true, where: { lat: -1.5, names: ["a", "b"] }, nothing: [] };
const TOOLS = [{ type: "function", function: { name: "get_weather", description: "Weather", parameters: { type: "object", properties: {} } } }]; // prettier-ignore

for (const [name, source] of Object.entries(TEMPLATES)) {
  test(`${name}: what the template writes of a call is read as that call`, () => {
    const template = new ChatTemplate({ chat_template: source, bos_token: "<s>", eos_token: "</s>" }, name);
    const call = { id: "call12345", type: "function", function: { name: "get_weather", arguments: ARGUMENTS } };
    const asked = { role: "user", content: "What is the weather?" };
    const text = template.render([asked, { role: "assistant", content: "", tool_calls: [call] }], { tools: TOOLS });
    // The model's part: behind the question, up to the end of its turn.
    const part = text.slice(text.indexOf(asked.content) + asked.content.length);
    const begin = part.search(/<tool_call>|\[TOOL_CALLS\]|<start_function_call>|\{"name"/);
    const answer = part.slice(begin).replace(/(<\|im_end\|>|<\/s>|<end_of_turn>|<\|eot_id\|>|<\|eom_id\|>)[^]*$/, "");
    const parts = partsOf(answerParsing(source).reading("", true).parser(), answer, mulberry32(SEED));
    assert.is(parts.length, 1, answer);
    const [found] = parts;
    assert.is(found?.kind, "call", answer);
    if (found?.kind === "call") assert.equal([found.name, JSON.parse(found.arguments)], ["get_weather", ARGUMENTS]);
  });
}

test("every format is told from its template", () => {
  const names = Object.entries(TEMPLATES).map(([name, source]) => [name, callFormatOf(source)?.name]);
  assert.equal(Object.fromEntries(names), {
    hermes: "hermes",
    "qwen-2.5": "hermes",
    "qwen-3": "hermes",
    "llama-3.1": "llama3",
    "mistral-tools": "mistral",
    "function-gemma": "function-gemma",
  });
  for (const name of ["gemma-3", "qwen-3-coder", "glm-4"]) assert.is(callFormatOf(family(name)), undefined, name);
});

const model = await loadTiny();
test.after(() => model.dispose());

test("a streamed call of Mistral's has a name that its template takes, and the answer ends for it", async () => {
  const server = clientOf(scriptedModel(model, 'Well. [TOOL_CALLS][{"name": "f", "arguments": {"x": [1]}}]', MISTRAL));
  const body = { messages: [{ role: "user", content: "x" }], tools: TOOLS };
  const chunks = await server.stream("/v1/chat/completions", body);
  const deltas = chunks.map((chunk) => chunk.choices[0].delta);
  assert.is(deltas.map(({ content }) => content ?? "").join(""), "Well. ");
  const [call, ...others] = deltas.flatMap(({ tool_calls }) => tool_calls ?? []);
  assert.is(others.length, 0);
  assert.match(call.id, /^[\da-z]{9}$/);
  assert.equal([call.index, call.type, call.function], [0, "function", { name: "f", arguments: '{"x":[1]}' }]);
  assert.is(chunks.at(-1)!.choices[0].finish_reason, "tool_calls");
});

test("marks of calls that are special tokens stay in the text, other special tokens do not", async () => {
  // The tiny model's special tokens, which it is made to write, are the marks of a call here.
  const bias = { 0: 100 };
  const options = { temperature: 0, maxTokens: 3, ignoreEos: true, logitBias: bias };
  assert.is((await model.generate("the cat", options).result).text, "");
  const kept = await model.generate("the cat", { ...options, keptTokens: ["<|endoftext|>"] }).result;
  assert.is(kept.text, "<|endoftext|>".repeat(3));
  assert.throws(() => model.generate("a", { keptTokens: "<|im_end|>" as unknown as string[] }), /^keptTokens: got "<\|im_end\|>", need an array/); // prettier-ignore
});

test.run();
