/**
 * Calls as FunctionGemma's template writes them:
 *
 *   <start_function_call>call:f{city:<escape>Paris<escape>,days:3,where:{lat:1.5}}<end_function_call>
 */
import type { Section } from "./answer-parser.ts";
import { parsed } from "./json-call.ts";

const [OPEN, CLOSE, ESCAPE] = ["<start_function_call>", "<end_function_call>", "<escape>"] as const;
export const GEMMA_ESCAPE = ESCAPE;
/** Special tokens in some files of this model, which are no text otherwise. */
export const GEMMA_MARKS = [OPEN, CLOSE, ESCAPE] as const;
/** Where the model waits for what the functions gave. */
export const GEMMA_STOP = "<start_function_response>";

const HEAD = /^\s*call:([^\s{}]+)\{/;
/** As deep as arguments may be nested. */
const MOST_DEPTH = 500;

export const gemmaCalls: Section = {
  open: OPEN,
  close: CLOSE,
  read(inner) {
    const head = HEAD.exec(inner);
    const json = head && new Arguments(inner, head[0].length - 1).json();
    return head && json !== undefined ? [{ name: head[1]!, arguments: json! }] : undefined;
  },
};

/** Reads an object in this notation from a place of a text. */
class Arguments {
  readonly #text: string;
  #at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  /** @returns the same as JSON; undefined for what is none, or goes on behind its end */
  json(): string | undefined {
    const value = this.#value(0);
    return value !== undefined && this.#text.slice(this.#at).trim() === "" ? value : undefined;
  }

  #value(depth: number): string | undefined {
    if (depth > MOST_DEPTH) return undefined;
    const escaped = this.#escaped();
    if (escaped !== undefined) return JSON.stringify(escaped);
    if (this.#takes("{")) return this.#list("}", () => this.#entry(depth), ["{", "}"]);
    if (this.#takes("[")) return this.#list("]", () => this.#value(depth + 1), ["[", "]"]);
    const bare = this.#until(/[,}\]]/);
    if (bare === "") return undefined;
    const value = parsed(bare);
    // A number or a word of JSON stands as it is; anything else is text that was not escaped.
    return value !== undefined && typeof value !== "string" ? bare : JSON.stringify(bare);
  }

  #entry(depth: number): string | undefined {
    const escaped = this.#escaped();
    const key = escaped ?? this.#until(/[:,{}]/);
    if ((escaped === undefined && key === "") || !this.#takes(":")) return undefined;
    const value = this.#value(depth + 1);
    return value === undefined ? undefined : `${JSON.stringify(key)}:${value}`;
  }

  #list(close: string, item: () => string | undefined, around: readonly [string, string]): string | undefined {
    const items: string[] = [];
    while (!this.#takes(close)) {
      if (items.length > 0 && !this.#takes(",")) return undefined;
      const read = item();
      if (read === undefined) return undefined;
      items.push(read);
    }
    return around[0] + items.join(",") + around[1];
  }

  /** Text between two marks; undefined if there is none here. */
  #escaped(): string | undefined {
    if (!this.#takes(ESCAPE)) return undefined;
    const end = this.#text.indexOf(ESCAPE, this.#at);
    const text = this.#text.slice(this.#at, end < 0 ? undefined : end);
    this.#at = end < 0 ? this.#text.length : end + ESCAPE.length;
    return text;
  }

  #until(end: RegExp): string {
    const rest = this.#text.slice(this.#at);
    const at = rest.search(end);
    const text = at < 0 ? rest : rest.slice(0, at);
    this.#at += text.length;
    return text.trim();
  }

  #takes(mark: string): boolean {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
    if (!this.#text.startsWith(mark, this.#at)) return false;
    this.#at += mark.length;
    return true;
  }
}
