/**
 * Numbers between bounds, as an automaton that compares digit by digit. They have at most 15 digits and no
 * exponent: so reading one as a double changes no comparison.
 */
import { type Automaton, classesFrom, explore } from "../regular/automaton.ts";
import { MOST_DIGITS } from "./json-texts.ts";

export interface NumberBounds {
  readonly minimum: number;
  readonly maximum: number;
  /** Whether the bound itself is left out. */
  readonly excludesMinimum: boolean;
  readonly excludesMaximum: boolean;
  readonly isInteger: boolean;
  /** A whole number, of integers only; 1 for any. */
  readonly multipleOf: number;
}

/** A bound of what stands behind the sign, which is at least 0. */
interface Limit {
  readonly digits: string;
  readonly fraction: string;
  readonly excluded: boolean;
  /** Whether numbers have to be larger than it, or smaller. */
  readonly isLower: boolean;
}

/** How far a number has been read. */
interface Reading {
  readonly phase: "start" | "sign" | "zero" | "digits" | "point" | "fraction";
  readonly isNegative: boolean;
  /** Digits, all and those behind the point. */
  readonly count: number;
  readonly decimals: number;
  /** For each limit of its sign whether the digits are below (-1), above (1) or the beginning of it (0). */
  readonly orders: readonly number[];
  readonly remainder: number;
}

const POINT = 0x2e;
const MINUS = 0x2d;

/** @throws RangeError for a multiple that has too many states */
export function numberLanguage(bounds: NumberBounds): Automaton {
  const limits = { positive: limitsOf(bounds, 1), negative: limitsOf(bounds, -1) };
  const limitsFor = ({ isNegative }: Reading) => (isNegative ? limits.negative : limits.positive);
  return explore<Reading>(
    {
      start: { phase: "start", isNegative: false, count: 0, decimals: 0, orders: [], remainder: 0 },
      key: ({ phase, isNegative, count, decimals, orders, remainder }) =>
        [phase, isNegative, count, decimals, remainder, ...orders].join(),
      step: (state, byte) => read(state, byte, limitsFor(byte === MINUS ? { ...state, isNegative: true } : state), bounds),
      accepts: (state) =>
        ["zero", "digits", "fraction"].includes(state.phase) &&
        state.remainder === 0 &&
        !(bounds.isInteger && state.isNegative && state.phase === "zero") &&
        limitsFor(state)!.every((limit, i) => holds(limit, settled(limit, state.orders[i]!, state))),
    },
    classesFrom((byte) => (isDigit(byte) || byte === MINUS || byte === POINT ? byte : 0)),
  );
}

const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;

/** @param limits undefined where no number has this sign */
function read(
  state: Reading,
  byte: number,
  limits: readonly Limit[] | undefined,
  { isInteger, multipleOf }: NumberBounds,
): Reading | undefined {
  if (!limits) return undefined;
  if (byte === MINUS) return state.phase === "start" ? { ...state, phase: "sign", isNegative: true } : undefined;
  if (byte === POINT) {
    if (isInteger || (state.phase !== "zero" && state.phase !== "digits")) return undefined;
    return { ...state, phase: "point", orders: limits.map((limit, i) => orderOfWhole(limit, state.orders[i]!, state.count)) };
  }
  if (!isDigit(byte) || state.phase === "zero" || state.count === MOST_DIGITS) return undefined;
  const isDecimal = state.phase === "point" || state.phase === "fraction";
  const isFirst = state.phase === "start" || state.phase === "sign";
  const orders = limits.map((limit, i) => {
    const order = isFirst ? 0 : state.orders[i]!;
    const digits = isDecimal ? limit.fraction : limit.digits;
    const place = isDecimal ? state.decimals : state.count;
    // Digits of the whole part beyond those of the limit are counted, not compared.
    if (order !== 0 || (!isDecimal && place >= digits.length)) return order;
    return Math.sign(byte - (place < digits.length ? digits.charCodeAt(place) : 0x30));
  });
  return {
    ...state,
    phase: isDecimal ? "fraction" : isFirst && byte === 0x30 ? "zero" : "digits",
    count: state.count + 1,
    decimals: state.decimals + Number(isDecimal),
    orders,
    remainder: (state.remainder * 10 + byte - 0x30) % multipleOf,
  };
}

/** The order of whole parts, once all of them is read: the longer one is larger. */
function orderOfWhole({ digits }: Limit, order: number, count: number): number {
  return count === digits.length ? order : Math.sign(count - digits.length);
}

/** The order of a number that ends here. */
function settled(limit: Limit, order: number, { phase, count, decimals }: Reading): number {
  const whole = phase === "fraction" ? order : orderOfWhole(limit, order, count);
  return whole === 0 && /[1-9]/.test(limit.fraction.slice(decimals)) ? -1 : whole;
}

function holds({ isLower, excluded }: Limit, order: number): boolean {
  if (order === 0) return !excluded;
  return isLower ? order > 0 : order < 0;
}

/** The limits of numbers of one sign, without it; undefined if there are none of it. */
function limitsOf(bounds: NumberBounds, sign: 1 | -1): Limit[] | undefined {
  const [least, most] = sign === 1 ? [bounds.minimum, bounds.maximum] : [-bounds.maximum, -bounds.minimum];
  const excludes = { minimum: bounds.excludesMinimum, maximum: bounds.excludesMaximum };
  const [excludesLeast, excludesMost] = sign === 1 ? [excludes.minimum, excludes.maximum] : [excludes.maximum, excludes.minimum];
  if (most < 0) return undefined;
  return [
    ...(least >= 0 && least > -Infinity ? [limitAt(least, excludesLeast, true)] : []),
    ...(most < Infinity ? [limitAt(most, excludesMost, false)] : []),
  ];
}

function limitAt(value: number, excluded: boolean, isLower: boolean): Limit {
  const [digits = "0", fraction = ""] = decimal(value).split(".");
  return { digits, fraction, excluded, isLower };
}

/** A number of at least 0 without an exponent. */
function decimal(value: number): string {
  const [mantissa = "0", exponent] = String(value).split("e");
  if (exponent === undefined) return mantissa;
  const [whole = "0", fraction = ""] = mantissa.split(".");
  const shift = Number(exponent);
  if (shift < 0) return `0.${"0".repeat(-shift - 1)}${whole}${fraction}`;
  return whole + fraction.padEnd(shift, "0");
}
