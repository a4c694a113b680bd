/** Figures of activation ranges: over the layers, and over the channels of a layer (FPTQ, Figure 3 and Appendix A.5). */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { type LinearInput, LINEAR_INPUTS } from "../checkpoint/tensor-names.ts";
import type { InputAnalysis } from "../quantizer/analyse.ts";

/** Okabe and Ito's colours, which people with colour-blindness tell apart; one per linear input, in the order data flows. */
const COLORS = ["#0072b2", "#009e73", "#e69f00", "#d55e00"];
const STYLE = { fontFamily: "system-ui, sans-serif", fontSize: "12px", background: "white" };

/** Keeps text readable where lines cross it. */
const HALO = { stroke: "white", strokeWidth: 4 };

/** Plot makes DOM nodes; linkedom is the document where there is no browser. */
function newDocument(): Document {
  return parseHTML("<!doctype html><html><body></body></html>").document as unknown as Document;
}

/** A zero has no place on a logarithmic axis; it is drawn at its foot. */
const aboveZero = (value: number) => Math.max(value, 1e-3);

/**
 * max|x| of each linear input over the layers, on a logarithmic scale, with the thresholds of the policy.
 *
 * @returns an SVG document
 */
export function drawRanges(analysis: readonly InputAnalysis[], { v0, v1 }: { v0: number; v1: number }): string {
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
      style: STYLE,
      x: { label: "layer", tickFormat: "d", ticks: Math.min(last, 12), domain: [0, Math.max(1, last)], nice: false },
      y: { type: "log", label: "range: largest |activation|", grid: true, tickFormat: formatTick, nice: true },
      color: { domain: [...LINEAR_INPUTS], range: COLORS },
      marks: [
        Plot.ruleY(thresholds, { y: "range", stroke: "#555", strokeDasharray: "5,4" }),
        Plot.text(thresholds, {
          y: "range",
          text: "name",
          frameAnchor: "left",
          textAnchor: "start",
          dx: 6,
          dy: -8,
          fill: "#555",
        }),
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
          fill: "#555",
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

interface RangePoint {
  layer: number;
  input: LinearInput;
  range: number;
}

/** The name of each line stands behind its last point, moved up where it would cover the one below. */
function placeLabels(rows: readonly RangePoint[], last: number): RangePoint[] {
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
      style: STYLE,
      x: { label: "channel, from first to last", ticks: [] },
      y: { type: "log", label: "largest |activation|", grid: true, tickFormat: formatTick, ticks: 4, nice: true },
      fx: { domain: [...LINEAR_INPUTS], label: null, padding: 0.08 },
      fy: { domain: layers.map((layer) => `layer ${layer}`), label: null, padding: 0.1 },
      color: { domain: [...LINEAR_INPUTS], range: COLORS },
      marks: [
        Plot.frame({ stroke: "#ddd" }),
        Plot.line(rows, { x: "channel", y: "value", fx: "input", fy: "layer", stroke: "input", strokeWidth: 0.7 }),
      ],
    }),
  );
}

const formatTick = (value: number) => `${Number(value.toPrecision(2))}`;

function svgText(figure: Element): string {
  // Plot wraps a figure with a legend in <figure>; these have none, so the element is the <svg> itself.
  figure.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${figure.outerHTML}\n`;
}
