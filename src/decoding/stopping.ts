/** The end of a generation, and the part of its text that must wait until it is known. */
import { OptionError } from "../errors.ts";
import type { StopReason } from "./generation-options.ts";

export interface StopLimits {
  /** Infinity: no limit. */
  readonly maxTokens: number;
  /** Tokens the KV cache holds. */
  readonly contextSize: number;
}

/**
 * Tells whether there is no room for one more token, and why.
 *
 * @param generated tokens so far
 * @param sequenceLength prompt and generated tokens: what the cache would have to hold next
 */
export function limitReached(limits: StopLimits, generated: number, sequenceLength: number): StopReason | undefined {
  if (generated >= limits.maxTokens) return "length";
  if (sequenceLength > limits.contextSize) return "context";
  return undefined;
}

/**
 * Finds stop strings in a text that arrives in pieces, wherever the pieces are cut: text is held back as long
 * as it could be the beginning of a stop string. The string that is complete first wins; of two that end
 * together, the longer one.
 *
 * Special tokens are searched like all text, since `<|im_end|>` is a stop string people give, but do not come
 * out unless they are to be kept.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  readonly #kept: ReadonlySet<string>;
  #held = "";
  /** Where held text is that of special tokens: begin and end of each piece, ascending. */
  #special: readonly (readonly [begin: number, end: number])[] = [];
  #found: string | undefined;

  /**
   * @param kept special tokens that are text all the same
   * @throws OptionError unless both are arrays of non-empty strings
   */
  constructor(stops: readonly string[], kept: readonly string[] = []) {
    this.#stops = checkTexts("stop", stops);
    this.#kept = new Set(checkTexts("keptTokens", kept));
  }

  /** The stop string that was found, if any; then nothing more comes out. */
  get found(): string | undefined {
    return this.#found;
  }

  /**
   * Gives text that is certainly not part of a stop string, of the held text and this piece.
   *
   * @param special whether the piece is the text of a special token
   */
  push(piece: string, special = false): string {
    if (this.#found !== undefined || piece === "") return "";
    const text = this.#held + piece;
    if (special && !this.#kept.has(piece)) this.#special = [...this.#special, [this.#held.length, text.length]];
    const match = this.#firstMatch(text);
    const end = match ?? firstBeginning(text, this.#stops);
    const out = this.#plain(text, end);
    this.#held = match === undefined ? text.slice(end) : "";
    const left = this.#special.filter(([, specialEnd]) => specialEnd > end);
    this.#special = left.map(([begin, specialEnd]) => [Math.max(begin - end, 0), specialEnd - end]);
    return out;
  }

  /** The text held back at the end of the stream. */
  flush(): string {
    const text = this.#plain(this.#held, this.#held.length);
    this.#held = "";
    this.#special = [];
    return text;
  }

  /** Text up to `end`, without that of special tokens. */
  #plain(text: string, end: number): string {
    let [out, at] = ["", 0];
    for (const [begin, specialEnd] of this.#special) {
      out += text.slice(at, Math.max(at, Math.min(begin, end)));
      at = specialEnd;
    }
    return out + text.slice(at, Math.max(at, end));
  }

  /** The place where the winning stop string begins. */
  #firstMatch(text: string): number | undefined {
    let start: number | undefined;
    let end = Infinity;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at < 0) continue;
      const stopEnd = at + stop.length;
      if (stopEnd < end || (stopEnd === end && at < start!)) [start, end, this.#found] = [at, stopEnd, stop];
    }
    return start;
  }
}

/** A lone string would otherwise pass as an array of its characters. */
function checkTexts(what: string, texts: readonly string[]): readonly string[] {
  if (Array.isArray(texts) && texts.every((text) => typeof text === "string" && text !== "")) return texts;
  throw new OptionError(`${what}: got ${JSON.stringify(texts)}, need an array of non-empty strings`);
}

/**
 * The place where the longest suffix of a text begins that one of `marks` begins with; its length if there is
 * none.
 */
export function firstBeginning(text: string, marks: readonly string[]): number {
  let first = text.length;
  for (const mark of marks) {
    for (let at = Math.max(0, text.length - mark.length + 1); at < first; at++) {
      if (mark.startsWith(text.slice(at))) first = at;
    }
  }
  return first;
}
