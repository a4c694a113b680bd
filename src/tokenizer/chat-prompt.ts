/**
 * Token ids of a conversation. Special tokens come from the template alone: what a message says never becomes
 * one, or whoever writes a message could end their turn and begin one of the system's.
 *
 *     messages -> special texts marked -> template -> the template's own marked, marks removed -> ids
 *
 * Marks are noncharacters (Unicode, section 23.7), which no text means anything by. A message without the
 * text of a special token has none, and goes the way it would go without all this.
 */
import { OptionError } from "../errors.ts";
import { isJsonObject } from "../json-object.ts";
import { SPECIAL_MARK } from "./added-tokens.ts";
import type { ChatMessage, ChatTemplate, ChatTemplateOptions } from "./chat-template.ts";

/** Stands in the middle of a special text that a message wrote. */
const WRITTEN = "\uFDD0";

export interface ChatPromptOptions extends ChatTemplateOptions {
  /** Whether special tokens' texts in messages become those tokens. Default false. */
  readonly parseSpecial?: boolean | undefined;
}

/** A conversation as the template writes it, with every special token it needs. */
export interface ChatPrompt {
  readonly text: string;
  /**
   * The text for `Tokenizer.encodeMarked`, where a message has the text of a special token; without it `text`
   * is encoded as it is.
   */
  readonly marked?: string;
}

/**
 * @param specialTexts of the tokenizer
 * @throws OptionError if the template refuses the messages, or a message has a mark beside the text of a
 *   special token
 */
export function chatPrompt(
  specialTexts: readonly string[],
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  { parseSpecial = false, ...options }: ChatPromptOptions = {},
): ChatPrompt {
  const specials = new SpecialTexts(parseSpecial ? [] : specialTexts);
  const marked = { messages: specials.mark(messages), tools: specials.mark(options.tools) };
  const text = template.render(marked.messages as readonly ChatMessage[], {
    ...options,
    ...(options.tools && { tools: marked.tools as NonNullable<ChatTemplateOptions["tools"]> }),
  });
  if (!specials.marked) return { text };
  return { text: text.replaceAll(WRITTEN, ""), marked: specials.markTemplate(text).replaceAll(WRITTEN, "") };
}

/** Finds the texts of special tokens, whole or begun, in what messages say. */
class SpecialTexts {
  readonly #pattern: RegExp | undefined;
  /** What an end of one message may begin and the next may finish. */
  readonly #beginnings = new Set<string>();
  readonly #longest: number;
  /** Whether anything was marked. */
  marked = false;
  #hasMarks = false;

  constructor(texts: readonly string[]) {
    // The longest of those that begin alike, as tokenizers take them.
    const ordered = texts.toSorted((a, b) => b.length - a.length);
    this.#longest = ordered[0]?.length ?? 0;
    if (ordered.length > 0) this.#pattern = new RegExp(ordered.map(unmarkedPattern).join("|"), "gu");
    for (const text of texts) for (let end = 1; end < text.length; end++) this.#beginnings.add(text.slice(0, end));
  }

  /**
   * A copy of JSON with every string marked, keys included.
   * @throws OptionError if marks are there already
   */
  mark(value: unknown): unknown {
    const copy = this.#copy(value);
    if (this.marked && this.#hasMarks)
      throw new OptionError(
        "messages: got a noncharacter (U+FDD0, U+FDD1) beside the text of a special token, need one or the other",
      );
    return copy;
  }

  /** Puts a mark before each special text that is whole. */
  markTemplate(text: string): string {
    return this.#pattern ? text.replaceAll(this.#pattern, (special) => SPECIAL_MARK + special) : text;
  }

  #copy(value: unknown): unknown {
    if (typeof value === "string") return this.#markText(value);
    if (Array.isArray(value)) return value.map((entry) => this.#copy(entry));
    if (!isJsonObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [this.#markText(key), this.#copy(entry)]));
  }

  #markText(text: string): string {
    this.#hasMarks ||= text.includes(WRITTEN) || text.includes(SPECIAL_MARK);
    if (!this.#pattern) return text;
    let result = text;
    // Texts may overlap: each round breaks what the one before has left.
    for (let found = true; found;) {
      const broken = result.replaceAll(this.#pattern, (special) => {
        const first = String.fromCodePoint(special.codePointAt(0)!);
        return first + WRITTEN + special.slice(first.length);
      });
      found = broken !== result;
      result = broken;
    }
    result = this.#markBeginning(result);
    if (result !== text) this.marked = true;
    return result;
  }

  /** Breaks a special text that the end of this one begins; templates join texts, and trim them. */
  #markBeginning(text: string): string {
    const said = text.trimEnd();
    for (let length = Math.min(said.length, this.#longest); length > 0; length--) {
      if (this.#beginnings.has(said.slice(-length))) return said + WRITTEN + text.slice(said.length);
    }
    return text;
  }
}

/** A special text of one character has no middle: the mark behind it says that a message wrote it. */
function unmarkedPattern(text: string): string {
  const escaped = text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, (character) => `\\${character}`);
  return [...text].length === 1 ? `${escaped}(?!${WRITTEN})` : escaped;
}
