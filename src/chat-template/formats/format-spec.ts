/** Numbers and strings in a given form: what `%` and `str.format` share. */
import { NotCarriedOut, TemplateError } from "../limits.ts";
import { abs, exponentialText, fixedText, floatText, generalText, type Num, toFloat } from "../values/numbers.ts";
import { text as printed } from "../values/print.ts";
import type { Run } from "../run.ts";
import { lengthOf, repeat, sliceText } from "../values/text-positions.ts";
import { integerOf, stringOf, typeName, type Value } from "../values/values.ts";

/** Precision and width: more would be a text of its own. */
const MOST_PLACES = 1000;

export interface NumberForm {
  /** d, x, X, o, b, e, E, f, F, g, G, n or %. */
  readonly type: string;
  /** What stands before a number that is not negative: "", "+" or " ". */
  readonly sign: string;
  readonly alternate: boolean;
  readonly precision: number | undefined;
  /** "," or "_" between thousands. */
  readonly grouping: string;
}

/** A number as its sign and the rest, not yet as wide as it shall be. */
export interface Shown {
  readonly sign: string;
  readonly digits: string;
}

export function numberText(run: Run, value: Num, form: NumberForm): Shown {
  const { type, alternate, precision = 6 } = form;
  if (precision > MOST_PLACES) throw new TemplateError(`got ${precision} places, need at most ${MOST_PLACES}`);
  // Digits of a float are counted out exactly.
  run.limits.charge(40 + precision / 4);
  let text: string;
  const lower = type.toLowerCase();
  if ("dxob".includes(lower)) {
    if (typeof value !== "bigint") throw new TemplateError(`Unknown format code '${type}' for object of type 'float'`);
    const radix = { d: 10, x: 16, o: 8, b: 2 }[lower]!;
    text = abs(run.limits.integer(value)).toString(radix);
    if (alternate && radix !== 10) text = `0${lower}${text}`;
    if (value < 0n) text = `-${text}`;
  } else {
    const float = toFloat(value);
    const finite = Number.isFinite(float);
    if (lower === "e") text = exponentialText(float, precision);
    else if (lower === "g") text = generalText(float, precision, alternate);
    else text = fixedText(lower === "%" ? float * 100 : float, precision);
    if (alternate && finite && lower !== "g" && precision === 0) throw new NotCarriedOut("the flag # of a float without places");
    if (lower === "%") text += "%";
  }
  if (type !== lower) text = text.toUpperCase();
  const negative = text.startsWith("-");
  const digits = negative ? text.slice(1) : text;
  return { sign: negative ? "-" : form.sign, digits: grouped(digits, form.grouping, "xob".includes(lower) ? 4 : 3) };
}

function grouped(digits: string, mark: string, size: number): string {
  if (mark === "" || !/^\d|^[\da-f]+$/i.test(digits)) return digits;
  const [, whole, rest] = /^([\da-zA-Z]+?)(\.\d+.*|%|e[+-].*|)$/.exec(digits)!;
  if (/^0[xob]/i.test(whole!)) throw new NotCarriedOut("the flags # and , or _ together");
  return whole!.replaceAll(new RegExp(`\\B(?=(?:[\\da-zA-Z]{${size}})+$)`, "g"), mark) + rest!;
}

/** @param align "<", ">" or "^" */
export function padded(run: Run, value: string, width: number, align: string, fill = " "): string {
  const missing = width - lengthOf(value);
  if (missing <= 0) return value;
  const before = align === "<" ? 0 : align === ">" ? missing : Math.floor(missing / 2);
  return repeat(run, fill, before) + value + repeat(run, fill, missing - before);
}

const SPEC = /^(?:([^])?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([bcdeEfFgGnosxX%])?$/u;

/** `format(value, spec)`, the form that `{:spec}` gives. */
export function formatted(run: Run, value: Value, spec: string): string {
  if (spec === "") return printed(run, value);
  const parts = SPEC.exec(spec);
  const string = stringOf(value);
  const number = typeof value === "number" ? value : integerOf(value);
  if (string === undefined && number === undefined)
    throw new TemplateError(`unsupported format string passed to ${typeName(value)}.__format__`);
  if (parts === null) throw new TemplateError(`Invalid format specifier '${spec}'`);
  const [, fill = parts[5] === undefined ? " " : "0", align, sign, alternate, zero, width = "0", grouping = "", places, type] =
    parts;
  const precision = places === undefined ? undefined : Number(places);
  if (string !== undefined) {
    const wrong = sign !== undefined || alternate !== undefined || grouping !== "" || align === "=" || (type ?? "s") !== "s";
    if (wrong) throw new TemplateError(`got the format '${spec}' for a string, need one for strings`);
    const shown = precision === undefined ? string : sliceText(string, [0, precision]);
    return padded(run, shown, Number(width), align ?? "<", fill);
  }
  if (type === "s" || (precision !== undefined && typeof number === "bigint" && "dxXobcn".includes(type ?? "d")))
    throw new TemplateError(`got the format '${spec}' for a number, need one for numbers`);
  if (type === "c" || type === "n") throw new NotCarriedOut(`the format type ${type}`);
  const form = { sign: sign === "-" ? "" : (sign ?? ""), alternate: alternate !== undefined, precision, grouping };
  const shown =
    type === undefined && typeof number === "number"
      ? floatParts(number, form)
      : numberText(run, number!, { ...form, type: type ?? (typeof number === "bigint" ? "d" : "g") });
  return aligned(run, shown, { width: Number(width), align: align ?? (zero === undefined ? ">" : "="), fill, grouping });
}

/** A float in a form without a type: as `str` writes it, or with so many digits. */
function floatParts(value: number, { precision, sign, grouping, alternate }: Omit<NumberForm, "type">): Shown {
  if (alternate) throw new NotCarriedOut("the flag # of a float without a type");
  const text = precision === undefined ? floatText(value) : generalText(value, precision, false, true);
  const negative = text.startsWith("-");
  return { sign: negative ? "-" : sign, digits: grouped(negative ? text.slice(1) : text, grouping, 3) };
}

interface Alignment {
  readonly width: number;
  readonly align: string;
  readonly fill: string;
  readonly grouping: string;
}

function aligned(run: Run, { sign, digits }: Shown, { width, align, fill, grouping }: Alignment): string {
  if (align !== "=") return padded(run, sign + digits, width, align, fill);
  if (grouping !== "" && fill === "0" && sign.length + digits.length < width) throw new NotCarriedOut("zeros between thousands");
  const prefix = /^0[xobXOB]/.exec(digits)?.[0] ?? "";
  return sign + prefix + padded(run, digits.slice(prefix.length), width - sign.length - prefix.length, ">", fill);
}
