/** Figures as a person reads them. */

const NUMBERS = [0, 1, 2].map((digits) => new Intl.NumberFormat("en", { maximumFractionDigits: digits }));

export const number = (value: number, digits: 0 | 1 | 2 = 0) => NUMBERS[digits]!.format(value);

/**
 * Megabytes of a million bytes, as browsers and download pages count; `unit` only where it is not said beside
 * it.
 */
export function megabytes(bytes: number, unit = " MB"): string {
  const value = bytes / 1e6;
  return `${number(value, value < 1 ? 2 : value < 10 ? 1 : 0)}${unit}`;
}

export function duration(seconds: number): string {
  if (seconds < 10) return `${number(seconds, 1)} s`;
  if (seconds < 90) return `${number(seconds)} s`;
  return `${number(seconds / 60)} min`;
}

export const counted = (count: number, noun: string) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

export const rate = (tokensPerSecond: number) => `${number(tokensPerSecond, tokensPerSecond < 10 ? 1 : 0)} tok/s`;
