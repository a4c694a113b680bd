/**
 * The figure of docs/benchmarks.md: a bar for each engine, a row of bars for each test, a column for each
 * number of threads.
 */
import * as Plot from "@observablehq/plot";
import { addLegend, COLORS, FIGURE_STYLE, INK, MUTED, newDocument, svgText } from "../../src/cli/figures/figure.ts";
import { type Measurements, rateOf, significant } from "./measurements.ts";

const [OURS, NATIVE, WEB] = [COLORS[0], MUTED, COLORS[2]];
const LEGEND = [
  { label: "fptq, WebAssembly", color: OURS, kind: "bar" },
  { label: "llama.cpp, native code", color: NATIVE, kind: "bar" },
  { label: "llama.cpp, WebAssembly", color: WEB, kind: "bar" },
] as const;
const BAR_HEIGHT = 21;

const colorOf = (name: string) => (name.startsWith("fptq") ? OURS : name.includes("native") ? NATIVE : WEB);

const column = (threads: number) => `${threads} thread${threads > 1 ? "s" : ""}`;

/** @returns an SVG document */
export function drawBenchmarks({ tests, models }: Measurements): string {
  const engines = [...new Set(models.map(({ name }) => name))];
  const threadCounts = [...new Set(models.map(({ threads }) => threads))];
  const points = models.flatMap((result) =>
    tests.map((test) => ({ engine: result.name, test: test.name, threads: column(result.threads), rate: rateOf(result, test) })),
  );
  // One axis would hide decode behind prefill: each bar is a share of the fastest repetition of its test.
  const fastest = new Map(
    tests.map(({ name }) => [name, Math.max(...points.filter(({ test }) => test === name).map(({ rate }) => rate?.high ?? 0))]),
  );
  const bars = points.map((point) => {
    const share = (value: number | undefined) => (value ?? 0) / fastest.get(point.test)!;
    const { engine, test, threads, rate } = point;
    return {
      engine,
      test,
      threads,
      share: share(rate?.median),
      low: share(rate?.low),
      high: share(rate?.high),
      color: colorOf(engine),
      label: rate ? significant(rate.median) : "failed",
    };
  });
  const place = { y: "engine", fx: "threads", fy: "test" } as const;
  const figure = Plot.plot({
    document: newDocument(),
    width: 960,
    height: 94 + tests.length * (engines.length * BAR_HEIGHT + 22),
    marginLeft: 150,
    marginRight: 140,
    marginTop: 84,
    style: FIGURE_STYLE,
    x: { axis: null, domain: [0, 1.2] },
    y: { domain: engines, label: null, tickSize: 0, padding: 0.15 },
    fx: {
      axis: "top",
      domain: threadCounts.map(column),
      label: "tokens per second: median, and from lowest to highest",
      padding: 0.06,
    },
    fy: { domain: tests.map(({ name }) => name), label: null, padding: 0.14 },
    marks: [
      Plot.barX(bars, { ...place, x: "share", fill: "color" }),
      Plot.ruleY(bars, { ...place, x1: "low", x2: "high", stroke: INK, strokeWidth: 1.2 }),
      Plot.text(bars, {
        ...place,
        x: (bar: { share: number; high: number }) => Math.max(bar.share, bar.high),
        text: "label",
        textAnchor: "start",
        dx: 5,
        fill: INK,
      }),
      Plot.ruleX([0], { stroke: INK }),
    ],
  });
  addLegend(figure, LEGEND, 150, 38);
  return svgText(figure);
}
