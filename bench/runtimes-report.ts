/** What `runtimes.bench.ts` measured, as a table and as docs/benchmarks-runtimes.md. */

export interface RuntimeRow {
  readonly runtime: string;
  readonly threads: number;
  version: string;
  build: string;
  /** Tokens per second, one figure for each start. */
  readonly prefill: number[];
  readonly decode: number[];
}

/** What the others are compared with. */
export const BASE = "node, current";

export interface RunDescription {
  readonly date: string;
  readonly machine: string;
  readonly rounds: number;
}

/** Median, lowest and highest of the starts, and how much of current Node's median that is. */
export function runtimesTable(rows: readonly RuntimeRow[]): string {
  const lines = rows.map(({ runtime, version, build, threads, prefill, decode }) => {
    const base = rows.find((row) => row.runtime === BASE && row.threads === threads)!;
    const pairs: [number[], number[]][] = [[prefill, base.prefill], [decode, base.decode]]; // prettier-ignore
    const figures = pairs.flatMap(([own, nodes]) => {
      const spread = `${median(own).toFixed(0)} (${Math.min(...own).toFixed(0)}–${Math.max(...own).toFixed(0)})`;
      return [spread, `${((100 * median(own)) / median(nodes)).toFixed(0)} %`];
    });
    return `| ${[`${runtime.replace(", current", "")} ${version}`, build, threads, ...figures].join(" | ")} |`;
  });
  return [
    "| runtime | build | threads | prefill of 512, tokens/s | of current Node | decode of 64, tokens/s | of current Node |",
    "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ...lines,
  ].join("\n");
}

export function runtimesReport(rows: readonly RuntimeRow[], { date, machine, rounds }: RunDescription): string {
  return `# Benchmarks: runtimes

Written by \`npm run bench:runtimes -- --write-docs\`; do not edit. ${date}, ${machine}.

\`\`\`
npm run bench:runtimes -- --rounds ${rounds}
\`\`\`

SmolLM2-135M quantized by \`fptq quantize\`: prefill of 512 tokens from an empty cache, decode of 64. Every runtime is started anew in each of ${rounds} rounds,
in turn, and times three repetitions after a warm-up; here are the median of the starts, and the lowest and highest in brackets. In browsers the
model is in a worker of a headless page.

${runtimesTable(rows)}

Which build runs is what a load chooses: an engine without relaxed SIMD, or one that computes it wrongly, takes \`simd128\`. The bits are the same in
all rows.

Deno does not install the handler that lets V8 leave bounds to a memory's guard pages ([denoland/deno#35658](https://github.com/denoland/deno/issues/35658)),
so each access there is preceded by a check. That is the whole difference: current Node with \`--wasm-enforce-bounds-checks\` prefilled 670 tokens/s on one thread,
Deno 671, current Node as it is 800 (2026-11-24, AMD EPYC, one after the other).

What one machine reaches in a runtime, \`fptq doctor\` says in a few seconds.
`;
}

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1]!;
}
