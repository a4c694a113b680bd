/** Filters of strings, numbers and single values. */
import { type Bound, needText, needWhole, optionalWhole } from "../values/arguments.ts";
import { attributeOf, missing } from "../values/attributes.ts";
import { type Filter, filter } from "./filter.ts";
import { isIterable, listOf } from "../values/iterate.ts";
import { JSON_PARAMETERS, toJson } from "../values/json.ts";
import { titleFirst } from "../values/letter-case.ts";
import { NotCarriedOut, TemplateError } from "../limits.ts";
import { abs, parseFloat, parseInteger, round, toFloat } from "../values/numbers.ts";
import { binary, escapeHtml, numberOf, signed } from "../values/operators.ts";
import { percentFormat } from "../formats/percent-format.ts";
import { text } from "../values/print.ts";
import type { Run } from "../run.ts";
import { centered, replace } from "../values/string-methods.ts";
import { codePoints, lengthOf, repeat, sliceText } from "../values/text-positions.ts";
import { Dict, integerOf, isTrue, Markup, stringOf, Tuple, typeName, Undefined, type Value, View } from "../values/values.ts";
import { splitLines, trim, WHITE } from "../syntax/white-space.ts";

/** A filter of a value's text; a safe string stays safe. */
function ofText(parameters: string, change: (run: Run, string: string, args: Bound) => string): Filter {
  return filter(parameters, (run, value, args) => {
    const string = text(run, value);
    run.limits.text(string.length);
    const changed = change(run, string, args);
    return value instanceof Markup ? new Markup(changed) : changed;
  });
}

const escape = filter("", (run, value) => (value instanceof Markup ? value : new Markup(escapeHtml(run, text(run, value)))));
const fallback = filter("default_value? boolean?", (_, value, [otherwise = "", boolean = false]) =>
  value instanceof Undefined || (isTrue(boolean) && !isTrue(value)) ? otherwise : value,
);

export const TEXT_FILTERS: readonly (readonly [string, Filter])[] = [
  ["abs", filter("", (run, value) => absolute(run, value))],
  ["attr", filter("name", (run, value, [name]) => attribute(run, value, needText(name, "attr")))],
  ["capitalize", ofText("", (_, string) => titleFirst(string))],
  ["center", ofText("width?", (run, string, [width]) => centered(run, string, width === undefined ? 80 : needWhole(width, "center")))],
  ["d", fallback],
  ["default", fallback],
  ["e", escape],
  ["escape", escape],
  ["float", filter("default?", (_, value, [otherwise = 0]) => asFloat(value) ?? otherwise)],
  ["forceescape", filter("", (run, value) => new Markup(escapeHtml(run, text(run, value))))],
  ["format", { parameters: undefined, run: format }],
  ["indent", filter("width? first? blank?", indent)],
  ["int", filter("default? base?", asInteger)],
  ["lower", ofText("", (_, string) => string.toLowerCase())],
  ["replace", filter("old new count?", (run, value, [old, by, count]) =>
    replace(run, text(run, value), text(run, old!), text(run, by!), count ?? undefined))],
  ["round", filter("precision? method?", rounded)],
  ["safe", filter("", (run, value) => new Markup(text(run, value)))],
  ["string", filter("", (run, value) => (value instanceof Markup ? value : text(run, value)))],
  ["title", filter("", (run, value) => titles(run, text(run, value)))],
  ["tojson", { parameters: JSON_PARAMETERS, run: toJson }],
  ["trim", ofText("chars?", (_, string, [chars]) => trim(string, chars === undefined || chars === null ? undefined : needText(chars, "trim")))],
  ["truncate", filter("length? killwords? end? leeway?", truncate)],
  ["upper", ofText("", (_, string) => string.toUpperCase())],
  ["urlencode", filter("", urlEncode)],
  ["wordcount", filter("", (run, value) => BigInt(text(run, value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0))],
]; // prettier-ignore

function absolute(run: Run, value: Value): Value {
  if (value instanceof Undefined) throw new TemplateError("bad operand type for abs(): 'Undefined'");
  const number = numberOf(value);
  if (number === undefined) throw new TemplateError(`bad operand type for abs(): '${typeName(value)}'`);
  return typeof number === "bigint" ? abs(number) : Math.abs(number) + (run.limits.charge(1) ?? 0);
}

function attribute(run: Run, value: Value, name: string): Value {
  const found = attributeOf(run, value, name);
  return found === undefined ? missing(value, name) : found;
}

function format(run: Run, value: Value, args: readonly Value[], named: ReadonlyMap<string, Value>): Value {
  if (args.length > 0 && named.size > 0)
    throw new TemplateError("can't handle positional and keyword arguments at the same time");
  const template = value instanceof Markup ? value : text(run, value);
  return percentFormat(run, template, named.size > 0 ? Dict.of(named) : new Tuple(args));
}

function indent(run: Run, value: Value, [width = 4n, first = false, blank = false]: Bound): Value {
  if (value instanceof Markup) throw new NotCarriedOut("indent of a safe string");
  const string = needText(value, "indent");
  const by = stringOf(width) ?? repeat(run, " ", needWhole(width, "indent"));
  const lines = splitLines(`${string}\n`);
  run.limits.text(string.length + lines.length * by.length);
  const all = isTrue(blank);
  const rest = lines.slice(1).map((line) => (line !== "" || all ? by + line : line));
  return (isTrue(first) ? by : "") + [lines[0]!, ...rest].join("\n");
}

/** `int(value)` as the filter has it: what is no number gives the default. */
function asInteger(run: Run, value: Value, [otherwise = 0n, base = 10n]: Bound): Value {
  if (value instanceof Undefined) value.fail();
  const integer = integerOf(value);
  if (integer !== undefined) return integer;
  const string = stringOf(value);
  const radix = needWhole(base, "int");
  if (radix !== 0 && (radix < 2 || radix > 36)) throw new TemplateError(`int: got the base ${radix}, need one from 2 to 36`);
  if (string !== undefined && string.length > 4300)
    throw new TemplateError("int: got more than 4300 characters, need at most that");
  run.limits.charge(1 + (string?.length ?? 0));
  const parsed = string === undefined ? undefined : parseInteger(trim(string), radix);
  if (parsed !== undefined) return parsed;
  const float = typeof value === "number" ? value : string === undefined ? undefined : parseFloat(trim(string));
  if (float === undefined || Number.isNaN(float)) return otherwise;
  if (Number.isFinite(float)) return BigInt(Math.trunc(float));
  if (typeof value === "number") throw new TemplateError("cannot convert float infinity to integer");
  return otherwise;
}

function asFloat(value: Value): number | undefined {
  if (value instanceof Undefined) value.fail();
  const number = numberOf(value);
  if (number !== undefined) return toFloat(number);
  const string = stringOf(value);
  return string === undefined ? undefined : parseFloat(trim(string));
}

function rounded(run: Run, value: Value, [precision = 0n, method = "common"]: Bound): Value {
  if (value instanceof Undefined) throw new TemplateError("round: got nothing, need a number");
  const number = numberOf(value);
  if (!["common", "ceil", "floor"].includes(String(method))) throw new TemplateError("method must be common, ceil or floor");
  if (number === undefined) throw new TemplateError(`type ${typeName(value)} doesn't define __round__ method`);
  run.limits.charge(40);
  if (method === "common") return round(number, optionalWhole(precision, "round"));
  const unit = binary(run, "**", 10n, needWhole(precision, "round") < 0 ? refuse("round to places before the point") : precision);
  const scaledUp = binary(run, "*", number, unit);
  if (typeof scaledUp === "number" && !Number.isFinite(scaledUp))
    throw new TemplateError("cannot convert float infinity to integer");
  const whole = typeof scaledUp === "number" ? BigInt(method === "ceil" ? Math.ceil(scaledUp) : Math.floor(scaledUp)) : scaledUp;
  return binary(run, "/", signed(run, "+", whole), unit);
}

function refuse(what: string): never {
  throw new NotCarriedOut(what);
}

const WORD_BREAKS = new RegExp(`([-(\\{\\[<${WHITE}]+)`);

/** Words with a capital, where a word begins after a space, a hyphen or a bracket. */
function titles(run: Run, string: string): string {
  run.limits.text(string.length);
  run.limits.charge(string.length / 2);
  const words = string.split(WORD_BREAKS);
  return words
    .filter((word) => word !== "")
    .map((word) => {
      const first = String.fromCodePoint(word.codePointAt(0)!);
      return first.toUpperCase() + word.slice(first.length).toLowerCase();
    })
    .join("");
}

function truncate(_run: Run, value: Value, [length = 255n, killWords = false, end = "...", leeway = null]: Bound): Value {
  if (value instanceof Markup) throw new NotCarriedOut("truncate of a safe string");
  const string = value instanceof Undefined ? "" : needText(value, "truncate");
  const [most, mark, more] = [needWhole(length, "truncate"), needText(end, "truncate"), optionalWhole(leeway, "truncate") ?? 5];
  const kept = most - lengthOf(mark);
  if (kept < 0 || more < 0) throw new TemplateError(`truncate: got the length ${most} and the leeway ${more}, need more`);
  if (lengthOf(string) <= most + more) return value;
  const cut = sliceText(string, [0, kept]);
  const space = isTrue(killWords) ? -1 : cut.lastIndexOf(" ");
  return (space < 0 ? cut : cut.slice(0, space)) + mark;
}

function urlEncode(run: Run, value: Value): Value {
  const string = stringOf(value);
  if (string !== undefined || !isIterable(value)) return quote(run, text(run, value), false);
  const pairs: string[] = [];
  for (const item of listOf(run, value instanceof Dict ? new View(value, "items") : value)) {
    const pair = listOf(run, item);
    if (pair.length !== 2) throw new TemplateError(`urlencode: got ${pair.length} values, need pairs`);
    pairs.push(pair.map((part) => quote(run, text(run, part), true)).join("="));
  }
  return pairs.join("&");
}

function quote(run: Run, string: string, query: boolean): string {
  run.limits.text(string.length * 9);
  if (codePoints(string).some((char) => char.length === 1 && /[\ud800-\udfff]/.test(char)))
    throw new TemplateError("surrogates not allowed");
  const quoted = encodeURIComponent(string).replaceAll(/[!*'()]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return query ? quoted.replaceAll("%20", "+") : quoted.replaceAll("%2F", "/");
}
