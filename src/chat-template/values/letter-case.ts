/** Upper, lower and title case. JavaScript has no title case: where it is not the upper one is told here. */
import { NotCarriedOut } from "../limits.ts";

/** Letters of two, with a title case of their own: Dž, Lj, Nj, Dz. */
const DIGRAPHS: ReadonlyMap<string, string> = new Map(
  ["ǄǅǆǇǈǉ", "ǊǋǌǱǲǳ"].flatMap((letters) =>
    [letters.slice(0, 3), letters.slice(3)].flatMap((forms) => [...forms].map((form): [string, string] => [form, forms[1]!])),
  ),
);
const CASED = /[\p{Lowercase}\p{Uppercase}\p{Lt}]/u;

export function kindOf(text: string): "ascii" | "other" {
  return /^[\0-\x7f]*$/.test(text) ? "ascii" : "other";
}

export function isCased(char: string): boolean {
  return CASED.test(char);
}

export function isLower(text: string): boolean {
  return /\p{Lowercase}/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text);
}

export function isUpper(text: string): boolean {
  return /\p{Uppercase}/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text);
}

/** Words that begin with a capital and have no other. */
export function isTitle(text: string): boolean {
  let inside = false;
  let any = false;
  for (const char of text) {
    const upper = /[\p{Uppercase}\p{Lt}]/u.test(char);
    const lower = /\p{Lowercase}/u.test(char);
    if ((upper && inside) || (lower && !inside)) return false;
    inside = upper || lower;
    any ||= inside;
  }
  return any;
}

/** `str.title`: each letter after none in title case, the others in lower case. */
export function title(text: string): string {
  if (text.includes("Σ")) throw new NotCarriedOut("title of a string with Σ");
  let inside = false;
  let whole = "";
  for (const char of text) {
    whole += inside ? char.toLowerCase() : titleChar(char);
    inside = isCased(char);
  }
  return whole;
}

/** `str.capitalize`: the first character in title case, the others in lower case. */
export function titleFirst(text: string): string {
  if (text === "") return "";
  const first = String.fromCodePoint(text.codePointAt(0)!);
  // The whole in lower case, since a Σ is written by what stands before it.
  return titleChar(first) + text.toLowerCase().slice(first.toLowerCase().length);
}

export function swapCase(text: string): string {
  if (text.includes("Σ")) throw new NotCarriedOut("swapcase of a string with Σ");
  let whole = "";
  for (const char of text) {
    if (/\p{Uppercase}/u.test(char)) whole += char.toLowerCase();
    else whole += /\p{Lowercase}/u.test(char) ? char.toUpperCase() : char;
  }
  return whole;
}

function titleChar(char: string): string {
  const digraph = DIGRAPHS.get(char);
  if (digraph !== undefined) return digraph;
  const code = char.codePointAt(0)!;
  if (code >= 0x10d0 && code <= 0x10ff) return char; // Georgian letters have capitals for whole words only
  const upper = char.toUpperCase();
  if (upper === char || [...upper].length === 1) return upper;
  if (char !== "ß" && !(code >= 0xfb00 && code <= 0xfb06)) throw new NotCarriedOut(`the title case of ${char}`);
  return upper[0]! + upper.slice(1).toLowerCase();
}
