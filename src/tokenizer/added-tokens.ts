/**
 * Added tokens found in a text: the leftmost, and of those the longest, with their flags, as Rust's
 * `tokenizers` does (`tokenizer/added_vocabulary.rs`).
 */
import type { AddedToken } from "./tokenizer-json.ts";

/** Matches of `\w` and `\s` in Rust's regular expressions, which decide what the flags mean. */
const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const SPACE = /\p{White_Space}/u;

interface Node {
  readonly next: Map<number, Node>;
  token: AddedToken | undefined;
}

/**
 * Which texts of special tokens are those tokens: all, none, or those behind SPECIAL_MARK, which belongs to
 * them then.
 */
export type SpecialTexts = "all" | "none" | "marked";

/** Stands before the text of a special token that a chat template wrote, a noncharacter. */
export const SPECIAL_MARK = "\uFDD1";

/** A section of a text: an added token, or text between them. */
export type Section = { readonly id: number } | { readonly text: string; readonly start: number };

export class AddedTokenFinder {
  readonly #root: Node = { next: new Map(), token: undefined };
  readonly #isEmpty: boolean;

  /** @param tokens by the text they have where they are looked for */
  constructor(tokens: ReadonlyMap<string, AddedToken>) {
    this.#isEmpty = tokens.size === 0;
    for (const [text, token] of tokens) {
      let node = this.#root;
      for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        let child = node.next.get(unit);
        if (child === undefined) node.next.set(unit, (child = { next: new Map(), token: undefined }));
        node = child;
      }
      node.token = token;
    }
  }

  /**
   * @returns sections in order; none is empty
   */
  split(text: string, special: SpecialTexts): Section[] {
    if (this.#isEmpty) return text === "" ? [] : [{ text, start: 0 }];
    const sections: Section[] = [];
    let done = 0;
    for (let at = 0; at < text.length;) {
      const token = this.#longestAt(text, at);
      if (token === undefined) {
        at++;
        continue;
      }
      const marked = special === "marked" && at > done && text[at - 1] === SPECIAL_MARK;
      const [from, to] = [marked ? at - 1 : at, at + token.length];
      // What was found is passed over even if it does not count: another token inside it is not looked for.
      at = to;
      const { flags, id } = token.token;
      if (token.token.special && special !== "all" && !marked) continue;
      if (flags.singleWord && (endsWith(WORD, text, from) || beginsWith(WORD, text, to))) continue;
      const start = flags.lstrip ? Math.max(spacesBefore(text, from, done), done) : from;
      const stop = flags.rstrip ? spacesAfter(text, to) : to;
      if (done < start) sections.push({ text: text.slice(done, start), start: done });
      sections.push({ id });
      done = stop;
    }
    if (done < text.length) sections.push({ text: text.slice(done), start: done });
    return sections;
  }

  #longestAt(text: string, at: number): { token: AddedToken; length: number } | undefined {
    let node = this.#root.next.get(text.charCodeAt(at));
    let found: { token: AddedToken; length: number } | undefined;
    for (let i = at + 1; node !== undefined; i++) {
      if (node.token !== undefined) found = { token: node.token, length: i - at };
      if (i >= text.length) break;
      node = node.next.get(text.charCodeAt(i));
    }
    return found;
  }
}

function endsWith(kind: RegExp, text: string, end: number): boolean {
  if (end === 0) return false;
  const isPair = end > 1 && text.codePointAt(end - 2)! > 0xffff;
  return kind.test(text.slice(isPair ? end - 2 : end - 1, end));
}

function beginsWith(kind: RegExp, text: string, start: number): boolean {
  return start < text.length && kind.test(String.fromCodePoint(text.codePointAt(start)!));
}

/** Where the spaces that end at `end` begin. White space is in the basic plane: one unit each. */
function spacesBefore(text: string, end: number, from: number): number {
  let start = end;
  while (start > from && SPACE.test(text[start - 1]!)) start--;
  return start;
}

function spacesAfter(text: string, start: number): number {
  let end = start;
  while (end < text.length && SPACE.test(text[end]!)) end++;
  return end;
}
