/**
 * `/v1/responses`: its body, and the same said as a chat. What a server that keeps nothing cannot honour is
 * refused by name.
 */
import * as z from "zod";
import { chatSchema, type ChatRequest } from "./chat-request.ts";
import { parseFields } from "./parse.ts";
import { samplingFields } from "./sampling-fields.ts";

const keepsNothing = "this server keeps no responses: need all of the conversation in input";

const part = z.object({
  type: z.enum(["input_text", "output_text", "text"], "need text: this server takes no pictures, sound or files"),
  text: z.string(),
});
const content = z.union([z.string(), z.array(part)]);

const message = z.object({
  type: z.literal("message").optional(),
  role: z.enum(["user", "assistant", "system", "developer"]),
  content,
});
const item = z.discriminatedUnion("type", [
  message.extend({ type: z.literal("message") }),
  z.object({ type: z.literal("function_call"), call_id: z.string(), name: z.string(), arguments: z.string() }),
  z.object({ type: z.literal("function_call_output"), call_id: z.string(), output: content }),
  z.object({
    type: z.literal("reasoning"),
    content: z.array(z.object({ text: z.string() })).nullish(),
    summary: z.array(z.object({ text: z.string() })).nullish(),
  }),
]);
type Item = z.output<typeof item>;

/** A message may go without its type. */
const typed = (given: unknown): unknown =>
  typeof given === "object" && given !== null && !("type" in given) ? { ...given, type: "message" } : given;

const tool = z.looseObject({
  type: z.literal("function", "need function: this server has no tools of its own"),
  name: z.string(),
  description: z.string().nullish(),
  parameters: z.looseObject({}).nullish(),
  strict: z.boolean().nullish(),
});

export const responseSchema = z.object({
  ...samplingFields,
  input: z.union([z.string(), z.array(z.preprocess(typed, item)).min(1)]),
  instructions: z.string().nullish(),
  max_output_tokens: samplingFields.max_tokens,
  max_tokens: z.null("need max_output_tokens").optional(),
  n: z.literal(1, "this endpoint gives one answer: need 1").nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: z.union([z.string(), z.looseObject({ type: z.string() })]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z.object({ format: z.looseObject({ type: z.string() }).nullish() }).nullish(),
  include: z.array(z.string()).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  chat_template_kwargs: chatSchema.shape.chat_template_kwargs,
  store: z.literal(false, keepsNothing).nullish(),
  previous_response_id: z.null(keepsNothing).optional(),
  conversation: z.null(keepsNothing).optional(),
  background: z.literal(false, "this server answers those that wait: need false").nullish(),
  prompt: z.null("this server keeps no prompts: need input and instructions").optional(),
  truncation: z.literal("disabled", "this server leaves nothing out: need disabled").nullish(),
});

export type ResponseRequest = z.output<typeof responseSchema>;

/** What fields of a chat are called here. */
export const NAMES = { messages: "input", max_completion_tokens: "max_output_tokens", response_format: "text.format" } as const;

/** @throws ApiError 400 naming a field that a chat may not have so */
export function chatOf(body: ResponseRequest): ChatRequest {
  const { input, instructions, tools, text, include } = body;
  const asked = typeof input === "string" ? [{ role: "user", content: input }] : messagesOf(input);
  const chat = {
    ...body,
    messages: [...(instructions ? [{ role: "system", content: instructions }] : []), ...asked],
    max_completion_tokens: body.max_output_tokens,
    tools: tools?.map(({ type, name, description, parameters, strict }) => ({
      type,
      function: { name, description: description ?? undefined, parameters: parameters ?? undefined, strict },
    })),
    tool_choice: choiceOf(body.tool_choice),
    response_format: text?.format && formatOf(text.format),
    logprobs: include?.includes("message.output_text.logprobs") ?? false,
  };
  return parseFields(chat, chatSchema, NAMES);
}

/** Chats hold the calls of an answer, and what was thought before, in one message. */
function messagesOf(items: readonly Item[]): object[] {
  const messages: (Record<string, unknown> & { role: string })[] = [];
  let thought: string | undefined;
  const assistant = () => {
    const last = messages.at(-1);
    if (last?.role === "assistant" && thought === undefined) return last;
    const begun = { role: "assistant", content: null, ...(thought !== undefined && { reasoning_content: thought }) };
    thought = undefined;
    messages.push(begun);
    return begun;
  };
  for (const entry of items) {
    if (entry.type === "reasoning") {
      thought = [...(entry.content ?? entry.summary ?? [])].map((piece) => piece.text).join("");
    } else if (entry.type === "function_call_output") {
      messages.push({ role: "tool", tool_call_id: entry.call_id, content: textOf(entry.output) });
    } else if (entry.type === "function_call") {
      const to: Record<string, unknown> = assistant();
      const { call_id: id, name, arguments: given } = entry;
      to["tool_calls"] = [
        ...((to["tool_calls"] as object[] | undefined) ?? []),
        { id, type: "function", function: { name, arguments: given } },
      ];
    } else if (entry.role === "assistant" && thought !== undefined) {
      assistant()["content"] = textOf(entry.content);
    } else {
      messages.push({ role: entry.role, content: textOf(entry.content) });
    }
  }
  return messages;
}

function textOf(said: z.output<typeof content>): string {
  return typeof said === "string" ? said : said.map(({ text }) => text).join("");
}

function choiceOf(choice: ResponseRequest["tool_choice"]): unknown {
  if (typeof choice !== "object" || choice === null || choice.type !== "function") return choice;
  return { type: "function", function: { name: choice["name"] } };
}

/** Where a chat has the schema of an answer in an object of its own. */
function formatOf({ type, ...rest }: { readonly type: string }): object {
  return type === "json_schema" ? { type, json_schema: rest } : { type, ...rest };
}
