/**
 * Oniguruma's regular expressions, in which `tokenizer.json` is written, as JavaScript's.
 *
 * The translation is that of `@huggingface/tokenizers`. It drops what makes a repetition possessive and folds
 * the case of ASCII letters only, so both are rewritten before, or refused.
 */
import * as tokenizers from "@huggingface/tokenizers";

interface Split {
  readonly SplitPreTokenizer: new (config: object) => { readonly pattern: RegExp };
}
/**
 * Its own declarations do not resolve under NodeNext. Named as a property, it comes into a bundle without the
 * rest of the library.
 */
const SplitPreTokenizer = (tokenizers as unknown as Split).SplitPreTokenizer;

/** Deeper nesting could overflow the stack of the translation. */
const MOST_CHARACTERS = 2 ** 13;

/**
 * @returns the source of a `RegExp` with the flag `u`
 * @throws SyntaxError if the pattern is malformed or cannot be translated
 */
export function toJavaScript(regex: string): string {
  if (regex.length > MOST_CHARACTERS) throw new SyntaxError(`${regex.length} characters`);
  // Options in front are those of a group around everything.
  const whole = regex.startsWith("(?i)") ? `(?i:${regex.slice(4)})` : regex;
  const config = { type: "Split", pattern: { Regex: rewritten(whole) }, invert: false };
  return new SplitPreTokenizer(config).pattern.source;
}

/** An escape, or a character; classes are found by counting brackets. */
const ATOM = /\\(?:[pPxu]\{[^}]*\}|x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{4}|c.|.)|[^\\]/suy;

function rewritten(regex: string): string {
  let plain = "";
  /** For each open group whether the case of letters does not matter in it. */
  const folds: boolean[] = [];
  let previous = "";
  for (let at = 0; at < regex.length;) {
    ATOM.lastIndex = at;
    const atom = regex[at] === "[" ? classAt(regex, at) : (ATOM.exec(regex)?.[0] ?? regex.slice(at));
    if (atom === "\\G") throw new SyntaxError("\\G");
    if (regex.startsWith("(?>", at)) throw new SyntaxError("an atomic group");
    if (atom === "(") folds.push(folds.at(-1) === true || regex.startsWith("(?i:", at));
    else if (atom === ")") folds.pop();
    // What stands behind "(?" is no letter of a text.
    const isLetter = folds.at(-1) === true && !regex.startsWith("(?", at - 2);
    const found = isLetter ? folded(atom, previous) : atom;
    previous = atom;
    at += atom.length;
    const repetition = /^[*+?]\+/.exec(regex.slice(at, at + 2))?.[0];
    if (repetition === undefined) {
      plain += found;
      continue;
    }
    // `a++` is `a+(?!a)`, if one character is repeated.
    if (atom.length === 1 && "()|*+?{}^$".includes(atom)) throw new SyntaxError("a possessive repetition of a group");
    plain += repetition === "?+" ? `(?:${found}|(?!${found}))` : `${found}${repetition[0]}(?!${found})`;
    at += repetition.length;
  }
  return plain;
}

/** Two letters that are one character in another case: sharp s, and the ligatures of f and st. */
const FOLDS_TO_ONE = /^(?:s[st]|f[fil])$/i;
/**
 * Classes whose case is known: of letters and signs of ASCII, white space, digits, all letters, all numbers.
 */
const FOLDABLE_CLASS = /^\[\^?(?:\\[sdrnt]|\\p\{[LN]\}|[A-Za-z]-[A-Za-z]|[ -,./:-@A-Z_a-z`{|}~0-9\r\n\t])+\]$/;

/** What an atom matches where case does not matter, as far as the translation does not see to it. */
function folded(atom: string, previous: string): string {
  if (FOLDS_TO_ONE.test(previous + atom)) throw new SyntaxError(`${previous}${atom} in either case`);
  if (/^[sS]$/.test(atom)) return "[sS\u017f]";
  if (/^[kK]$/.test(atom)) return "[kK\u212a]";
  if (atom.startsWith("[")) {
    if (!FOLDABLE_CLASS.test(atom)) throw new SyntaxError(`${atom} in either case`);
    // Asked without its properties, which have all cases of a letter or none.
    const letters = new RegExp(atom.replace("[^", "[").replaceAll(/\\p\{.\}/g, "\\d"), "iu");
    // The one mark that is a letter in another case.
    const iota = atom.includes("\\p{L}") ? "\u0345" : "";
    return `${atom.slice(0, -1)}${iota}${letters.test("s") ? "\u017f" : ""}${letters.test("k") ? "\u212a" : ""}]`;
  }
  if (/^\\[xu]/.test(atom) || atom.codePointAt(0)! > 0x7f) throw new SyntaxError(`${atom} in either case`);
  return atom;
}

/** The class that begins at a bracket, to the bracket that ends it. */
function classAt(regex: string, start: number): string {
  let depth = 0;
  for (let at = start; at < regex.length; at++) {
    if (regex[at] === "\\") at++;
    else if (regex[at] === "[") {
      depth++;
      // A bracket in front does not end the class.
      if (regex.startsWith("^", at + 1)) at++;
      if (regex.startsWith("]", at + 1)) at++;
    } else if (regex[at] === "]" && --depth === 0) return regex.slice(start, at + 1);
  }
  return regex.slice(start);
}
