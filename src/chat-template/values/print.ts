/** Values as Python writes them: `str` and `repr`. */
import { NotCarriedOut } from "../limits.ts";
import { floatText } from "./numbers.ts";
import type { Run } from "../run.ts";
import { Dict, isList, Markup, Namespace, type PythonObject, Tuple, typeName, Undefined, type Value, View } from "./values.ts";

/** `str(value)`: what `{{ }}` prints. */
export function text(run: Run, value: Value): string {
  if (typeof value === "string") return value;
  if (value instanceof Markup) return value.string;
  if (value instanceof Undefined) return "";
  return repr(run, value);
}

export function repr(run: Run, value: Value): string {
  if (value === null) return "None";
  if (typeof value === "string") return quoted(run, value);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return String(run.limits.integer(value));
  if (typeof value === "number") return floatText(value);
  if (run.printing.has(value))
    return isList(value)
      ? "[...]"
      : value instanceof Tuple
        ? "(...)"
        : value instanceof Namespace
          ? "<Namespace {...}>"
          : "{...}";
  run.printing.add(value);
  try {
    return run.limits.inside(() => compound(run, value));
  } finally {
    run.printing.delete(value);
  }
}

function compound(run: Run, value: readonly Value[] | PythonObject): string {
  if (isList(value)) return `[${joined(run, value)}]`;
  if (value instanceof Tuple) return `(${joined(run, value.items)}${value.items.length === 1 ? "," : ""})`;
  if (value instanceof Dict) return pairs(run, value);
  if (value instanceof View) return `${value.type}([${joined(run, value)}])`;
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Markup) return `Markup(${quoted(run, value.string)})`;
  if (value instanceof Namespace) return `<Namespace ${pairs(run, value.dict())}>`;
  const own = value.text();
  if (own === undefined) throw new NotCarriedOut(`the text of a ${typeName(value)}, which has an address of Python's in it`);
  return own;
}

function pairs(run: Run, dict: Dict): string {
  let whole = "";
  for (const [key, item] of dict.entries()) whole = grown(run, whole, `${repr(run, key)}: ${repr(run, item)}`);
  return `{${whole}}`;
}

function joined(run: Run, values: Iterable<Value>): string {
  let whole = "";
  for (const value of values) whole = grown(run, whole, repr(run, value));
  return whole;
}

function grown(run: Run, whole: string, part: string): string {
  run.limits.text(part.length);
  run.limits.joined(whole.length);
  return whole === "" ? part : `${whole}, ${part}`;
}

const UNPRINTABLE = /[\\\p{C}\p{Z}]/gu;
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function quoted(run: Run, value: string): string {
  run.limits.text(value.length);
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  const escaped = value.replaceAll(UNPRINTABLE, (char) => (char === " " ? char : (ESCAPES[char] ?? codeEscape(char))));
  return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}`;
}

/** A character as \xNN, \uNNNN or \UNNNNNNNN. */
export function codeEscape(char: string): string {
  const code = char.codePointAt(0)!;
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
