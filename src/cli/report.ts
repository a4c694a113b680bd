/** The report of a quantization, as a table and as the JSON of `quantize`. */
import type { QuantizationReport } from "../quantizer/report.ts";
import { formatSignificant } from "./quantities.ts";
import { formatTable } from "./table.ts";

/** The JSON of `quantize`: these keys, whatever else the report file carries. */
export function reportDocument({ layers, bits_per_weight, seconds }: QuantizationReport) {
  return {
    layers: layers.map(({ name, range, policy, input_scale, weight_nmse }) => ({
      name,
      range,
      policy,
      input_scale,
      weight_nmse,
    })),
    bits_per_weight,
    seconds,
  };
}

export function reportTable({ layers }: QuantizationReport): string {
  return formatTable(
    [
      { head: "layer input" },
      { head: "range", align: "right" },
      { head: "policy" },
      { head: "input scale", align: "right" },
      { head: "weight NMSE", align: "right" },
    ],
    layers.map(({ name, range, policy, input_scale, weight_nmse }) => [
      name,
      formatSignificant(range),
      policy,
      input_scale === null ? "per token" : formatSignificant(input_scale),
      formatSignificant(weight_nmse),
    ]),
  );
}
