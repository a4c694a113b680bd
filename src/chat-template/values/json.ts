/** The filter `tojson` of transformers: Python's `json.dumps`. */
import { type Bound, needText, optionalWhole } from "./arguments.ts";
import { repeat } from "./text-positions.ts";
import { TemplateError } from "../limits.ts";
import { floatText } from "./numbers.ts";
import { isLess } from "./operators.ts";
import type { Run } from "../run.ts";
import { Dict, isTrue, Markup, sequenceOf, stringOf, typeName, type Value } from "./values.ts";

/** What `tojson` takes, in order. */
export const JSON_PARAMETERS = ["ensure_ascii?", "indent?", "separators?", "sort_keys?"];

export function toJson(run: Run, value: Value, [ascii = false, indent = null, separators = null, sorted = false]: Bound): string {
  const unit =
    indent === null ? undefined : (stringOf(indent) ?? repeat(run, " ", Math.min(1 << 24, optionalWhole(indent, "indent")!)));
  const pair = separators === null || !isTrue(separators) ? undefined : sequenceOf(separators);
  if (separators !== null && pair?.length !== 2)
    throw new TemplateError("tojson: got separators that are no two strings, need two");
  return new Writer(run, {
    ascii: isTrue(ascii),
    unit,
    item: pair === undefined ? (unit === undefined ? ", " : ",") : needText(pair[0], "separators"),
    key: pair === undefined ? ": " : needText(pair[1], "separators"),
    sorted: isTrue(sorted),
  }).value(value, "\n");
}

interface Layout {
  readonly ascii: boolean;
  /** What a level is indented by; undefined for one line. */
  readonly unit: string | undefined;
  readonly item: string;
  readonly key: string;
  readonly sorted: boolean;
}

const ESCAPED: Readonly<Record<string, string>> = {
  '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f", "\b": "\\b",
}; // prettier-ignore

const SPECIAL = /["\\\0-\x1f]/g; // oxlint-disable-line no-control-regex

class Writer {
  readonly #run: Run;
  readonly #layout: Layout;

  constructor(run: Run, layout: Layout) {
    [this.#run, this.#layout] = [run, layout];
  }

  /** @param line a line end, and how far the value is indented */
  value(value: Value, line: string): string {
    const { limits } = this.#run;
    limits.charge(1);
    const string = stringOf(value);
    if (string !== undefined) return this.#string(string);
    if (value === null) return "null";
    if (typeof value === "boolean") return String(value);
    if (typeof value === "bigint") return String(limits.integer(value));
    if (typeof value === "number") return jsonFloat(value);
    const items = sequenceOf(value);
    if (items === undefined && !(value instanceof Dict))
      throw new TemplateError(`Object of type ${typeName(value)} is not JSON serializable`);
    return limits.inside(() => {
      if (items !== undefined) return this.#inside("[]", items, line, (item, inner) => this.value(item, inner));
      return this.#inside("{}", this.#entries(value as Dict), line, ([key, item], inner) => {
        return this.#string(jsonKey(key)) + this.#layout.key + this.value(item, inner);
      });
    });
  }

  #inside<T>(
    [open, close]: "[]" | "{}" | string,
    parts: readonly T[],
    line: string,
    write: (part: T, line: string) => string,
  ): string {
    if (parts.length === 0) return open! + close!;
    const { unit, item } = this.#layout;
    const inner = unit === undefined ? "" : line + unit;
    let whole = open! + inner;
    for (const [i, part] of parts.entries()) {
      const text = write(part, line + (unit ?? ""));
      this.#run.limits.text(text.length + inner.length);
      this.#run.limits.joined(whole.length);
      whole += i === 0 ? text : item + inner + text;
    }
    return whole + (unit === undefined ? "" : line) + close!;
  }

  #entries(dict: Dict): (readonly [Value, Value])[] {
    const entries = [...dict.entries()];
    if (!this.#layout.sorted) return entries;
    return entries.toSorted(([a], [b]) => (isLess(this.#run, a, b) ? -1 : isLess(this.#run, b, a) ? 1 : 0));
  }

  #string(text: string): string {
    this.#run.limits.text(text.length * 2);
    const escaped = text.replaceAll(SPECIAL, (char) => ESCAPED[char] ?? unicodeEscape(char));
    return `"${this.#layout.ascii ? escaped.replaceAll(/[^\0-\x7e]/g, unicodeEscape) : escaped}"`;
  }
}

/** A key as the string that JSON wants. */
function jsonKey(key: Value): string {
  if (typeof key === "string") return key;
  if (key instanceof Markup) return key.string;
  if (key === null) return "null";
  if (typeof key === "boolean" || typeof key === "bigint") return String(key);
  if (typeof key === "number") return jsonFloat(key);
  throw new TemplateError(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? floatText(value) : value > 0 ? "Infinity" : "-Infinity";
}

function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
