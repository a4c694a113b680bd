/** Prompts to token ids, by the tokenizer and chat template of a model. */
import type { TokenizerFiles } from "../checkpoint/checkpoint.ts";
import { OptionError } from "../errors.ts";
import { type ChatMessage, ChatTemplate } from "../tokenizer/chat-template.ts";
import { type ChatPrompt, chatPrompt } from "../tokenizer/chat-prompt.ts";
import { fewestTokens } from "../tokenizer/fewest-tokens.ts";
import type { EncodeOptions, Tokenizer } from "../tokenizer/tokenizer.ts";
import { checkPrompt, isIds, type Prompt, type PromptOptions } from "./prompt.ts";

/** Where a prompt goes: behind so many tokens, in a context of so many. */
interface PromptPlace {
  readonly length: number;
  readonly contextSize: number;
}

const ANYWHERE: PromptPlace = { length: 0, contextSize: Infinity };

/** Token ids that are still to be made. @param pause lets other events run; what it throws ends the work */
export type PendingIds = (pause: () => Promise<void>) => Promise<readonly number[]>;

/** In UTF-16 units; encoding this much takes some 20 ms. */
const LONG_TEXT = 1 << 16;

interface PromptText extends ChatPrompt {
  readonly options: EncodeOptions;
}

export class PromptEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #tokenizerConfig: Record<string, unknown>;
  /** For messages. */
  readonly #name: string;
  readonly #fewestTokens: (text: string) => number;
  #template: ChatTemplate | undefined;
  /** Undefined when nobody listens, and when it has been said. */
  #warn: ((message: string) => void) | undefined;

  /**
   * @param files what the tokenizer was made of, and for messages where that comes from
   * @param onWarning told once of a second beginning-of-sequence token
   */
  constructor(
    tokenizer: Tokenizer,
    { name, tokenizerConfig, tokenizerJson }: TokenizerFiles & { readonly name: string },
    onWarning: ((message: string) => void) | undefined,
  ) {
    this.#tokenizer = tokenizer;
    this.#tokenizerConfig = tokenizerConfig;
    this.#name = name;
    this.#fewestTokens = fewestTokens(tokenizerJson, tokenizer.longestToken);
    this.#warn = onWarning;
  }

  /**
   * Token ids, special tokens included.
   *
   * @throws OptionError for what is no prompt, or messages that the template refuses; UnsupportedModelError
   *   for messages without a template
   */
  encode(prompt: Prompt, options: PromptOptions): readonly number[] {
    const found = this.#read(prompt, options, ANYWHERE);
    return "ids" in found ? found.ids : this.#encodeText(found);
  }

  /**
   * The same for a place in a sequence. Encoding runs no events, so a text that cannot fit is not encoded,
   * and a long one when the generation runs.
   *
   * @throws OptionError also for a text that cannot fit
   */
  encodeFor(prompt: Prompt, options: PromptOptions, place: PromptPlace): readonly number[] | PendingIds {
    const found = this.#read(prompt, options, place);
    if ("ids" in found) return found.ids;
    // No tokenizer of those it bounds makes more tokens than half of the characters, at the fewest.
    const mayExceed = place.length + found.text.length / 2 > place.contextSize;
    const needed = place.length + (mayExceed ? this.#fewestTokens(found.text) : 0);
    if (needed > place.contextSize)
      throw new OptionError(`prompt: got at least ${needed} tokens, need at most ${place.contextSize}, the context size`);
    return found.text.length <= LONG_TEXT ? this.#encodeText(found) : (pause) => this.#encodeInSteps(found, pause);
  }

  #read(prompt: Prompt, options: PromptOptions, { length }: PromptPlace): { ids: readonly number[] } | PromptText {
    // Nothing added: a sequence goes on by itself.
    if (length > 0 && Array.isArray(prompt) && prompt.length === 0) return { ids: [] };
    checkPrompt(prompt);
    const { parseSpecial, tools, templateVariables: variables } = options;
    if (typeof prompt === "string") return { text: prompt, options: { addSpecialTokens: length === 0, parseSpecial } };
    if (isIds(prompt)) return { ids: prompt };
    this.#template ??= new ChatTemplate(this.#tokenizerConfig, this.#name);
    const chat = chatPrompt(this.#tokenizer.specialTexts, this.#template, prompt as readonly ChatMessage[], {
      parseSpecial,
      ...(tools && { tools }),
      ...(variables && { variables }),
    });
    return { ...chat, options: { addSpecialTokens: false } };
  }

  #encodeText({ text, marked, options }: PromptText): readonly number[] {
    const tokenizer = this.#tokenizer;
    return this.#noticing(marked === undefined ? tokenizer.encode(text, options) : tokenizer.encodeMarked(marked), options);
  }

  async #encodeInSteps({ text, marked, options }: PromptText, pause: () => Promise<void>): Promise<readonly number[]> {
    const tokenizer = this.#tokenizer;
    const ids =
      marked === undefined ? tokenizer.encodeInSteps(text, options, pause) : tokenizer.encodeMarkedInSteps(marked, pause);
    return this.#noticing(await ids, options);
  }

  /**
   * The ids, after a look at their beginning. Models answer worse to a second beginning-of-sequence token,
   * which most often is a slip; what was asked for is done all the same.
   */
  #noticing(ids: readonly number[], { addSpecialTokens }: EncodeOptions): readonly number[] {
    const { addedBosTokenId: bos } = this.#tokenizer;
    if (!addSpecialTokens || bos === undefined || ids[0] !== bos || ids[1] !== bos || !this.#warn) return ids;
    const text = this.#tokenizer.idToToken(bos);
    this.#warn(`prompt: got ${text} at its beginning, and the tokenizer adds one: the model sees two; leave it out of the text`);
    this.#warn = undefined;
    return ids;
  }
}
