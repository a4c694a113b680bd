/** `/v1/chat/completions`: its body, and what of it the model is given. */
import * as z from "zod";
import type { ChatMessage } from "../../tokenizer/chat-template.ts";
import { ApiError } from "../api-error.ts";
import { type Conversation, withBeginning } from "../../decoding/conversation.ts";
import { samplingFields } from "./sampling-fields.ts";

const textPart = z.object({ type: z.literal("text", "need text: this server takes no pictures or sound"), text: z.string() });
const content = z.union([z.string(), z.array(textPart)]);

const toolCall = z.looseObject({
  id: z.string().optional(),
  type: z.literal("function").optional(),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const message = z.discriminatedUnion("role", [
  z.looseObject({ role: z.literal("system"), content }),
  z.looseObject({ role: z.literal("developer"), content }),
  z.looseObject({ role: z.literal("user"), content }),
  z.looseObject({ role: z.literal("assistant"), content: content.nullish(), tool_calls: z.array(toolCall).nullish() }),
  z.looseObject({ role: z.literal("tool"), content, tool_call_id: z.string().optional() }),
]);

const tool = z.object({
  type: z.literal("function"),
  function: z.looseObject({ name: z.string(), description: z.string().optional(), parameters: z.looseObject({}).optional() }),
});

const toolChoice = z.union([
  z.enum(["auto", "none", "required"]),
  z.object({ type: z.literal("function"), function: z.looseObject({ name: z.string() }) }),
]);

/** Whatever JSON can say. */
export const templateVariable = z.json();

export const chatSchema = z.object({
  ...samplingFields,
  messages: z.array(message).min(1),
  max_completion_tokens: samplingFields.max_tokens,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  functions: z.tuple([], "need tools, which took their place").nullish(),
  chat_template_kwargs: z.record(z.string(), templateVariable).nullish(),
});

export type ChatRequest = z.output<typeof chatSchema>;

/** @throws ApiError 400 for arguments of a call that are no JSON */
export function conversationOf({ messages }: Pick<ChatRequest, "messages">): Conversation {
  return withBeginning(messages.map((entry, i) => templateMessage(entry, i)));
}

/** Templates take text, a role they know, and arguments of calls as data. */
function templateMessage(entry: z.output<typeof message>, i: number): ChatMessage {
  const { role, content: said, ...rest } = entry;
  const text = Array.isArray(said) ? said.map((part) => part.text).join("") : (said ?? "");
  const calls = role === "assistant" ? entry.tool_calls : undefined;
  return {
    ...rest,
    role: role === "developer" ? "system" : role,
    content: text,
    ...(calls && { tool_calls: calls.map((call, k) => withArguments(call, `messages.${i}.tool_calls.${k}`)) }),
  };
}

function withArguments(call: z.output<typeof toolCall>, where: string): object {
  const { name, arguments: text } = call.function;
  try {
    return { ...call, type: "function", function: { name, arguments: JSON.parse(text) as unknown } };
  } catch {
    const param = `${where}.function.arguments`;
    throw new ApiError(400, `${param}: got no JSON, need the arguments as JSON`, { param });
  }
}
