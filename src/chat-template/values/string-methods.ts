/** Methods of strings. Places are counted in code points; what cannot be told as Python does is refused. */
import { type Bound, needText, needWhole, optionalWhole } from "./arguments.ts";
import { isLower, isTitle, isUpper, kindOf, swapCase, title, titleFirst } from "./letter-case.ts";
import { NotCarriedOut, TemplateError } from "../limits.ts";
import { padded } from "../formats/format-spec.ts";
import { iterate } from "./iterate.ts";
import type { Run } from "../run.ts";
import { codePoints, lengthOf, pythonPlace, repeat, sliceText } from "./text-positions.ts";
import { isTrue, stringOf, Tuple, typeName, type Value } from "./values.ts";
import { splitLines, splitWhite, trim } from "../syntax/white-space.ts";

interface Method {
  readonly parameters: readonly string[];
  /** False if the parameters have no names in Python. */
  readonly keywords?: boolean;
  /** Whether it looks at each character by itself. */
  readonly slow?: boolean;
  readonly run: (text: string, args: Bound, run: Run) => Value;
}

const plain = (parameters: string, run: Method["run"]): Method => ({
  parameters: parameters.split(" ").filter(Boolean),
  keywords: false,
  run,
});
const slow = (parameters: string, run: Method["run"]): Method => ({ ...plain(parameters, run), slow: true });
const strip = (ends: "both" | "start" | "end") =>
  slow("chars?", (text, [chars]) =>
    trim(text, chars === undefined || chars === null ? undefined : needText(chars, "strip"), ends),
  );
const is = (test: (text: string) => boolean) => plain("", (text) => test(text));
const each = (pattern: RegExp) => is((text) => pattern.test(text));

export const STRING_METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["upper", plain("", (text) => text.toUpperCase())],
  ["lower", plain("", (text) => text.toLowerCase())],
  ["title", slow("", title)],
  ["capitalize", plain("", titleFirst)],
  ["swapcase", slow("", swapCase)],
  ["casefold", plain("", (text) => (kindOf(text) === "ascii" ? text.toLowerCase() : refuse("casefold", text)))],
  ["strip", strip("both")],
  ["lstrip", strip("start")],
  ["rstrip", strip("end")],
  ["split", { parameters: ["sep?", "maxsplit?"], run: split }],
  ["rsplit", { parameters: ["sep?", "maxsplit?"], slow: true, run: splitFromEnd }],
  ["splitlines", { parameters: ["keepends?"], slow: true, run: (text, [keep], run) => counted(run, splitLines(text, isTrue(keep ?? false))) }],
  ["partition", plain("sep", (text, [sep]) => partition(text, separator(sep), text.indexOf(separator(sep)), false))],
  ["rpartition", plain("sep", (text, [sep]) => partition(text, separator(sep), text.lastIndexOf(separator(sep)), true))],
  ["replace", plain("old new count?", (text, [old, by, most], run) => replace(run, text, needText(old, "replace"), needText(by, "replace"), most))],
  ["removeprefix", plain("prefix", (text, [prefix]) => (text.startsWith(needText(prefix, "removeprefix")) ? text.slice(needText(prefix, "").length) : text))],
  ["removesuffix", plain("suffix", (text, [suffix]) => withoutEnd(text, needText(suffix, "removesuffix")))],
  ["startswith", plain("prefix start? end?", (text, args) => begins(text, args, (inside, one) => inside.startsWith(one)))],
  ["endswith", plain("suffix start? end?", (text, args) => begins(text, args, (inside, one) => inside.endsWith(one)))],
  ["find", plain("sub start? end?", (text, args) => find(text, args, false))],
  ["rfind", plain("sub start? end?", (text, args) => find(text, args, true))],
  ["index", plain("sub start? end?", (text, args) => found(find(text, args, false)))],
  ["rindex", plain("sub start? end?", (text, args) => found(find(text, args, true)))],
  ["count", plain("sub start? end?", count)],
  ["join", plain("iterable", (text, [items], run) => join(run, text, items!))],
  ["center", plain("width fillchar?", (text, args, run) => wide(run, text, args, "^"))],
  ["ljust", plain("width fillchar?", (text, args, run) => wide(run, text, args, "<"))],
  ["rjust", plain("width fillchar?", (text, args, run) => wide(run, text, args, ">"))],
  ["zfill", plain("width", zeroFill)],
  ["expandtabs", { parameters: ["tabsize?"], slow: true, run: expandTabs }],
  ["isspace", is((text) => text !== "" && trim(text) === "")],
  ["isalpha", each(/^\p{L}+$/u)],
  ["isdecimal", each(/^\p{Nd}+$/u)],
  ["isdigit", is((text) => (/\p{No}/u.test(text) ? refuse("isdigit", text) : /^\p{Nd}+$/u.test(text)))],
  ["isnumeric", is((text) => (/^\p{N}+$/u.test(text) ? true : /\p{Script=Han}/u.test(text) ? refuse("isnumeric", text) : false))],
  ["isalnum", each(/^[\p{L}\p{N}]+$/u)],
  ["isascii", is((text) => kindOf(text) === "ascii")],
  ["islower", is(isLower)],
  ["isupper", is(isUpper)],
  ["istitle", slow("", isTitle)],
  ["isidentifier", each(/^[\p{ID_Start}_]\p{ID_Continue}*$/u)],
  ["isprintable", is((text) => !/[^\x20\P{Z}]|\p{C}/u.test(text))],
]); // prettier-ignore

/** Methods of Python's strings that are not carried out. `format` and `format_map` are apart. */
export const OTHER_STRING_METHODS: ReadonlySet<string> = new Set(["encode", "maketrans", "translate"]);

function refuse(method: string, text: string): never {
  throw new NotCarriedOut(`${method} of the string ${JSON.stringify(sliceText(text, [0, 20]))}`);
}

function counted(run: Run, parts: string[]): string[] {
  run.limits.elements(parts.length);
  return parts;
}

function separator(value: Value | undefined): string {
  const sep = needText(value, "a separator");
  if (sep === "") throw new TemplateError("empty separator");
  return sep;
}

function split(text: string, [sep, maxsplit]: Bound, run: Run): Value {
  const most = optionalWhole(maxsplit, "maxsplit") ?? -1;
  const limit = most < 0 ? Infinity : most;
  if (sep === undefined || sep === null) return counted(run, splitWhite(text, limit));
  const mark = separator(sep);
  run.limits.elements(Math.min(limit, occurrences(text, mark)) + 1);
  const parts = text.split(mark);
  return parts.length <= limit + 1 ? parts : [...parts.slice(0, limit), parts.slice(limit).join(mark)];
}

/** How often a string that is not empty stands in a text, without overlaps. */
function occurrences(text: string, mark: string): number {
  let times = 0;
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + mark.length)) times++;
  return times;
}

function splitFromEnd(text: string, [sep, maxsplit]: Bound, run: Run): Value {
  const most = optionalWhole(maxsplit, "maxsplit") ?? -1;
  if (sep === undefined || sep === null) {
    const reversed = (string: string) => codePoints(string).toReversed().join("");
    return counted(
      run,
      splitWhite(reversed(text), most < 0 ? Infinity : most)
        .map(reversed)
        .toReversed(),
    );
  }
  const mark = separator(sep);
  run.limits.elements(occurrences(text, mark) + 1);
  if (most < 0) return text.split(mark);
  const parts: string[] = [];
  let end = text.length;
  while (parts.length < most) {
    const at = end < mark.length ? -1 : text.lastIndexOf(mark, end - mark.length);
    if (at < 0) break;
    parts.push(text.slice(at + mark.length, end));
    end = at;
  }
  return counted(run, [...parts, text.slice(0, end)].toReversed());
}

function partition(text: string, mark: string, at: number, last: boolean): Value {
  if (at < 0) return new Tuple(last ? ["", "", text] : [text, "", ""]);
  return new Tuple([text.slice(0, at), mark, text.slice(at + mark.length)]);
}

/** `text.replace(old, by, count)`; the length of the result is known before it is made. */
export function replace(run: Run, text: string, old: string, by: string, most: Value | undefined): string {
  const limit = most === undefined ? -1 : needWhole(most, "replace");
  const all = old === "" ? lengthOf(text) + 1 : occurrences(text, old);
  const times = Math.min(all, limit < 0 ? Infinity : limit);
  run.limits.text(text.length + times * Math.max(0, by.length - old.length));
  run.limits.elements(all + 1);
  const parts = old === "" ? ["", ...codePoints(text), ""] : text.split(old);
  return parts.slice(0, times + 1).join(by) + (times + 1 < parts.length ? old + parts.slice(times + 1).join(old) : "");
}

function withoutEnd(text: string, suffix: string): string {
  return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
}

/** The part from `start` to `end`, and where it begins; undefined if it begins after the end of the text. */
function part(text: string, start: Value | undefined, end: Value | undefined): { text: string; begin: number } | undefined {
  const bounds = [optionalWhole(start, "start"), optionalWhole(end, "end")];
  if (bounds[0] === undefined && bounds[1] === undefined) return { text, begin: 0 };
  const length = lengthOf(text);
  const [from, to] = [bounds[0] ?? 0, bounds[1] ?? length].map((at) => Math.max(0, at < 0 ? at + length : at));
  return from! > length || to! < from! ? undefined : { text: sliceText(text, [from, to]), begin: from! };
}

function begins(text: string, [fix, start, end]: Bound, test: (inside: string, one: string) => boolean): boolean {
  const fixes = fix instanceof Tuple ? fix.items : [fix!];
  const inside = part(text, start, end);
  return fixes.some((one) => test(inside?.text ?? "", needText(one, "startswith")) && inside !== undefined);
}

function find(text: string, [sub, start, end]: Bound, last: boolean): bigint {
  const sought = needText(sub, "find");
  const inside = part(text, start, end);
  if (inside === undefined) return -1n;
  const at = last ? inside.text.lastIndexOf(sought) : inside.text.indexOf(sought);
  return at < 0 ? -1n : BigInt(pythonPlace(inside.text, at) + inside.begin);
}

function found(place: bigint): bigint {
  if (place < 0n) throw new TemplateError("substring not found");
  return place;
}

function count(text: string, [sub, start, end]: Bound): Value {
  const sought = needText(sub, "count");
  const inside = part(text, start, end);
  if (inside === undefined) return 0n;
  return BigInt(sought === "" ? lengthOf(inside.text) + 1 : occurrences(inside.text, sought));
}

/** `mark.join(items)`, for items that are strings. */
export function join(run: Run, mark: string, items: Value): string {
  let whole = "";
  let first = true;
  const iterator = iterate(run, items);
  for (let step = iterator.next(); !step.done; step = iterator.next()) {
    const item = stringOf(step.value);
    if (item === undefined) throw new TemplateError(`sequence item: expected str instance, ${typeName(step.value)} found`);
    whole += first ? item : mark + item;
    first = false;
    run.limits.joined(whole.length);
  }
  run.limits.text(whole.length);
  return whole;
}

function wide(run: Run, text: string, [width, fill]: Bound, align: "^" | "<" | ">"): string {
  const char = fill === undefined ? " " : needText(fill, "fillchar");
  if (lengthOf(char) !== 1) throw new TemplateError("The fill character must be exactly one character long");
  const columns = needWhole(width, "width");
  return align === "^" ? centered(run, text, columns, char) : padded(run, text, columns, align, char);
}

/** `text.center(width)`: an odd place goes to the left if the width is odd, else to the right. */
export function centered(run: Run, text: string, width: number, fill = " "): string {
  const missing = width - lengthOf(text);
  if (missing <= 0) return text;
  const left = Math.floor(missing / 2) + ((missing % 2) & (width % 2));
  return repeat(run, fill, left) + text + repeat(run, fill, missing - left);
}

function zeroFill(text: string, [width]: Bound, run: Run): string {
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  return sign + padded(run, text.slice(sign.length), needWhole(width, "width") - sign.length, ">", "0");
}

function expandTabs(text: string, [size]: Bound, run: Run): string {
  const columns = optionalWhole(size, "tabsize") ?? 8;
  let column = 0;
  let whole = "";
  for (const char of codePoints(text)) {
    const columnsOf = char === "\t" ? (columns > 0 ? columns - (column % columns) : 0) : 1;
    whole += char === "\t" ? repeat(run, " ", columnsOf) : char;
    run.limits.joined(whole.length);
    column = char === "\n" || char === "\r" ? 0 : column + columnsOf;
  }
  return whole;
}
