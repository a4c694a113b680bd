/** Literals of templates: constants by name, strings side by side, integers of any size and floats. */
import { TemplateSyntaxError } from "../limits.ts";
import type { TokenStream } from "./token-stream.ts";

const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);
/** As in Python, which refuses to read longer ones. */
const MOST_DIGITS = 4300;

/** @returns undefined, with nothing read, if no literal stands there */
export function parseLiteral(stream: TokenStream): string | number | bigint | boolean | null | undefined {
  const { kind, text, line } = stream.current;
  switch (kind) {
    case "name": {
      const constant = CONSTANTS.get(text);
      if (constant !== undefined) stream.next();
      return constant;
    }
    case "string": {
      let value = "";
      while (stream.current.kind === "string") value += stream.next().text;
      return value;
    }
    case "float":
      stream.next();
      return Number(text.replaceAll("_", ""));
    case "integer": {
      stream.next();
      const digits = text.replaceAll("_", "");
      if (digits.length <= MOST_DIGITS) return BigInt(digits);
      throw new TemplateSyntaxError(`line ${line}: got an integer of ${digits.length} digits, need at most ${MOST_DIGITS}`);
    }
    default:
      return undefined;
  }
}
