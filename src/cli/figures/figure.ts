/**
 * The common parts of all figures: a document to draw in, colours that are readable on light and dark pages,
 * and the SVG's text.
 */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

/** The page's colours in both modes; an SVG shown as an image follows the reader's own setting. */
const THEME = `<style>
svg { --paper: #ffffff; --ink: #1f2328; --faint: #d0d7de; --muted: #656d76; }
@media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #e6edf3; --faint: #3d444d; --muted: #9198a1; } }
</style>`;

export const PAPER = "var(--paper)";
export const INK = "var(--ink)";
export const FAINT = "var(--faint)";
export const MUTED = "var(--muted)";

/**
 * Okabe and Ito's colours, which people with colour-blindness tell apart, the blue lightened to stand on dark
 * pages too.
 */
export const COLORS = ["#3b8fd0", "#009e73", "#e69f00", "#d55e00", "#cc79a7"] as const;

export const FIGURE_STYLE = { fontFamily: "system-ui, sans-serif", fontSize: "12px", background: PAPER, color: INK };

/** Keeps text readable where lines cross it. */
export const HALO = { stroke: PAPER, strokeWidth: 4 };

/** Plot makes DOM nodes; linkedom is the document where there is no browser. */
export function newDocument(): Document {
  return parseHTML("<!doctype html><html><body></body></html>").document as unknown as Document;
}

/** One entry of a legend, drawn as what it stands for. */
export interface LegendEntry {
  readonly label: string;
  readonly color: string;
  readonly kind: "line" | "bar";
  /** Pixels of a line; 2.5 if not given. */
  readonly width?: number;
}

/** A character of the figures' font, on average, rounded up. */
const CHARACTER_WIDTH = 7.2;

/**
 * Adds a legend in one line. Plot's own would wrap the figure in HTML.
 *
 * @param x left end, in the figure's pixels
 * @param y middle of the line
 */
export function addLegend(figure: Element, entries: readonly LegendEntry[], x: number, y: number): void {
  let at = x;
  const parts = entries.map(({ label, color, kind, width = 2.5 }) => {
    const begin = at;
    at += 30 + label.length * CHARACTER_WIDTH + 22;
    const swatch =
      kind === "line"
        ? `<line x1="${begin}" x2="${begin + 24}" y1="${y}" y2="${y}" stroke="${color}" stroke-width="${width}"></line>`
        : `<rect x="${begin + 10}" y="${y - 6}" width="14" height="12" fill="${color}"></rect>`;
    return `${swatch}<text x="${begin + 30}" y="${y}" dy="0.32em" text-anchor="start" fill="${INK}">${label.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</text>`;
  });
  figure.insertAdjacentHTML("beforeend", `<g aria-label="legend">${parts.join("")}</g>`);
}

/** @param figure as Plot returns it, without a legend: Plot wraps a figure that has one in `<figure>` */
export function svgText(figure: Element): string {
  figure.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  figure.insertAdjacentHTML("afterbegin", THEME);
  return `${figure.outerHTML}\n`;
}

/**
 * A logarithmic y axis: its scale, and the marks that draw it. Plot labels only some of the ticks that it is
 * given itself.
 *
 * @param values positive
 * @param steps ticks of every power of ten, from 1 up
 */
export function logAxis(values: Iterable<number>, label: string, steps: readonly number[] = [1, 2, 5]) {
  let [low, high] = [Infinity, 0];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const powers = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  const all = powers.flatMap((power) => steps.map((step) => Number(`${step}e${power}`)));
  const begin = all.findLast((tick) => tick <= low);
  const end = all.find((tick) => tick >= high);
  const ticks = all.filter((tick) => tick >= begin! && tick <= end!);
  return {
    scale: { type: "log", axis: null, domain: [ticks[0], ticks.at(-1)] },
    marks: [Plot.gridY(ticks), Plot.axisY(ticks, { label, text: formatTick })],
  } as const;
}

/** A tick of a logarithmic axis, without an exponent. */
export const formatTick = (value: number) => `${Number(value.toPrecision(2))}`;

/** A zero has no place on a logarithmic axis; it is drawn at its foot. */
export const aboveZero = (value: number) => Math.max(value, 1e-3);
