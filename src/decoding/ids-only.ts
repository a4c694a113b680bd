/** A model without a tokenizer: prompts are token ids, and text is the numbers of generated ones. */
import { UnsupportedModelError } from "../errors.ts";
import type { TextTokenizer } from "./generate.ts";
import { checkPrompt, isIds, type Prompt } from "./prompt.ts";

/** @param name for messages: the checkpoint */
export function noTokenizer(name: string): UnsupportedModelError {
  return new UnsupportedModelError(`${name}: tokenizer: got a model without one, need token ids in place of text`);
}

/** In the place of `PromptEncoder`. */
export class IdsOnly {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** @throws OptionError for what is no prompt; UnsupportedModelError for text and messages */
  encode(prompt: Prompt): readonly number[] {
    checkPrompt(prompt);
    if (typeof prompt === "string" || !isIds(prompt)) throw noTokenizer(this.#name);
    return prompt;
  }

  /** The same for a place in a sequence, which may also go on by itself. */
  encodeFor(prompt: Prompt, _options: object, { length }: { readonly length: number }): readonly number[] {
    return length > 0 && Array.isArray(prompt) && prompt.length === 0 ? [] : this.encode(prompt);
  }
}

/** Numbers of ids, with a space between them. */
export const ID_TEXTS: TextTokenizer = {
  bosTokenId: undefined,
  // No text, so no form of it: a generation that is held to one is refused.
  vocabSize: 0,
  readBytes: () => new Uint8Array(),
  specialIds: new Set(),
  idToToken: String,
  streamDecoder: () => {
    let isFirst = true;
    const push = (id: number) => {
      const piece = isFirst ? `${id}` : ` ${id}`;
      isFirst = false;
      return piece;
    };
    return { push, flush: () => "" };
  },
};
