/** Prompts of the AI SDK as messages of a chat template. */
import type { LanguageModelV4Message, LanguageModelV4Prompt, LanguageModelV4ToolResultPart } from "@ai-sdk/provider";
import { OptionError } from "../errors.ts";
import { type Conversation, withBeginning } from "../decoding/conversation.ts";
import type { ChatMessage } from "../tokenizer/chat-template.ts";

/** @throws OptionError for what is no text, and what other providers execute */
export function conversationOf(prompt: LanguageModelV4Prompt): Conversation {
  return withBeginning(prompt.flatMap((message, i) => templateMessages(message, `prompt.${i}`)));
}

/** Results of tools are a message each; all else is one. */
function templateMessages(message: LanguageModelV4Message, where: string): ChatMessage[] {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: message.content }];
    case "user":
      return [{ role: "user", content: message.content.map((part) => textOf(part, where)).join("") }];
    case "assistant":
      return [assistantMessage(message.content, where)];
    case "tool":
      return message.content.map((part) => {
        if (part.type !== "tool-result") throw refusal(part.type, where);
        return { role: "tool", tool_call_id: part.toolCallId, name: part.toolName, content: outputText(part, where) };
      });
  }
}

function assistantMessage(parts: Extract<LanguageModelV4Message, { role: "assistant" }>["content"], where: string): ChatMessage {
  let [content, reasoning] = ["", ""];
  const calls: object[] = [];
  for (const part of parts) {
    if (part.type === "reasoning") reasoning += part.text;
    else if (part.type === "tool-call") {
      const { toolCallId: id, toolName: name, input } = part;
      calls.push({ id, type: "function", function: { name, arguments: input } });
    } else content += textOf(part, where);
  }
  return {
    role: "assistant",
    content,
    ...(reasoning !== "" && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

/** Text, also of a file that is text. */
function textOf(part: { readonly type: string; readonly text?: string; readonly data?: unknown }, where: string): string {
  if (part.type === "text") return part.text!;
  const { data } = part as { data?: { type?: string; text?: string } };
  if (part.type === "file" && data?.type === "text") return data.text!;
  throw refusal(part.type, where);
}

function outputText({ output }: LanguageModelV4ToolResultPart, where: string): string {
  switch (output.type) {
    case "text":
    case "error-text":
      return output.value;
    case "json":
    case "error-json":
      return JSON.stringify(output.value);
    case "execution-denied":
      return output.reason ?? "Tool execution denied.";
    case "content":
      return output.value.map((part) => textOf(part, where)).join("");
  }
}

function refusal(type: string, where: string): OptionError {
  return new OptionError(`${where}: got a part of type ${JSON.stringify(type)}, need text: this model reads nothing else`);
}
