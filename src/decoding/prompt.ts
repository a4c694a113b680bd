/** What a generation begins with. */
import { shown } from "../need.ts";
import { OptionError } from "../errors.ts";
import type { JsonObject } from "../json-object.ts";
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import type { ChatMessage } from "../tokenizer/chat-template.ts";

/**
 * Messages of a conversation. The second form is for an interface of your own, which TypeScript takes for
 * nothing with an index signature.
 */
export type Messages = readonly (ChatMessage | { readonly role: string; readonly content?: unknown })[];

/** What to continue: text, its token ids, or a conversation for the model's chat template. */
export type Prompt = string | readonly number[] | Messages;

/** How a prompt becomes token ids. */
export interface PromptOptions {
  /**
   * Whether the text of a special token, such as `<|im_end|>`, becomes that token. By default true in a text,
   * which is the caller's own, and false in what messages say, so that no message can end its turn.
   */
  readonly parseSpecial?: boolean | undefined;
  /**
   * Functions the model may call, as OpenAI's `tools`, for the chat template. `generate()` finds calls of
   * them in what the model says: `result.toolCalls`.
   */
  readonly tools?: readonly JsonObject[] | undefined;
  /** Further variables of the chat template, for instance `{ enable_thinking: false }`. */
  readonly templateVariables?: JsonObject | undefined;
}

export const PROMPT_OPTIONS: OptionKeys = optionKeys<PromptOptions>({ parseSpecial: 0, tools: 0, templateVariables: 0 });

/**
 * Checks a prompt, which may come from a program without types.
 * @throws OptionError for what is neither a text nor anything to go on with
 */
export function checkPrompt(prompt: unknown): void {
  if (typeof prompt === "string") return;
  if ((Array.isArray(prompt) || ArrayBuffer.isView(prompt)) && (prompt as ArrayLike<unknown>).length > 0) return;
  throw new OptionError(`prompt: got ${foundIn(prompt)}, need a text, token ids or an array of messages`);
}

function foundIn(prompt: unknown): string {
  if (Array.isArray(prompt)) return "an empty array";
  if (typeof prompt !== "object" || prompt === null) return shown(prompt);
  return `an object with ${Object.keys(prompt).join(", ") || "nothing in it"}`;
}

/** Tells token ids from messages. */
export function isIds(prompt: readonly number[] | Messages): prompt is readonly number[] {
  return prompt.every((entry) => typeof entry === "number");
}

/**
 * Token ids as a generation begins with them.
 * @throws OptionError for none, more than the context holds, or ids outside the vocabulary
 */
export function checkPromptIds(
  ids: ArrayLike<number>,
  bosTokenId: number | undefined,
  vocabSize: number,
  contextSize: number,
): readonly number[] {
  if (ids.length === 0 && bosTokenId === undefined)
    throw new OptionError("prompt: got no tokens, need at least 1: this tokenizer has no beginning-of-sequence token");
  if (ids.length > contextSize)
    throw new OptionError(`prompt: got ${ids.length} tokens, need at most ${contextSize}, the context size`);
  const prompt = ids.length === 0 ? [bosTokenId!] : Array.from(ids);
  const outside = prompt.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
  if (outside >= 0)
    throw new OptionError(`prompt: got token id ${prompt[outside]}, need whole numbers from 0 to ${vocabSize - 1}`);
  return prompt;
}
