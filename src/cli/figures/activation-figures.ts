/**
 * Figures of activation ranges: over the layers, and over the channels of a layer (FPTQ, Figure 3 and
 * Appendix A.5).
 */
import * as Plot from "@observablehq/plot";
import { INPUT_NAMES } from "../../architecture/description.ts";
import type { InputAnalysis } from "../../quantizer/decide/analyze-inputs.ts";
import { aboveZero, COLORS, FAINT, FIGURE_STYLE, formatTick, HALO, MUTED, newDocument, svgText } from "./figure.ts";

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
    { name: `v0 = ${v0}: static up to here`, range: v0 },
    { name: `v1 = ${v1}: a scale per token from here`, range: v1 },
  ].filter(({ range }) => range > 0 && Number.isFinite(range));
  return svgText(
    Plot.plot({
      document: newDocument(),
      width: 860,
      height: 480,
      marginLeft: 56,
      marginRight: 70,
      style: FIGURE_STYLE,
      x: { label: "layer", tickFormat: "d", ticks: Math.min(last, 12), domain: [0, Math.max(1, last)], nice: false },
      y: { type: "log", label: "range: largest |activation|", grid: true, tickFormat: formatTick, nice: true },
      color: INPUT_COLORS,
      marks: [
        Plot.ruleY(thresholds, { y: "range", stroke: MUTED, strokeDasharray: "5,4" }),
        Plot.line(rows, { x: "layer", y: "range", stroke: "input", strokeWidth: 1.5 }),
        Plot.dot(rows, { x: "layer", y: "range", fill: "input", r: 2.5 }),
        Plot.text(thresholds, {
          ...HALO,
          y: "range",
          text: "name",
          frameAnchor: "left",
          textAnchor: "start",
          dx: 6,
          dy: -8,
          fill: MUTED,
        }),
        Plot.text(placeLabels(rows, last), {
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

/** The name of each line stands behind its last point, moved up where it would cover the one below. */
function placeLabels(rows: readonly InputRange[], last: number): InputRange[] {
  const ranges = rows.map(({ range }) => range);
  // A line of text takes about a thirtieth of the figure's height.
  const step = (Math.max(...ranges) / Math.min(...ranges)) ** (1 / 30);
  let free = 0;
  return rows
    .filter(({ layer }) => layer === last)
    .toSorted((a, b) => a.range - b.range)
    .map((row) => {
      const range = Math.max(row.range, free);
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
  return svgText(
    Plot.plot({
      document: newDocument(),
      width: 1000,
      height: 90 + 160 * layers.length,
      marginLeft: 56,
      marginRight: 60,
      style: FIGURE_STYLE,
      x: { label: "channel, from first to last", ticks: [] },
      y: { type: "log", label: "largest |activation|", grid: true, tickFormat: formatTick, ticks: 4, nice: true },
      fx: { domain: [...INPUT_NAMES], label: null, padding: 0.08 },
      fy: { domain: layers.map((layer) => `layer ${layer}`), label: null, padding: 0.1 },
      color: INPUT_COLORS,
      marks: [
        Plot.frame({ stroke: FAINT }),
        Plot.line(rows, { x: "channel", y: "value", fx: "input", fy: "layer", stroke: "input", strokeWidth: 0.7 }),
      ],
    }),
  );
}
