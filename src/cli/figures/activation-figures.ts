/**
 * Figures of activation ranges: over the layers, and over the channels of a layer (FPTQ, Figure 3 and
 * Appendix A.5).
 */
import * as Plot from "@observablehq/plot";
import { INPUT_NAMES } from "../../architecture/description.ts";
import type { InputAnalysis } from "../../quantizer/decide/analyze-inputs.ts";
import { aboveZero, COLORS, FAINT, FIGURE_STYLE, logAxis, MUTED, newDocument, svgText } from "./figure.ts";

/** One colour per linear input, in the order data flows. */
const INPUT_COLORS = { domain: [...INPUT_NAMES], range: COLORS.slice(0, INPUT_NAMES.length) };

/** The part of an input's analysis that `drawRanges` shows. */
export type InputRange = Pick<InputAnalysis, "layer" | "input" | "range">;

/**
 * max|x| of each linear input over the layers, on a logarithmic scale, with the thresholds of the policy.
 *
 * @returns an SVG document
 */
export function drawRanges(analysis: readonly InputRange[], { v0, v1 }: { v0: number; v1: number }): string {
  const rows = analysis.map(({ layer, input, range }) => ({ layer, input, range: aboveZero(range) }));
  const last = Math.max(...rows.map(({ layer }) => layer));
  const thresholds = [
    { name: `v0 = ${v0}: static below`, range: v0 },
    { name: `v1 = ${v1}: per token above`, range: v1 },
  ].filter(({ range }) => range > 0 && Number.isFinite(range));
  const y = logAxis(
    rows.map(({ range }) => range),
    "range: largest |activation|",
  );
  return svgText(
    Plot.plot({
      document: newDocument(),
      width: 860,
      height: 480,
      marginTop: 28,
      marginBottom: 40,
      marginLeft: 56,
      marginRight: 190,
      style: FIGURE_STYLE,
      x: {
        label: "layer",
        labelAnchor: "center",
        labelArrow: "none",
        tickFormat: "d",
        ticks: Math.min(last, 12),
        domain: [0, Math.max(1, last)],
        nice: false,
      },
      y: y.scale,
      color: INPUT_COLORS,
      marks: [
        ...y.marks,
        Plot.ruleY(thresholds, { y: "range", stroke: MUTED, strokeDasharray: "5,4" }),
        Plot.line(rows, { x: "layer", y: "range", stroke: "input", strokeWidth: 1.5 }),
        Plot.dot(rows, { x: "layer", y: "range", fill: "input", r: 2.5 }),
        Plot.text(thresholds, { y: "range", text: "name", frameAnchor: "right", textAnchor: "start", dx: 8, fill: MUTED }),
        Plot.text(placeLabels(rows, last, thresholds), {
          x: "layer",
          y: "range",
          text: "input",
          fill: "input",
          textAnchor: "start",
          dx: 8,
          fontWeight: "bold",
        }),
      ],
    }),
  );
}

/**
 * The name of each line stands behind its last point, moved up where it would cover the one below or a
 * threshold's.
 */
function placeLabels(rows: readonly InputRange[], last: number, thresholds: readonly { range: number }[]): InputRange[] {
  const ranges = rows.map(({ range }) => range);
  // A line of text takes about a thirtieth of the figure's height.
  const step = (Math.max(...ranges) / Math.min(...ranges)) ** (1 / 30);
  let free = 0;
  return rows
    .filter(({ layer }) => layer === last)
    .toSorted((a, b) => a.range - b.range)
    .map((row) => {
      let range = Math.max(row.range, free);
      for (const { range: taken } of thresholds) if (range > taken / step && range < taken * step) range = taken * step;
      free = range * step;
      return { layer: row.layer, input: row.input, range };
    });
}

/**
 * max|x| of each channel of each linear input, one row of small figures per layer.
 *
 * @returns an SVG document
 */
export function drawChannels(analysis: readonly InputAnalysis[], layers: readonly number[]): string {
  const rows = analysis
    .filter(({ layer }) => layers.includes(layer))
    .flatMap(({ layer, input, channelAbsmax }) =>
      Array.from(channelAbsmax, (value, channel) => ({
        layer: `layer ${layer}`,
        input,
        channel: channel / channelAbsmax.length,
        value: aboveZero(value),
      })),
    );
  const channels = new Map<string, number>(analysis.map(({ input, channelAbsmax }) => [input, channelAbsmax.length]));
  const y = logAxis(
    rows.map(({ value }) => value),
    "largest |activation|",
    [1],
  );
  return svgText(
    Plot.plot({
      document: newDocument(),
      width: 1000,
      height: 110 + 160 * layers.length,
      marginLeft: 56,
      marginRight: 60,
      marginTop: 44,
      marginBottom: 40,
      style: FIGURE_STYLE,
      x: {
        label: "channel, in percent of all",
        labelAnchor: "center",
        labelArrow: "none",
        percent: true,
        ticks: [0, 25, 50, 75],
      },
      y: y.scale,
      fx: {
        domain: [...INPUT_NAMES],
        label: null,
        padding: 0.08,
        tickFormat: (input: string) => `${input}, ${channels.get(input)} channels`,
      },
      fy: { axis: "right", domain: layers.map((layer) => `layer ${layer}`), label: null, padding: 0.1 },
      color: INPUT_COLORS,
      marks: [
        ...y.marks,
        Plot.frame({ stroke: FAINT }),
        Plot.line(rows, { x: "channel", y: "value", fx: "input", fy: "layer", stroke: "input", strokeWidth: 0.7 }),
      ],
    }),
  );
}
