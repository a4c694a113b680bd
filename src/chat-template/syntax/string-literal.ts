/** Escapes in a string of a template, by Python's codec `unicode-escape` as Jinja uses it. */

const SIMPLE: Readonly<Record<string, string>> = {
  "\n": "", "\\": "\\", "'": "'", '"': '"', a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v",
}; // prettier-ignore
const ESCAPE = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([^]))/g;

/** @param fail called with what is wrong; does not return */
export function unescape(literal: string, fail: (problem: string) => never): string {
  if (!literal.includes("\\")) return literal;
  // Jinja writes characters outside ASCII as escapes first, so a backslash before one escapes that escape.
  const ascii = literal.replaceAll(/\\([^\0-\x7f])/gu, (_, char: string) => `\\\\${asEscape(char)}`);
  const text = ascii.replaceAll(ESCAPE, (whole, x?: string, u?: string, long?: string, octal?: string, other?: string) => {
    const code = octal === undefined ? Number.parseInt(x ?? u ?? long ?? "", 16) : Number.parseInt(octal, 8);
    if (other === undefined) {
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) fail(`got the escape ${whole}, need a character`);
      return String.fromCodePoint(code);
    }
    if ("xuUN".includes(other)) fail(`got the escape ${whole}, need its digits`);
    return SIMPLE[other] ?? whole;
  });
  if (literal.endsWith("\\") && /(?<!\\)(?:\\\\)*\\$/.test(literal)) fail("got a \\ at the end of a string");
  return text;
}

function asEscape(char: string): string {
  const code = char.codePointAt(0)!.toString(16);
  return code.length <= 2 ? `x${code}` : code.length <= 4 ? `u${code.padStart(4, "0")}` : `U${code.padStart(8, "0")}`;
}
