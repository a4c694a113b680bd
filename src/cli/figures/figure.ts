/**
 * The common parts of all figures: a document to draw in, colours that are readable on light and dark pages,
 * and the SVG's text.
 */
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

/** @param figure as Plot returns it, without a legend: Plot wraps a figure that has one in `<figure>` */
export function svgText(figure: Element): string {
  figure.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  figure.insertAdjacentHTML("afterbegin", THEME);
  return `${figure.outerHTML}\n`;
}

/** A tick of a logarithmic axis, without an exponent. */
export const formatTick = (value: number) => `${Number(value.toPrecision(2))}`;

/** A zero has no place on a logarithmic axis; it is drawn at its foot. */
export const aboveZero = (value: number) => Math.max(value, 1e-3);
