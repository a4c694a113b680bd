/** Python's numbers: division, powers, rounding and text of ints (bigint) and floats (number). */
import { type Limits, NotCarriedOut, TemplateError } from "../limits.ts";

export type Num = bigint | number;

/** A float as `repr` writes it: the shortest digits that read back, always with a point or an exponent. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const [, sign, lead, rest = "", tens] = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(value.toExponential())!;
  const minus = Object.is(value, -0) ? "-" : sign!;
  const exponent = Number(tens);
  const digits = lead! + rest;
  if (exponent < -4 || exponent >= 16) return `${minus}${lead}${rest && `.${rest}`}e${exponentText(exponent)}`;
  if (exponent < 0) return `${minus}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${minus}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

export function exponentText(exponent: number): string {
  return `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** `value * 10 ** places` rounded half to even, of the value's exact bits. */
export function scaled(value: number, places: number): bigint {
  if (!Number.isFinite(value)) throw new TemplateError(`cannot convert float ${floatText(value)} to integer`);
  if (Math.abs(places) > 1100) throw new TemplateError(`got ${places} places after the point, need at most 1100`);
  let exponent = 0;
  let mantissa = value;
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    exponent++;
  }
  const numerator = BigInt(mantissa) * 10n ** BigInt(Math.max(0, places));
  return dividedHalfEven(numerator, 2n ** BigInt(exponent) * 10n ** BigInt(Math.max(0, -places)));
}

/** A whole quotient, half to even. */
export function dividedHalfEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = floorDivide(numerator, denominator);
  const twice = 2n * (numerator - quotient * denominator);
  return twice > denominator || (twice === denominator && quotient % 2n !== 0n) ? quotient + 1n : quotient;
}

/** `round(value, places)`; without places to an int. */
export function round(value: Num, places: number | undefined): Num {
  if (typeof value === "bigint") {
    if (places === undefined || places >= 0) return value;
    if (places < -4300) return 0n;
    const unit = 10n ** BigInt(-places);
    return dividedHalfEven(value, unit) * unit;
  }
  if (places === undefined) return scaled(value, 0);
  if (!Number.isFinite(value) || places > 323) return value;
  if (places < -308) return value < 0 ? -0 : 0;
  const digits = scaled(value, places);
  return digits === 0n && (value < 0 || Object.is(value, -0)) ? -0 : Number(`${digits}e${-places}`);
}

/** A float with so many places, as `'%.2f'` gives. */
export function fixedText(value: number, places: number): string {
  if (!Number.isFinite(value)) return floatText(value);
  const digits = scaled(Math.abs(value), places)
    .toString()
    .padStart(places + 1, "0");
  const point = digits.length - places;
  const minus = value < 0 || Object.is(value, -0) ? "-" : "";
  return minus + digits.slice(0, point) + (places > 0 ? `.${digits.slice(point)}` : "");
}

/** A float with an exponent and so many places, as `'%.2e'` gives. */
export function exponentialText(value: number, places: number): string {
  if (!Number.isFinite(value)) return floatText(value);
  const { digits, exponent } = significant(value, places + 1);
  const minus = value < 0 || Object.is(value, -0) ? "-" : "";
  return `${minus}${digits[0]}${places > 0 ? `.${digits.slice(1)}` : ""}e${exponentText(exponent)}`;
}

/**
 * A float with so many digits at most, in the shorter form, as `'%.6g'` gives.
 *
 * @param pointed as `'{:.6}'` gives: always with a point or an exponent, and with one a digit earlier
 */
export function generalText(value: number, precision: number, alternate = false, pointed = false): string {
  if (!Number.isFinite(value)) return floatText(value);
  const most = Math.max(1, precision);
  const { exponent } = significant(value, most);
  const exponential = exponent < -4 || exponent >= most - (pointed ? 1 : 0);
  const full = exponential ? exponentialText(value, most - 1) : fixedText(value, most - 1 - exponent);
  if (alternate) return full;
  const text = full.includes(".") ? full.replace(/\.?0+(?=e|$)/, "") : full;
  return pointed && !/[.e]/.test(text) ? `${text}.0` : text;
}

function significant(value: number, count: number): { digits: string; exponent: number } {
  if (value === 0) return { digits: "0".repeat(count), exponent: 0 };
  let exponent = Number(value.toExponential().split("e")[1]);
  let digits = scaled(Math.abs(value), count - 1 - exponent).toString();
  if (digits.length > count) digits = scaled(Math.abs(value), count - 1 - ++exponent).toString();
  return { digits, exponent };
}

export function floorDivide(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new TemplateError("integer division or modulo by zero");
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

/** The remainder, with the sign of the divisor. */
export function modulo(a: Num, b: Num): Num {
  if (typeof a === "bigint" && typeof b === "bigint") return a - floorDivide(a, b) * b;
  const [x, y] = [toFloat(a), toFloat(b)];
  if (y === 0) throw new TemplateError("float modulo by zero");
  const rest = x % y;
  if (rest === 0) return y < 0 || Object.is(y, -0) ? -0 : 0;
  return rest < 0 !== y < 0 ? rest + y : rest;
}

export function floorDivision(a: Num, b: Num): Num {
  if (typeof a === "bigint" && typeof b === "bigint") return floorDivide(a, b);
  const [x, y] = [toFloat(a), toFloat(b)];
  if (y === 0) throw new TemplateError("float floor division by zero");
  if (!Number.isFinite(x)) return Number.NaN;
  const quotient = (x - toFloat(modulo(x, y))) / y;
  const down = Math.floor(quotient);
  if (quotient === 0) return x / y < 0 || Object.is(x / y, -0) ? -0 : 0;
  return quotient - down > 0.5 ? down + 1 : down;
}

export function divide(a: Num, b: Num): number {
  if (Number(b) === 0) throw new TemplateError("division by zero");
  if (typeof a === "bigint" && typeof b === "bigint" && (abs(a) > SAFE || abs(b) > SAFE))
    throw new TemplateError("a quotient of integers above 2^53: got one, need smaller ones");
  return toFloat(a) / toFloat(b);
}

export function power(limits: Limits, a: Num, b: Num): Num {
  if (typeof a === "bigint" && typeof b === "bigint" && b >= 0n) {
    limits.bits(Number(b) * Math.max(0, abs(a).toString(2).length - 1));
    return abs(a) <= 1n ? a ** (b % 2n === 0n && b > 0n ? 2n : b === 0n ? 0n : 1n) : limits.integer(a ** b);
  }
  const [x, y] = [toFloat(a), toFloat(b)];
  if (x === 0 && y < 0) throw new TemplateError("0.0 cannot be raised to a negative power");
  if (x === 1 || y === 0) return 1;
  // The last bit of another power is the host's, so it may not be Python's.
  let halvings = 0;
  while (halvings < 60 && !Number.isInteger(x * 2 ** halvings)) halvings++;
  const whole = x * 2 ** halvings;
  const times = Math.abs(y);
  const exact = Number.isInteger(whole) && Number.isInteger(y) && times <= 64 && Math.abs(whole) <= 2 ** 53;
  const result = exact ? BigInt(whole) ** BigInt(times) : SAFE + 1n;
  if (abs(result) > SAFE) throw new NotCarriedOut(`the power ${floatText(x)} ** ${floatText(y)}`);
  const positive = Number(result) / 2 ** (halvings * times);
  return y > 0 ? positive : 1 / positive;
}

/** @throws TemplateError if the int is beyond a float's range */
export function toFloat(value: Num): number {
  const float = Number(value);
  if (typeof value === "bigint" && !Number.isFinite(float)) throw new TemplateError("int too large to convert to float");
  return float;
}

/** `int(text, base)`; undefined where Python raises `ValueError`. */
export function parseInteger(text: string, base: number): bigint | undefined {
  const [, sign, prefix, digits] = /^([+-]?)(0[bBoOxX])?_?([\da-zA-Z]+(?:_[\da-zA-Z]+)*)$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const prefixBase = prefix === undefined ? undefined : { b: 2, o: 8, x: 16 }[prefix[1]!.toLowerCase()];
  // 0b1 is digits too, if the base has a b.
  const whole = prefixBase !== undefined && prefixBase !== base && base !== 0 ? prefix + digits : digits;
  const radix = base === 0 ? (prefixBase ?? 10) : base;
  if (/^[+-]?_/.test(text) || (base === 0 && prefix === undefined && /^0+[1-9]/.test(digits))) return undefined;
  if (prefix === undefined && text.replace(/^[+-]/, "").startsWith("_")) return undefined;
  const figures = whole.replaceAll("_", "").toLowerCase();
  for (const figure of figures) if (Number.parseInt(figure, 36) >= radix) return undefined;
  let value = 0n;
  if (radix === 10) value = BigInt(figures);
  else for (const figure of figures) value = value * BigInt(radix) + BigInt(Number.parseInt(figure, 36));
  return sign === "-" ? -value : value;
}

/** `float(text)`; undefined where Python raises `ValueError`. */
export function parseFloat(text: string): number | undefined {
  const special = /^([+-]?)(?:(inf|infinity)|nan)$/i.exec(text);
  if (special !== null) return special[2] === undefined ? Number.NaN : special[1] === "-" ? -Infinity : Infinity;
  const digits = String.raw`\d+(?:_\d+)*`;
  const form = new RegExp(`^[+-]?(?:${digits}(?:\\.(?:${digits})?)?|\\.${digits})(?:e[+-]?${digits})?$`, "i");
  return form.test(text) ? Number(text.replaceAll("_", "")) : undefined;
}

export function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}

const SAFE = 1n << 53n;
