/** `'..%s..' % values`, printf's forms as Python has them. */
import { NotCarriedOut, TemplateError } from "../limits.ts";
import { numberText, padded } from "./format-spec.ts";
import { repr, text } from "../values/print.ts";
import type { Run } from "../run.ts";
import { sliceText } from "../values/text-positions.ts";
import { Dict, integerOf, isList, Markup, Range, stringOf, Tuple, typeName, Undefined, type Value } from "../values/values.ts";

const FORM = /%(?:\(([^()]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d*))?[hlL]?([^])?/g;

export function percentFormat(run: Run, format: Value, values: Value): Value {
  if (format instanceof Markup) throw new NotCarriedOut("% of a safe string");
  const template = stringOf(format)!;
  const given: readonly Value[] = values instanceof Tuple ? values.items : [values];
  let taken = 0;
  let named = false;
  const take = (): Value => {
    if (taken >= given.length) throw new TemplateError("not enough arguments for format string");
    return given[taken++]!;
  };
  const number = (digits: string | undefined): number | undefined => {
    if (digits !== "*") return digits === undefined ? undefined : Number(digits);
    const value = integerOf(take());
    if (value === undefined) throw new TemplateError("* wants int");
    if (value < 0n) throw new NotCarriedOut("a negative width");
    return Number(value);
  };
  run.limits.text(template.length);
  let whole = "";
  let at = 0;
  for (const match of template.matchAll(FORM)) {
    const [all, name, flags = "", widthText, placesText, type] = match;
    whole += template.slice(at, match.index);
    at = match.index + all.length;
    if (type === undefined) throw new TemplateError("incomplete format");
    if (type === "%" && name === undefined) {
      if (all !== "%%") throw new NotCarriedOut(`the form ${all}`);
      whole += "%";
      continue;
    }
    const width = number(widthText) ?? 0;
    const precision = number(placesText);
    let value: Value;
    if (named && name === undefined) throw new NotCarriedOut("forms with and without a name in one string");
    if (name === undefined) value = take();
    else {
      if (!(values instanceof Dict)) throw new TemplateError("format requires a mapping");
      const found = values.get(name);
      if (found === undefined) throw new TemplateError(`got no key '${name}' for the format, need it`);
      value = found;
      named = true;
    }
    const part = one(run, value, { type, flags, width, precision });
    run.limits.text(part.length);
    run.limits.joined(whole.length + part.length);
    whole += part;
  }
  if (taken < given.length && !hasItems(values)) throw new TemplateError("not all arguments converted during string formatting");
  return whole + template.slice(at);
}

/** Tells whether Python takes the value for a mapping, of which a format need not use anything. */
function hasItems(value: Value): boolean {
  return isList(value) || [Dict, Undefined, Range].some((kind) => value instanceof kind);
}

interface Form {
  readonly type: string;
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
}

function one(run: Run, value: Value, { type, flags, width, precision }: Form): string {
  const left = flags.includes("-");
  if (type === "s" || type === "r") {
    const whole = type === "s" ? text(run, value) : repr(run, value);
    return padded(run, precision === undefined ? whole : sliceText(whole, [0, precision]), width, left ? "<" : ">");
  }
  if (type === "a" || type === "c") throw new NotCarriedOut(`the form %${type}`);
  if (!"diuxXoeEfFgG".includes(type)) throw new TemplateError(`unsupported format character '${type}'`);
  const whole = "diuxXo".includes(type);
  const number = whole && typeof value === "number" && "diu".includes(type) ? truncated(value) : (integerOf(value) ?? value);
  if (typeof number !== "bigint" && (whole || typeof number !== "number"))
    throw new TemplateError(`%${type} format: a number is required, not ${typeName(value)}`);
  if (whole && precision !== undefined) throw new NotCarriedOut(`a precision of %${type}`);
  const sign = flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const shown = numberText(run, number, {
    type: "iu".includes(type) ? "d" : type,
    sign,
    alternate: flags.includes("#"),
    precision,
    grouping: "",
  });
  if (left || !flags.includes("0")) return padded(run, shown.sign + shown.digits, width, left ? "<" : ">");
  const prefix = /^0[xo]/i.exec(shown.digits)?.[0] ?? "";
  return (
    shown.sign + prefix + padded(run, shown.digits.slice(prefix.length), width - shown.sign.length - prefix.length, ">", "0")
  );
}

function truncated(value: number): bigint {
  if (!Number.isFinite(value)) throw new TemplateError("cannot convert a float that is not finite to integer");
  return BigInt(Math.trunc(value));
}
