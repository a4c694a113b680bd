/**
 * A question, the calls a model makes for it, what they give, and the answer with that. Models whose chat
 * template has words for functions are told of them by the library (`tools`); the others are shown examples,
 * and what they write is held to the schema of the arguments.
 */
import type { ChatMessage, GenerationResult } from "fptq";
import { type DemoFunction, FUNCTIONS } from "./functions.ts";
import type { Failure, Task } from "./messages.ts";

/** "auto": the model may call one. "required": it has to. Else the name of the one that it has to call. */
export type CallChoice = string;

export interface MadeCall {
  readonly name: string;
  /** As data; undefined where the model wrote no JSON. */
  readonly given: unknown;
  readonly result: string;
}

export interface Called {
  /** How the model was told of functions: by its template, or by examples and a form. */
  readonly by: "template" | "examples";
  /** Empty if it called nothing. */
  readonly calls: readonly MadeCall[];
  /** What it said beside calls. */
  readonly said: string;
  /** What it said after the results; undefined without calls. */
  readonly answer: string | undefined;
}

/** Writes with the model; rejects with a `Failure`. */
export type Write = (task: Extract<Task, { name: "write" }>) => Promise<GenerationResult>;

const CALL_TOKENS = 96;
const ANSWER_TOKENS = 64;

/** @throws Failure of the model; OptionError-like for a function that has to be chosen and is not */
export async function callFunctions(write: Write, question: string, choice: CallChoice): Promise<Called> {
  return (await byTemplate(write, question, choice)) ?? byExamples(write, question, choice);
}

/** @returns undefined for a model whose template has no words for functions that the library reads */
async function byTemplate(write: Write, question: string, choice: CallChoice): Promise<Called | undefined> {
  const tools = FUNCTIONS.map(({ name, description, parameters }) => ({
    type: "function" as const,
    function: { name, description, parameters },
  }));
  const isName = FUNCTIONS.some(({ name }) => name === choice);
  const toolChoice = isName ? { type: "function" as const, function: { name: choice } } : (choice as "auto" | "required");
  const messages: ChatMessage[] = [{ role: "user", content: question }];
  let result: GenerationResult;
  try {
    const options = { tools, toolChoice, parallelToolCalls: false, temperature: 0, maxTokens: CALL_TOKENS };
    result = await write({ name: "write", messages, options });
  } catch (error) {
    const { name, message } = error as Failure;
    if (name === "OptionError" && message.startsWith("tools: got some, need none")) return undefined;
    throw error;
  }
  const asked = result.toolCalls ?? [];
  const calls = asked.map(({ name, arguments: given }) => made(name, given));
  const said = result.text.trim();
  if (calls.length === 0) return { by: "template", calls, said, answer: undefined };
  for (const [i, { name, given, result: content }] of calls.entries()) {
    const { id } = asked[i]!;
    const call = { id, type: "function", function: { name, arguments: given ?? {} } };
    messages.push({ role: "assistant", content: "", tool_calls: [call] }, { role: "tool", tool_call_id: id, name, content });
  }
  const options = { tools, toolChoice: "none", temperature: 0, maxTokens: ANSWER_TOKENS } as const;
  const answer = await write({ name: "write", messages, options });
  return { by: "template", calls, said, answer: answer.text.trim() };
}

async function byExamples(write: Write, question: string, choice: CallChoice): Promise<Called> {
  const chosen = FUNCTIONS.find(({ name }) => name === choice);
  const offered = chosen ? [chosen] : FUNCTIONS;
  // One function needs no name, which is one thing less that a small model can get wrong.
  const written = (one: DemoFunction, given: object) => JSON.stringify(chosen ? given : { name: one.name, arguments: given });
  const examples = offered.flatMap((one): ChatMessage[] =>
    one.examples.flatMap(([content, given]) => [
      { role: "user", content },
      { role: "assistant", content: written(one, given) },
    ]),
  );
  const about = offered.map(({ name, description }) => (chosen ? `${description}.` : `${name}: ${description}.`)).join("\n");
  const messages = [{ role: "system", content: about }, ...examples, { role: "user", content: question }];
  const responseFormat = { type: "json_schema", json_schema: { schema: chosen?.parameters ?? anyCall(offered) } } as const;
  const { text } = await write({
    name: "write",
    messages,
    options: { responseFormat, temperature: 0, maxTokens: CALL_TOKENS },
  });
  const value = parsed(text);
  if (value === undefined) return { by: "examples", calls: [], said: text.trim(), answer: undefined };
  const { name, arguments: given } = chosen ? { name: chosen.name, arguments: value } : (value as { name: string; arguments: unknown }); // prettier-ignore
  const call = made(name, given);
  const content = `Context: ${call.result}\n\nQuestion: ${question}\nAnswer in one sentence.`;
  const options = { temperature: 0, maxTokens: ANSWER_TOKENS };
  const answer = await write({ name: "write", messages: [{ role: "user", content }], options });
  return { by: "examples", calls: [call], said: "", answer: answer.text.trim() };
}

/** A schema of a call of one of several functions. */
const anyCall = (functions: readonly DemoFunction[]) => ({
  anyOf: functions.map(({ name, parameters }) => ({
    type: "object",
    properties: { name: { const: name }, arguments: parameters },
    required: ["name", "arguments"],
    additionalProperties: false,
  })),
});

function made(name: string, given: unknown): MadeCall {
  const one = FUNCTIONS.find((candidate) => candidate.name === name);
  const isObject = typeof given === "object" && given !== null;
  const result = !one
    ? `error: there is no function ${JSON.stringify(name)}`
    : isObject
      ? one.call(given as Readonly<Record<string, unknown>>)
      : "error: got no arguments, need a JSON object";
  return { name, given, result };
}

/** @returns undefined for what is not JSON: a call that was cut */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
