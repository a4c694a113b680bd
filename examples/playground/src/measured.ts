/** What a quantization report says of one layer input in numbers. */
import { number } from "./format.ts";
import { INPUTS, type LayerPolicies } from "./policies.ts";

interface Quantity {
  readonly label: string;
  /** What it is, in a sentence. */
  readonly meaning: string;
  /** Whether it spans orders of magnitude, and is drawn so. */
  readonly isLog: boolean;
}

/** By their names in `quantization-report.json`. */
export const QUANTITIES = {
  range: { label: "Range", meaning: "Largest absolute activation during calibration", isLog: true },
  equalized_range: { label: "Range after equalizing", meaning: "The same after equalization", isLog: true },
  input_scale: { label: "Scale of the input", meaning: "What one step of the 8-bit input stands for, where it is static", isLog: true },
  weight_sqnr_db: { label: "Weights, SQNR in dB", meaning: "Signal over the noise of rounding the weights; more is better", isLog: false },
  weight_nmse: { label: "Weights, NMSE", meaning: "Mean square error of rounding the weights, over their mean square", isLog: true },
  nearest_weight_nmse: { label: "Weights to nearest, NMSE", meaning: "The same if they were rounded to nearest", isLog: true },
  weight_max_abs_error: { label: "Weights, largest error", meaning: "Largest absolute error of a weight", isLog: true },
  output_nmse: { label: "Output, NMSE", meaning: "Error that rounded weights leave at the output, over the output", isLog: true },
  static_output_nmse: { label: "Output under one scale, NMSE", meaning: "What rounding activations with one scale leaves", isLog: true },
  dynamic_output_nmse: { label: "Output, a scale per token, NMSE", meaning: "What rounding activations with a scale per token leaves", isLog: true },
} as const satisfies Record<string, Quantity>; // prettier-ignore

export type QuantityName = keyof typeof QUANTITIES;
export type Measured = Readonly<Partial<Record<QuantityName, number>>>;

const NAMES = Object.keys(QUANTITIES) as QuantityName[];

/** The numbers among the fields of an entry of a report; the rest is nobody's business here. */
export function measuredIn(fields: Readonly<Record<string, unknown>>): Measured {
  const found: Partial<Record<QuantityName, number>> = {};
  for (const name of NAMES) {
    const value = fields[name];
    if (typeof value === "number" && Number.isFinite(value)) found[name] = value;
  }
  return found;
}

/** Those that a model has anything of. */
export function quantitiesOf(policies: LayerPolicies): QuantityName[] {
  return NAMES.filter((name) => policies.some((layer) => INPUTS.some((input) => layer[input].measured[name] !== undefined)));
}

/** Three digits, as a person reads them. */
export function shownQuantity(value: number | undefined): string {
  if (value === undefined) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return number(value);
  return Math.abs(value) < 0.001 ? value.toExponential(2).replace("e-", "e−") : String(Number(value.toPrecision(3)));
}
