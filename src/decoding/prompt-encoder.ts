/** Prompts to token ids, by the tokenizer and chat template of a model. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { OptionError } from "../errors.ts";
import { type ChatMessage, ChatTemplate } from "../tokenizer/chat-template.ts";
import { chatPrompt } from "../tokenizer/chat-prompt.ts";
import { fewestTokens } from "../tokenizer/fewest-tokens.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { checkPrompt, isIds, type Prompt, type PromptOptions } from "./prompt.ts";

/** Where a prompt goes: behind so many tokens, in a context of so many. */
interface PromptPlace {
  readonly length: number;
  readonly contextSize: number;
}

const ANYWHERE: PromptPlace = { length: 0, contextSize: Infinity };

export class PromptEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #tokenizerConfig: Record<string, unknown>;
  /** For messages. */
  readonly #name: string;
  readonly #fewestTokens: (text: string) => number;
  #template: ChatTemplate | undefined;
  /** Undefined when nobody listens, and when it has been said. */
  #warn: ((message: string) => void) | undefined;

  /** @param onWarning told once of a second beginning-of-sequence token */
  constructor(tokenizer: Tokenizer, checkpoint: Checkpoint, onWarning: ((message: string) => void) | undefined) {
    const { tokenizerConfig, tokenizerJson } = checkpoint.tokenizer!;
    this.#tokenizer = tokenizer;
    this.#tokenizerConfig = tokenizerConfig;
    this.#name = checkpoint.name;
    this.#fewestTokens = fewestTokens(tokenizerJson);
    this.#warn = onWarning;
  }

  /**
   * Token ids, special tokens included. Encoding runs no events, so a text that cannot fit is not encoded.
   *
   * @throws OptionError for what is no prompt, does not fit, or messages that the template refuses;
   *   UnsupportedModelError for messages without a template
   */
  encode(prompt: Prompt, options: PromptOptions, { length, contextSize }: PromptPlace = ANYWHERE): readonly number[] {
    // Nothing added: a sequence goes on by itself.
    if (length > 0 && Array.isArray(prompt) && prompt.length === 0) return [];
    checkPrompt(prompt);
    if (typeof prompt !== "string") {
      if (isIds(prompt)) return prompt;
      const { text, encode } = this.#chat(prompt, options);
      this.#checkFits(text, length, contextSize);
      return encode();
    }
    this.#checkFits(prompt, length, contextSize);
    const ids = this.#tokenizer.encode(prompt, { addSpecialTokens: length === 0, parseSpecial: options.parseSpecial });
    this.#warnOfSecondBos(ids);
    return ids;
  }

  #chat(messages: readonly ChatMessage[], { parseSpecial, tools, templateVariables: variables }: PromptOptions) {
    this.#template ??= new ChatTemplate(this.#tokenizerConfig, this.#name);
    return chatPrompt(this.#tokenizer, this.#template, messages, {
      parseSpecial,
      ...(tools && { tools }),
      ...(variables && { variables }),
    });
  }

  #checkFits(text: string, length: number, contextSize: number): void {
    const needed = length + this.#fewestTokens(text);
    if (needed > contextSize)
      throw new OptionError(`prompt: got at least ${needed} tokens, need at most ${contextSize}, the context size`);
  }

  /**
   * Models answer worse to a second one, which most often is a slip; what was asked for is done all the same.
   */
  #warnOfSecondBos(ids: readonly number[]): void {
    const { addedBosTokenId: bos } = this.#tokenizer;
    if (bos === undefined || ids[0] !== bos || ids[1] !== bos || !this.#warn) return;
    const text = this.#tokenizer.idToToken(bos);
    this.#warn(`prompt: got ${text} at its beginning, and the tokenizer adds one: the model sees two; leave it out of the text`);
    this.#warn = undefined;
  }
}
