/** Python's white space and line ends, which are not JavaScript's. */

/** What `str.isspace` says of, for a class of a regular expression. */
export const WHITE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
/** What `str.splitlines` splits at. */
const LINE = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g; // oxlint-disable-line no-control-regex
const WHITE_ONE = new RegExp(`[${WHITE}]`);

/** A string without the characters at its ends that are in `chars`, or are white space. */
export function trim(text: string, chars?: string, ends: "both" | "start" | "end" = "both"): string {
  const set = chars === undefined ? undefined : new Set(chars);
  const drops = (char: string) => (set === undefined ? WHITE_ONE.test(char) : set.has(char));
  let [begin, end] = [0, text.length];
  if (ends !== "end") {
    while (begin < end) {
      const char = String.fromCodePoint(text.codePointAt(begin)!);
      if (!drops(char)) break;
      begin += char.length;
    }
  }
  if (ends === "start") return text.slice(begin);
  while (begin < end) {
    const pair = end - begin > 1 && (text.codePointAt(end - 2) ?? 0) > 0xffff;
    const char = text.slice(pair ? end - 2 : end - 1, end);
    if (!drops(char)) break;
    end -= char.length;
  }
  return text.slice(begin, end);
}

export function trimEnd(text: string): string {
  return trim(text, undefined, "end");
}

export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = [];
  let begin = 0;
  for (const { 0: end, index } of text.matchAll(LINE)) {
    lines.push(text.slice(begin, keepEnds ? index + end.length : index));
    begin = index + end.length;
  }
  if (begin < text.length) lines.push(text.slice(begin));
  return lines;
}

/** Words between white space, `most` splits from the start. */
export function splitWhite(text: string, most: number): string[] {
  const words: string[] = [];
  let rest = trim(text, undefined, "start");
  while (rest !== "") {
    const end = words.length < most ? rest.search(WHITE_ONE) : -1;
    if (end < 0) {
      words.push(rest);
      break;
    }
    words.push(rest.slice(0, end));
    rest = trim(rest.slice(end), undefined, "start");
  }
  return words;
}
