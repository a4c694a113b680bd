/** Words broken into lines at a terminal's width: texts as a whole, and answers while they come. */
import stringWidth from "string-width";

/** Columns that a text takes on a terminal: two for wide characters, none for combining ones. */
export const displayWidth = stringWidth;

/** Lines of at most `width` columns; a longer word stands alone. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/ +/).filter(Boolean)) {
    const line = lines.at(-1);
    if (line !== undefined && displayWidth(line) + 1 + displayWidth(word) <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const TAB = 8;
/** A list's mark: what is wrapped stands below the text behind it. */
const BULLET = /^([-*+•]|\d{1,3}[.)])$/;
/** Not at the beginning of a line: closing brackets and stops, and what belongs to the letter before. */
const CLOSING = /^[\p{Pe}\p{Pf}\p{Po}\p{M}\u200d]/u;
const OPENING = /[\p{Ps}\p{Pi}\u200d]$/u;

/**
 * Breaks a text that comes in pieces between words, and between wide characters. A word is written when it
 * has ended, so that nothing that was shown moves. Lines of a fenced block of code are left to the terminal,
 * which joins them again when they are copied.
 */
export class LineWrap {
  readonly #width: () => number | undefined;
  readonly #write: (text: string) => void;
  /** Columns taken on the line. */
  #column = 0;
  /** White space that is written with the next word, or left out where a line is broken. */
  #space = "";
  #word = "";
  /** Columns before the text of a line that goes on; undefined until the line's first word is there. */
  #indent: number | undefined;
  #isCode = false;

  /** @param width columns of a line, asked for at each word; undefined breaks nothing */
  constructor(width: () => number | undefined, write: (text: string) => void) {
    this.#width = width;
    this.#write = write;
  }

  push(text: string): void {
    for (const { segment } of GRAPHEMES.segment(text)) this.#take(segment);
  }

  /** Writes what is left. */
  end(): void {
    this.#flush();
    this.#write(this.#space);
    this.#space = "";
  }

  #take(letter: string): void {
    if (letter === "\n" || letter === "\r\n") {
      this.end();
      this.#write("\n");
      this.#column = 0;
      this.#indent = undefined;
    } else if (letter === " " || letter === "\t") {
      this.#flush();
      this.#space += letter;
    } else {
      const isWide = displayWidth(letter) === 2 || displayWidth(lastOf(this.#word)) === 2;
      if (isWide && !CLOSING.test(letter) && !OPENING.test(this.#word)) this.#flush();
      this.#word += letter;
    }
  }

  #flush(): void {
    if (this.#word === "") return;
    const word = this.#word;
    this.#word = "";
    const wide = displayWidth(word);
    const isFirst = this.#indent === undefined;
    if (isFirst && word.startsWith("```")) this.#isCode = !this.#isCode;
    const limit = (!this.#isCode && this.#width()) || Infinity;
    const behind = [...this.#space].reduce(
      (at, letter) => (letter === "\t" ? (Math.floor(at / TAB) + 1) * TAB : at + 1),
      this.#column,
    );
    if (isFirst) this.#indent = behind > limit / 2 ? 0 : behind + (BULLET.test(word) ? wide + 1 : 0);
    if (isFirst || behind + wide <= limit) {
      this.#write(this.#space + word);
      this.#column = behind + wide;
    } else {
      this.#write(`\n${" ".repeat(this.#indent!)}${word}`);
      this.#column = this.#indent! + wide;
    }
    // What is wider than a line is broken by the terminal.
    if (this.#column > limit) this.#column %= limit;
    this.#space = "";
  }
}

function lastOf(text: string): string {
  return text === "" ? "" : [...GRAPHEMES.segment(text)].at(-1)!.segment;
}
