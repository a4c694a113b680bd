/** The figures of `docs/results.md`, each an SVG document, or undefined while there is nothing to draw. */
import * as Plot from "@observablehq/plot";
import { INPUT_NAMES } from "../../src/architecture/description.ts";
import { drawRanges } from "../../src/cli/figures/activation-figures.ts";
import {
  aboveZero,
  addLegend,
  COLORS,
  FAINT,
  FIGURE_STYLE,
  formatTick,
  HALO,
  INK,
  logAxis,
  MUTED,
  newDocument,
  svgText,
} from "../../src/cli/figures/figure.ts";
import { PAPER_THRESHOLDS } from "../../src/quantizer/decide/policy.ts";
import { format, type FigureName } from "./report.ts";
import type { Results } from "./results-file.ts";
import { GIVEN, ROWS, SECTIONS } from "./rows.ts";

export function drawFigures(results: Results): Record<FigureName, string | undefined> {
  return {
    perplexity: drawRatios(results),
    activations: drawActivations(results),
    ranges: results.activations && drawRanges(results.activations.ranges, PAPER_THRESHOLDS),
    errors: drawErrors(results),
  };
}

const ROW_HEIGHT = 24;

/** Perplexity ratio of each recipe of the first section, best first, with a standard error to either side. */
function drawRatios({ rows }: Results): string | undefined {
  const points = SECTIONS[0]!.rows
    .flatMap((id) => {
      const result = rows[id];
      const ratio = result?.text?.divergence?.pplRatio;
      if (!ratio) return [];
      const { label } = ROWS.find((row) => row.id === id)!;
      return [{ label, format: format(result), ratio: ratio.value, error: ratio.standardError }];
    })
    .toSorted((a, b) => a.ratio - b.ratio);
  if (points.length === 0) return undefined;
  const formats = [...new Set(points.map((point) => point.format))].toSorted();
  const highest = Math.max(...points.map(({ ratio, error }) => ratio + error), ...GIVEN.map(({ pplRatio }) => pplRatio));
  const references = GIVEN.map(({ name, pplRatio }) => ({ name: `${name}: ${pplRatio} (given)`, pplRatio }));
  return svgText(
    Plot.plot({
      document: newDocument(),
      width: 860,
      height: 120 + ROW_HEIGHT * points.length,
      marginLeft: 270,
      marginRight: 96,
      marginTop: 70,
      marginBottom: 44,
      style: FIGURE_STYLE,
      x: {
        type: "log",
        label: "perplexity / perplexity of float32, ± one standard error",
        labelAnchor: "center",
        labelArrow: "none",
        domain: [0.99, highest * 1.1],
        ticks: ticksUpTo(highest),
        tickFormat: formatTick,
        grid: true,
      },
      y: { domain: points.map(({ label }) => label), label: null, tickSize: 0 },
      color: { domain: formats, range: COLORS.slice(0, formats.length) },
      marks: [
        Plot.ruleX([1], { stroke: INK }),
        references.map((reference, line) =>
          Plot.ruleX([reference], { x: "pplRatio", stroke: MUTED, strokeDasharray: "5,4", insetTop: -24 - 15 * line }),
        ),
        references.map((reference, line) =>
          Plot.text([reference], {
            x: "pplRatio",
            text: "name",
            frameAnchor: "top",
            textAnchor: "start",
            dx: 4,
            dy: -18 - 15 * line,
            fill: MUTED,
          }),
        ),
        Plot.ruleY(points, {
          y: "label",
          x1: ({ ratio, error }: { ratio: number; error: number }) => ratio - error,
          x2: ({ ratio, error }: { ratio: number; error: number }) => ratio + error,
          stroke: "format",
          strokeWidth: 2.5,
        }),
        Plot.dot(points, { y: "label", x: "ratio", fill: "format", r: 4 }),
        Plot.text(points, {
          ...HALO,
          y: "label",
          x: ({ ratio, error }: { ratio: number; error: number }) => ratio + error,
          text: ({ ratio, format: name }: { ratio: number; format: string }) => `${ratio.toFixed(3)}  ${name}`,
          textAnchor: "start",
          dx: 9,
          fill: INK,
        }),
      ],
    }),
  );
}

/** Close together near 1, where the recipes are. */
function ticksUpTo(highest: number): number[] {
  return [1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000].filter((tick) => tick <= highest * 1.1);
}

/**
 * max|x| of each channel of the input that LAE changes most, before and after; a static scale has to cover
 * the line.
 */
function drawActivations({ activations }: Results): string | undefined {
  if (!activations) return undefined;
  const { name, before, after } = activations.telling;
  const panels = [
    { panel: "before", values: before },
    { panel: "after LAE", values: after },
  ];
  const dots = panels.flatMap(({ panel, values }) =>
    values.map((value, channel) => ({ panel, channel, value: aboveZero(value) })),
  );
  const ranges = panels.map(({ panel, values }) => ({ panel, range: aboveZero(Math.max(...values)) }));
  const y = logAxis(
    dots.map(({ value }) => value),
    "largest |activation| of the channel",
  );
  return svgText(
    Plot.plot({
      document: newDocument(),
      width: 860,
      height: 380,
      marginLeft: 56,
      marginTop: 34,
      marginBottom: 40,
      style: FIGURE_STYLE,
      x: { label: `channel of ${name}`, labelAnchor: "center", labelArrow: "none", ticks: 6, tickFormat: "d" },
      y: y.scale,
      fx: { domain: panels.map(({ panel }) => panel), label: null, padding: 0.06 },
      marks: [
        ...y.marks,
        Plot.frame({ stroke: FAINT }),
        Plot.dot(dots, { fx: "panel", x: "channel", y: "value", r: 1.8, fill: COLORS[0], fillOpacity: 0.75 }),
        Plot.ruleY(ranges, { fx: "panel", y: "range", stroke: COLORS[3], strokeWidth: 1.5 }),
        Plot.text(ranges, {
          ...HALO,
          fx: "panel",
          y: "range",
          text: ({ range }: { range: number }) => `range ${formatTick(range)}`,
          frameAnchor: "right",
          textAnchor: "end",
          dx: -6,
          dy: 11,
          fill: COLORS[3],
          fontWeight: "bold",
        }),
      ],
    }),
  );
}

/**
 * Relative error at the output of the linears where it was measured, else of their weights: one small figure
 * per linear input.
 */
function drawErrors({ rows }: Results): string | undefined {
  const recipes = ROWS.flatMap(({ id, label }) => {
    const errors = rows[id]?.quantization?.layerErrors;
    return errors ? [{ label, errors }] : [];
  });
  if (recipes.length === 0) return undefined;
  const KINDS = { weight: "of the weights", output: "at the output" } as const;
  const points = recipes.flatMap(({ label, errors }) =>
    (Object.keys(KINDS) as (keyof typeof KINDS)[]).flatMap((kind) =>
      INPUT_NAMES.flatMap((input) =>
        errors[input][kind].flatMap((nmse, layer) => (nmse === null ? [] : [{ label, input, kind: KINDS[kind], layer, nmse }])),
      ),
    ),
  );
  const labels = recipes.map(({ label }) => label);
  const panels = Object.values(KINDS).filter((kind) => points.some((point) => point.kind === kind));
  const y = logAxis(
    points.map(({ nmse }) => nmse),
    "error / signal, mean squares",
    [1],
  );
  const figure = Plot.plot({
    document: newDocument(),
    width: 1000,
    height: 124 + 210 * panels.length,
    marginLeft: 72,
    marginRight: 112,
    marginTop: 76,
    marginBottom: 40,
    style: FIGURE_STYLE,
    x: { label: "layer", labelAnchor: "center", labelArrow: "none", ticks: 4, tickFormat: "d" },
    y: y.scale,
    fx: { domain: [...INPUT_NAMES], label: null, padding: 0.08 },
    fy: { axis: "right", domain: panels, label: null, padding: 0.1 },
    color: { domain: labels, range: labels.map((_, i) => colorOf(i)) },
    marks: [
      ...y.marks,
      Plot.frame({ stroke: FAINT }),
      labels.map((label, i) =>
        Plot.line(
          points.filter((point) => point.label === label),
          { fx: "input", fy: "kind", x: "layer", y: "nmse", stroke: "label", strokeWidth: widthOf(i) },
        ),
      ),
    ],
  });
  const entries = labels.map((label, i) => ({ label, color: colorOf(i), kind: "line", width: widthOf(i) }) as const);
  addLegend(figure, entries, 72, 34);
  return svgText(figure);
}

const colorOf = (i: number) => COLORS[i % COLORS.length]!;

/** The first recipe's line is broad: FPTQ rounds weights as RTN does, and its line lies on it. */
const widthOf = (i: number) => (i === 0 ? 4.5 : 1.6);
