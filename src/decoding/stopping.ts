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
 */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = "";
  #found: string | undefined;

  /** @throws OptionError unless `stops` is an array of non-empty strings */
  constructor(stops: readonly string[]) {
    // A lone string would otherwise pass as an array of its characters.
    if (!Array.isArray(stops) || stops.some((stop) => typeof stop !== "string" || stop === ""))
      throw new OptionError(`stop: got ${JSON.stringify(stops)}, need an array of non-empty strings`);
    this.#stops = stops;
  }

  /** The stop string that was found, if any; then nothing more comes out. */
  get found(): string | undefined {
    return this.#found;
  }

  /** Text that is certainly not part of a stop string, of the held text and this piece. */
  push(piece: string): string {
    if (this.#found !== undefined || piece === "") return "";
    const text = this.#held + piece;
    const match = this.#firstMatch(text);
    const end = match ?? this.#firstBeginning(text);
    this.#held = match === undefined ? text.slice(end) : "";
    return text.slice(0, end);
  }

  /** The text held back at the end of the stream. */
  flush(): string {
    const text = this.#held;
    this.#held = "";
    return text;
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

  /**
   * The place where the longest suffix begins that is a beginning of a stop string; the end of the text if
   * there is none.
   */
  #firstBeginning(text: string): number {
    let first = text.length;
    for (const stop of this.#stops) {
      for (let at = Math.max(0, text.length - stop.length + 1); at < first; at++) {
        if (stop.startsWith(text.slice(at))) first = at;
      }
    }
    return first;
  }
}
