/**
 * Finds, in the text of an answer that comes in pieces, what is not said to the reader: thoughts between
 * `<think>` and `</think>`, and calls of functions as the model's own template writes them. Text that may be
 * the beginning of a mark is held back until that is known.
 */
import { firstBeginning } from "../stopping.ts";

export type AnswerPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "reasoning"; readonly text: string }
  /** `text`: what the model wrote, marks included; of a list of calls, all of it for each of them. */
  | ({ readonly kind: "call"; readonly text: string } & FoundCall);

export interface FoundCall {
  readonly name: string;
  /** JSON, as OpenAI gives it. */
  readonly arguments: string;
}

export interface AnswerParser {
  /** The parts that are certain, of the text held back and this piece. */
  push(piece: string): AnswerPart[];
  /** The rest, at the end of the answer: a call that was not finished is text. Then there is nothing left. */
  flush(): AnswerPart[];
}

/** Where a section ends in the text that begins inside it, and where text goes on behind its mark. */
export interface Ending {
  readonly at: number;
  readonly behind: number;
}

/** A part of an answer between two marks, or one that shows its end by itself. */
export interface Section {
  readonly open: string;
  /** What ends it, or where text that begins inside it ends: undefined while that is not there yet. */
  readonly close: string | ((held: string) => Ending | undefined);
  /**
   * The calls of a whole section; undefined if it is none of its kind, and then is text as it stands.
   * Absent: its text is thoughts, given as it comes.
   */
  readonly read?: (inner: string) => readonly FoundCall[] | undefined;
  /** Whether thoughts stay in the text, with their marks: nothing is looked for in them. */
  readonly staysText?: boolean;
}

export class SectionParser implements AnswerParser {
  readonly #sections: readonly Section[];
  #held = "";
  #inside: Section | undefined;
  /** Whether a section has just ended: the white space behind it belongs to it. */
  #trims = false;

  /** @param inside the section the answer begins in, where the prompt opened it */
  constructor(sections: readonly Section[], inside?: Section) {
    this.#sections = sections;
    this.#inside = inside;
  }

  push(piece: string): AnswerPart[] {
    this.#held += piece;
    const parts: AnswerPart[] = [];
    while (this.#step(parts));
    return parts;
  }

  flush(): AnswerPart[] {
    const rest = this.#held;
    this.#held = "";
    const inside = this.#inside;
    this.#inside = undefined;
    if (!inside) return this.#text(rest);
    if (!inside.read) return this.#thoughts(inside, rest);
    // Models end their text behind a call, some without closing it.
    const written = inside.open + rest;
    return callParts(inside.read(rest), written) ?? this.#text(written);
  }

  /** Takes one step in the held text; says whether there may be another. */
  #step(parts: AnswerPart[]): boolean {
    const inside = this.#inside;
    if (!inside) {
      const found = this.#sections
        .map((section) => ({ section, at: this.#held.indexOf(section.open) }))
        .filter(({ at }) => at >= 0)
        .toSorted((a, b) => a.at - b.at)[0];
      const end = found?.at ?? firstBeginning(this.#held, this.#sections.map(({ open }) => open)); // prettier-ignore
      parts.push(...this.#text(this.#held.slice(0, end)));
      this.#held = this.#held.slice(end + (found ? found.section.open.length : 0));
      this.#inside = found?.section;
      if (found?.section.staysText) parts.push(...this.#text(found.section.open));
      return found !== undefined;
    }
    const close = ending(inside, this.#held);
    if (!inside.read) {
      const end = close?.at ?? firstBeginning(this.#held, typeof inside.close === "string" ? [inside.close] : []);
      const staying = inside.staysText && close ? close.behind : end;
      parts.push(...this.#thoughts(inside, this.#held.slice(0, staying)));
      this.#held = this.#held.slice(close?.behind ?? end);
    } else if (close) {
      const written = inside.open + this.#held.slice(0, close.behind);
      const calls = callParts(inside.read(this.#held.slice(0, close.at)), written);
      parts.push(...(calls ?? this.#text(written)));
      this.#trims = calls !== undefined;
      this.#held = this.#held.slice(close.behind);
    }
    if (!close) return false;
    this.#inside = undefined;
    this.#trims ||= !inside.read && !inside.staysText;
    return true;
  }

  #thoughts({ staysText }: Section, text: string): AnswerPart[] {
    if (staysText) return this.#text(text);
    return text === "" ? [] : [{ kind: "reasoning", text }];
  }

  #text(text: string): AnswerPart[] {
    const said = this.#trims ? text.trimStart() : text;
    if (said === "") return [];
    this.#trims = false;
    return [{ kind: "text", text: said }];
  }
}

/** @param written what they were read from */
export function callParts(calls: readonly FoundCall[] | undefined, written: string): AnswerPart[] | undefined {
  return calls?.map((call) => ({ kind: "call", ...call, text: written }));
}

function ending({ close }: Section, held: string): Ending | undefined {
  if (typeof close !== "string") return close(held);
  const at = held.indexOf(close);
  return at < 0 ? undefined : { at, behind: at + close.length };
}
