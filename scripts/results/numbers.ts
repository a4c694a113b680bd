/** Numbers of the report, each with its standard error. */
import type { Uncertain } from "../../src/evaluation/statistics.ts";

export const plusMinus = ({ value, standardError }: Uncertain, digits: number) =>
  `${fixed(value, digits)} ± ${fixed(standardError, digits)}`;

/** A perplexity of thousands needs no hundredths. */
const fixed = (value: number, digits: number) => value.toFixed(Math.abs(value) >= 1000 ? 0 : digits);

export const percent = ({ value, standardError }: Uncertain) =>
  `${(100 * value).toFixed(1)} ± ${(100 * standardError).toFixed(1)}`;
