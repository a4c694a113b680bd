/**
 * Times kernels on real shapes, by one thread or by several.
 *
 *   npm run bench -- [FILTER ...] [--threads 1,2] [--json] [--seconds 0.5]
 *     [--module FILE.wasm[+FILE.wasm] ...] [--quantizer FILE.wasm]
 *
 * FILTER keeps rows whose name contains every word. Several --module are timed in turn, row by row, so that
 * noise meets all alike. Files joined by a plus are used over one memory: a build, and a module of some
 * kernels in place of its own; of each FOLDER/fptq-NAME.wasm the FOLDER/fptq-kept-NAME.wasm beside it is too.
 * Rows come from `bench/rows/*.ts`: a new file there is all that a new kernel needs. Each row is warmed up
 * until the optimizing compiler has replaced the first code; `benchmark` then takes samples for the given
 * time. Median, best, and the spread from the 10th to the 90th percentile are of these samples. GEMMs are
 * compared with the peak of their build's dot product, GEMVs with plain reads of as many bytes (limits.ts):
 * best against best, measured one after the other by the same number of threads. More than one of them run
 * only the rows that a model splits: GEMMs and GEMVs over 8-bit activations, through the model's own thread
 * pool. On a machine that does other work, compare the best and only within one invocation.
 */
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { basename } from "node:path";
import Benchmark from "benchmark";
import { integerRanges } from "../src/cli/bench/bench-options.ts";
import { forSharedMemory } from "../src/kernels/shared-memory.ts";
import { LIMIT_BUILDS, type LimitBuild, Limits } from "./limits.ts";
import { LimitThreads } from "./limits-threads.ts";
import { allRows } from "./all-rows.ts";
import { BenchMemory, type BenchWork } from "./bench-row.ts";

/** Those this engine can compile. */
const builds = LIMIT_BUILDS.filter((build) =>
  WebAssembly.validate(readFileSync(new URL(`../dist/wasm/fptq-${build}.wasm`, import.meta.url))),
);
const published = (build: LimitBuild) => `dist/wasm/fptq-${build}.wasm`;
/** A form is timed over simd128, whose other kernels need no relaxed dot. */
const timed = builds.map((build) => (build === "relaxed-i16" ? `${published("simd128")}+${published(build)}` : published(build)));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    threads: { type: "string", default: "1" },
    seconds: { type: "string", default: "0.5" },
    module: { type: "string", multiple: true, default: timed },
    quantizer: { type: "string", default: "dist/wasm/fptq-quantizer.wasm" },
  },
});
const seconds = Number(values.seconds);
if (!(seconds > 0)) throw new RangeError(`--seconds: got "${values.seconds}", need a number above 0`);

const threadCounts = integerRanges(1, 64)(values.threads);

interface Figure {
  name: string;
  module: string;
  threads: number;
  median_us: number;
  best_us: number;
  p10_us: number;
  p90_us: number;
  gmac_per_s?: number;
  gb_per_s?: number;
  /** The best sample's rate as a share of the limit measured beside it. */
  percent_of_limit?: number;
  samples: number;
}

/** Long enough for V8 to compile with optimization in the background, whatever one run takes. */
function warmUp({ run }: BenchWork): void {
  const end = performance.now() + 150;
  do run();
  while (performance.now() < end);
}

type Subject = Pick<Figure, "name" | "module" | "threads">;

async function measure(subject: Subject, work: BenchWork, limits: Limits | LimitThreads): Promise<Figure> {
  const { name } = subject;
  warmUp(work);
  const { stats, error } = new Benchmark(name, () => work.run(), { maxTime: seconds, minSamples: 7 }).run();
  if (error) throw error;
  const sorted = stats.sample.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  const median = at(0.5);
  const limit = work.macs
    ? await limits.dots()
    : work.bytes && name.startsWith("gemv")
      ? await limits.reads(work.bytes)
      : undefined;
  return {
    ...subject,
    median_us: median * 1e6,
    best_us: sorted[0]! * 1e6,
    p10_us: at(0.1) * 1e6,
    p90_us: at(0.9) * 1e6,
    ...(work.macs && { gmac_per_s: work.macs / median / 1e9 }),
    ...(work.bytes && { gb_per_s: work.bytes / median / 1e9 }),
    ...(limit && { percent_of_limit: (100 * ((work.macs ?? work.bytes)! / sorted[0]!)) / limit }),
    samples: sorted.length,
  };
}

function print(figure: Figure, several: boolean): void {
  const { name, module, threads, median_us, best_us, p10_us, p90_us, gmac_per_s, gb_per_s, percent_of_limit } = figure;
  const [rate, unit] = gmac_per_s ? [gmac_per_s, "GMAC/s"] : [gb_per_s ?? 0, "GB/s"];
  const spread = `${p10_us.toFixed(1)} .. ${p90_us.toFixed(1)}`;
  const rates = rate ? `${rate.toFixed(1).padStart(6)} ${unit}, best ${((rate * median_us) / best_us).toFixed(1)}` : "";
  const share = percent_of_limit ? `, ${percent_of_limit.toFixed(0)} % of limit` : "";
  const label = `${name}${threads > 1 ? ` ${threads} threads` : ""}${several ? ` [${module}]` : ""}`;
  console.log(`${label.padEnd(58)} ${median_us.toFixed(1).padStart(10)} us  (${spread})`.padEnd(98) + rates + share);
}

const machine = { cpu: cpus()[0]?.model ?? "unknown", node: process.version, v8: process.versions.v8 };
if (!values.json)
  console.log(
    `${machine.cpu}, Node ${machine.node}, V8 ${machine.v8}; median (10th .. 90th percentile), rate of the median and of the best`,
  );

const limitsOf = builds.map((build) => ({
  build,
  of: new Map(threadCounts.map((threads) => [threads, threads > 1 ? new LimitThreads(build, threads) : new Limits(build)])),
}));
const modules = values.module.map((option) => {
  const files = option.split("+");
  const name = files.map((file) => basename(file)).join("+");
  const build = name.includes("relaxed-i16") ? "relaxed-i16" : name.includes("relaxed") ? "relaxed" : "simd128";
  const kept = files.map((file) => file.replace(/fptq-(?=[^/]*$)/, "fptq-kept-")).filter((file) => existsSync(file));
  return {
    name,
    files: [...files, ...kept].map((file) => readFileSync(file)),
    limits: limitsOf.find((each) => each.build === build)!.of,
  };
});
const quantizer = readFileSync(values.quantizer);
const rows = (await allRows()).filter(({ name }) => positionals.every((word) => name.includes(word)));
if (rows.length === 0) throw new RangeError(`no row's name contains ${positionals.map((word) => `"${word}"`).join(" and ")}`);

/** Larger than any second-level cache, as a head's weights are. */
const STREAM = 64 << 20;
const limits: Record<string, number> = {};
for (const { build, of } of limitsOf) {
  for (const [threads, each] of of) {
    const by = `${threads}_thread${threads > 1 ? "s" : ""}`;
    limits[`dot_${build}_${by}_gmac_per_s`] = (await each.dots()) / 1e9;
    limits[`read_${by}_gb_per_s`] = Math.max(limits[`read_${by}_gb_per_s`] ?? 0, (await each.reads(STREAM)) / 1e9);
  }
}
if (!values.json) for (const [name, value] of Object.entries(limits)) console.log(`limit ${name.padEnd(52)} ${value.toFixed(1)}`);

const figures: Figure[] = [];
for (const row of rows) {
  for (const { name: module, files, limits: own } of modules) {
    for (const [threads, limit] of own) {
      if (threads > 1 && !row.split) continue;
      const compile = (file: Buffer<ArrayBuffer>) => new WebAssembly.Module(threads > 1 ? forSharedMemory(file) : file);
      const bench = new BenchMemory([...files, quantizer].map(compile), threads);
      const work = row.prepare(bench);
      await bench.threadsStarted();
      const figure = await measure({ name: row.name, module, threads }, work, limit);
      await bench.dispose();
      figures.push(figure);
      if (!values.json) print(figure, modules.length > 1);
    }
  }
}
for (const { of } of limitsOf) for (const each of of.values()) if (each instanceof LimitThreads) await each.end();
if (values.json) console.log(JSON.stringify({ ...machine, limits, figures }, null, 2));
