/** What was measured, as benchmarks.md, .svg and .json. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawBenchmarks } from "./chart.ts";
import { type Measurements, rateOf, type Result, significant, type TestDescription } from "./measurements.ts";

/** Ours on the current Node comes first in every run; the others are set against it. */
const REFERENCE = 0;

export function writeReport(folder: string, measurements: Measurements): void {
  writeFileSync(join(folder, "benchmarks.json"), `${JSON.stringify(measurements, undefined, 1)}\n`);
  writeFileSync(join(folder, "benchmarks.svg"), drawBenchmarks(measurements));
  writeFileSync(join(folder, "benchmarks.md"), markdown(measurements));
}

function markdown(m: Measurements): string {
  const { machine, layer } = m;
  const sets = machine.instructionSets.length > 0 ? ` (${machine.instructionSets.join(", ")})` : "";
  const threadCounts = [...new Set(m.models.map(({ threads }) => threads))];
  const tables = threadCounts.flatMap((threads) => [
    `### ${threads} thread${threads > 1 ? "s" : ""}`,
    table(
      m.tests,
      m.models.filter((result) => result.threads === threads),
    ),
  ]);
  const layerTables = threadCounts.flatMap((threads) => [
    `### ${threads} thread${threads > 1 ? "s" : ""}`,
    table(
      m.layerTests,
      m.layers.filter((result) => result.threads === threads),
    ),
  ]);
  return `# Benchmarks

Written by \`npm run bench:peers -- --write-docs\`; do not edit. ${m.date}, ${machine.cpu}${sets}, ${machine.threads} hardware threads,
${(machine.memory / 2 ** 30).toFixed(0)} GiB. ${m.repetitions} repetitions after a warm-up, all engines in turn, in ${m.minutes.toFixed(0)} minutes.${m.quick ? "\n\n**A quick run: few repetitions, small depth. It shows that everything works, not how fast.**" : ""}

\`\`\`
npm run bench:peers${m.quick ? " -- --quick" : ""}
\`\`\`

How fast each runtime is beside the others: [benchmarks-runtimes.md](benchmarks-runtimes.md).

![Tokens per second of each engine](benchmarks.svg)

## A whole model: ${m.model}

Tokens per second: the median, and the lowest and highest in brackets. Behind it how many times as fast fptq on the current Node was
in the same run. Prefill goes from an empty cache to the last token's logits; decode makes one step per token, with logits, after a
prompt of one token or of the depth named. Neither tokenization nor, but for wllama 3, sampling is timed.

${tables.join("\n\n")}

What runs: fptq, 4-bit weights and 8-bit activations made by \`fptq quantize\`, 8-bit embedding and cache. The others, llama.cpp's Q4_0
with a Q8_0 embedding and an f16 cache, made from the same file at run time: the type that llama.cpp repacks for the machine's dot
instructions. wllama runs in ${m.browser || "Chromium"}, headless, in a page that is cross-origin isolated; 2.3.1 is the last line with
llama.cpp's int8 wasm kernels in it. wllama 3 gives only llama-server's completions, whose own timings are used; they include greedy
sampling. Native llama.cpp is the prebuilt binary of node-llama-cpp, with what it says about the machine.

## One layer: ${layer.name}, N = ${layer.N}, K = ${layer.K}, groups of ${layer.G}

Rows per second. Input f32, quantized to 8 bits inside, weights of 4 bits: \`MatMulNBits\` with \`accuracy_level\` 4 in onnxruntime.

${layerTables.join("\n\n")}
`;
}

function table(tests: readonly TestDescription[], results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.name,
    [result.version, result.details].filter(Boolean).join(", "),
    ...tests.map((test) => cell(result, test, results[REFERENCE]!)),
  ]);
  return [["engine", "version", ...tests.map(({ name }) => name)], ["---", "---", ...tests.map(() => "---:")], ...rows]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n");
}

function cell(result: Result, test: TestDescription, reference: Result): string {
  const rate = rateOf(result, test);
  if (!rate) return `failed: ${(result.failure || "not run").replaceAll(/[|\n]/g, " ")}`;
  const ours = rateOf(reference, test);
  const ratio = result === reference || !ours ? "" : ` · ${significant(ours.median / rate.median)} x`;
  return `${significant(rate.median)} (${significant(rate.low)}–${significant(rate.high)})${ratio}`;
}
