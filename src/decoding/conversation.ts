/** Conversations as a chat template has them, and the prompts they become. */
import type { LanguageModel } from "./language-model.ts";
import type { PromptOptions } from "./prompt.ts";
import type { ChatMessage } from "../tokenizer/chat-template.ts";

/** The messages, and what the last one begins of the answer. */
export interface Conversation {
  readonly messages: readonly ChatMessage[];
  /** What an assistant's message at the end says: the answer goes on from there. Empty for none. */
  readonly begun: string;
}

/** An assistant's message at the end begins the answer, unless it calls functions or is all there is. */
export function withBeginning(messages: readonly ChatMessage[]): Conversation {
  const last = messages.at(-1);
  if (messages.length < 2 || last?.role !== "assistant" || last["tool_calls"] || typeof last.content !== "string")
    return { messages, begun: "" };
  return { messages: messages.slice(0, -1), begun: last.content };
}

/** Ids of a conversation, and the end of their text: a template may open the model's thoughts there. */
export function conversationPrompt(
  model: Pick<LanguageModel, "promptIds" | "tokenizer">,
  { messages, begun }: Conversation,
  options: PromptOptions,
): { readonly ids: readonly number[]; readonly end: string } {
  const ids = model.promptIds(messages, options);
  const added = begun === "" ? [] : model.tokenizer.encode(begun, { addSpecialTokens: false, parseSpecial: false });
  const all = [...ids, ...added];
  return { ids: all, end: model.tokenizer.decode(all.slice(-16)) };
}
