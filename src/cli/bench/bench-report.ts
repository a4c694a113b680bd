/** Results of `fptq bench` in llama-bench's formats; rows are written as they come. */
import type { SpeedResult, SpeedTest } from "../../evaluation/speed.ts";
import { mean, standardDeviation } from "../../evaluation/statistics.ts";
import { wrapWords } from "../line-wrap.ts";
import { testName } from "./bench-options.ts";

/** One test of one model, with llama-bench's keys and then ours. Keys about other devices are left out. */
export interface BenchRecord {
  /** This package's version: nobody runs a commit of it. */
  readonly build_commit: string;
  readonly build_number: number;
  readonly cpu_info: string;
  readonly gpu_info: string;
  readonly backends: string;
  readonly model_filename: string;
  readonly model_type: string;
  /** Bytes of all tensors in the file or folder. */
  readonly model_size: number;
  readonly model_n_params: number;
  readonly n_batch: number;
  readonly n_ubatch: number;
  readonly n_threads: number;
  readonly type_k: string;
  readonly type_v: string;
  readonly n_prompt: number;
  readonly n_gen: number;
  readonly n_depth: number;
  /** RFC 3339, UTC. */
  readonly test_time: string;
  readonly avg_ns: number;
  readonly stddev_ns: number;
  /** Tokens per second. */
  readonly avg_ts: number;
  readonly stddev_ts: number;
  readonly runtime: string;
  readonly runtime_version: string;
  /** Build of the kernels: "simd128", "relaxed" or one with other forms of the 4-bit ones. */
  readonly simd: string;
  readonly wasm_sha256: string;
  readonly samples_ns: readonly number[];
  readonly samples_ts: readonly number[];
}

/** The part of a record that does not come from the clock. */
export type BenchSubject = Omit<
  BenchRecord,
  "n_prompt" | "n_gen" | "n_depth" | "test_time" | `${"avg" | "stddev" | "samples"}_${"ns" | "ts"}`
>;

export function benchRecord(subject: BenchSubject, test: SpeedTest, result: SpeedResult, began: Date): BenchRecord {
  const { runtime, runtime_version, simd, wasm_sha256, ...engine } = subject;
  const { samplesNs, samplesTs } = result;
  return {
    ...engine,
    n_prompt: test.promptTokens,
    n_gen: test.generatedTokens,
    n_depth: test.depth,
    test_time: `${began.toISOString().slice(0, 19)}Z`,
    avg_ns: Math.round(mean(samplesNs)),
    stddev_ns: Math.round(standardDeviation(samplesNs)),
    avg_ts: mean(samplesTs),
    stddev_ts: standardDeviation(samplesTs),
    runtime,
    runtime_version,
    simd,
    wasm_sha256,
    samples_ns: samplesNs,
    samples_ts: samplesTs,
  };
}

export interface BenchPrinter {
  row(record: BenchRecord): void;
  end(): void;
}

export const FORMATS = ["md", "json", "jsonl", "csv"] as const;
export type BenchFormat = (typeof FORMATS)[number];

/**
 * @param write receives text as it is
 * @param shown columns that `md` has beside the usual ones
 * @param columns of a terminal, if it has fewer than llama-bench's table takes
 */
export function benchPrinter(
  format: BenchFormat,
  write: (text: string) => void,
  shown: readonly ShownColumn[],
  columns = Infinity,
): BenchPrinter {
  if (format === "md") return markdownPrinter(write, shown, columns);
  if (format === "csv") return csvPrinter(write);
  if (format === "jsonl") return { row: (record) => write(`${JSON.stringify(record)}\n`), end() {} };
  let before = "[\n";
  return {
    row(record) {
      write(`${before}${JSON.stringify(record, undefined, 2).replaceAll(/^/gm, "  ")}`);
      before = ",\n";
    },
    end: () => write(before === "[\n" ? "[]\n" : "\n]\n"),
  };
}

function csvPrinter(write: (text: string) => void): BenchPrinter {
  let header = true;
  return {
    row({ samples_ns: _ns, samples_ts: _ts, ...record }) {
      if (header) write(`${Object.keys(record).join(",")}\n`);
      header = false;
      const cells = Object.values(record).map((value) => `"${String(value).replaceAll('"', '""')}"`);
      write(`${cells.join(",")}\n`);
    },
    end() {},
  };
}

export type ShownColumn = "type_k" | "type_v";

/** llama-bench's columns and widths; a negative width is a column of words. */
const WIDTHS: Record<string, number> = {
  model: -30, size: 10, params: 10, backend: -12, threads: 7, type_k: 6, type_v: 6, test: 15, "t/s": 20,
}; // prettier-ignore

/** The width of speeds where columns are few. */
const NARROW_SPEED = 17;

const aligned = (text: string, width: number) => (width < 0 ? text.padEnd(-width) : text.padStart(width));

/** What is the same in every row of a model stands above its rows where columns are few. */
const ABOVE = ["model", "size", "params", "backend"];

function markdownPrinter(write: (text: string) => void, shown: readonly ShownColumn[], limit: number): BenchPrinter {
  const all = ["model", "size", "params", "backend", "threads", ...shown, "test", "t/s"];
  const isNarrow = all.reduce((sum, column) => sum + Math.abs(WIDTHS[column]!) + 3, 1) > limit;
  const widthOf = (column: string) => (isNarrow && column === "t/s" ? NARROW_SPEED : WIDTHS[column]!);
  const columns = isNarrow ? all.filter((column) => !ABOVE.includes(column)) : all;
  const line = (cell: (column: string, width: number) => string) =>
    write(`| ${columns.map((column) => cell(column, widthOf(column))).join(" | ")} |\n`);
  const head = () => {
    line(aligned);
    line((_, width) => `${"-".repeat(Math.abs(width) - 1)}${width > 0 ? ":" : "-"}`);
  };
  const wrapped = (text: string) => `${isNarrow ? wrapWords(text, limit).join("\n") : text}\n`;
  let last: BenchRecord | undefined;
  let above = "";
  return {
    row(record) {
      const cells = markdownCells(record);
      const title = ABOVE.map((column) => cells[column]!).join(", ");
      if (isNarrow && title !== above) write(`${above && "\n"}${wrapped(title)}\n`);
      if (!last || (isNarrow && title !== above)) head();
      above = title;
      last = record;
      line((column, width) => aligned(cells[column]!, width));
    },
    end() {
      if (!last) return;
      const { build_commit, runtime, runtime_version, wasm_sha256 } = last;
      write(`\n${wrapped(`build: fptq ${build_commit}, ${runtime} ${runtime_version}, wasm ${wasm_sha256.slice(0, 12)}`)}`);
    },
  };
}

function markdownCells(record: BenchRecord): Record<string, string> {
  const test = { promptTokens: record.n_prompt, generatedTokens: record.n_gen, depth: record.n_depth };
  return {
    model: record.model_type,
    size: scaled(record.model_size, 2 ** 20, "MiB", 2 ** 30, "GiB"),
    params: scaled(record.model_n_params, 1e6, "M", 1e9, "B"),
    backend: `${record.backends} ${record.simd}`,
    threads: `${record.n_threads}`,
    type_k: record.type_k,
    type_v: record.type_v,
    test: testName(test),
    "t/s": `${record.avg_ts.toFixed(2)} ± ${record.stddev_ts.toFixed(2)}`,
  };
}

function scaled(value: number, unit: number, name: string, largeUnit: number, largeName: string): string {
  return value < largeUnit ? `${(value / unit).toFixed(2)} ${name}` : `${(value / largeUnit).toFixed(2)} ${largeName}`;
}
