/** Results of `fptq bench -np` in llama-batched-bench's table, or as one JSON object a row. */
import type { BatchedSpeedResult, BatchedSpeedTest } from "../../evaluation/batched-speed.ts";
import { wrapWords } from "../line-wrap.ts";
import type { BenchFormat } from "./bench-report.ts";

/** What was loaded. */
export interface BatchedBenchSubject {
  readonly model: string;
  readonly threads: number;
  readonly build: string;
  readonly cpu: string;
}

export interface BatchedBenchPrinter {
  model(subject: BatchedBenchSubject): void;
  row(test: BatchedSpeedTest, result: BatchedSpeedResult): void;
  end(): void;
}

/** llama-batched-bench's columns and widths. */
const COLUMNS = [
  ["PP", 6], ["TG", 6], ["B", 4], ["N_KV", 6], ["T_PP s", 8], ["S_PP t/s", 8], ["T_TG s", 8], ["S_TG t/s", 8], ["T s", 8], ["S t/s", 8],
] as const; // prettier-ignore

/** One row, with llama-batched-bench's keys for `-o jsonl` and then ours. */
interface BatchedBenchRecord extends BatchedBenchSubject {
  readonly pp: number;
  readonly tg: number;
  readonly pl: number;
  readonly n_kv: number;
  readonly t_pp: number;
  readonly speed_pp: number;
  readonly t_tg: number;
  readonly speed_tg: number;
  readonly t: number;
  readonly speed: number;
}

/** Those left out first where a terminal has few columns: what the others say as well. */
const SPARE = [["T_PP s", "T_TG s", "T s"], ["N_KV"]];

/** Places of the columns that fit. */
function fitting(limit: number): number[] {
  const width = (places: readonly number[]) => places.reduce((sum, place) => sum + COLUMNS[place]![1] + 3, 0);
  let places = COLUMNS.map((_, i) => i);
  for (const names of SPARE) {
    if (width(places) > limit) places = places.filter((place) => !names.includes(COLUMNS[place]![0]));
  }
  return places;
}

/**
 * @param write receives text as it is
 * @param columns of a terminal, if it has fewer than the table takes
 */
export function batchedBenchPrinter(format: BenchFormat, write: (text: string) => void, columns = Infinity): BatchedBenchPrinter {
  let subject: BatchedBenchSubject;
  const records: BatchedBenchRecord[] = [];
  const places = fitting(columns);
  const line = (cells: readonly string[]) =>
    write(`|${places.map((place) => cells[place]!.padStart(COLUMNS[place]![1])).join(" | ")} |\n`);
  return {
    model(loaded) {
      subject = loaded;
      if (format !== "md") return;
      const title = `${loaded.model}, ${loaded.build}, ${loaded.threads} threads, ${loaded.cpu}`;
      write(`${records.length > 0 ? "\n" : ""}${columns === Infinity ? title : wrapWords(title, columns).join("\n")}\n\n`);
      line(COLUMNS.map(([name]) => name));
      write(`|${places.map((place) => "-".repeat(COLUMNS[place]![1])).join("-|-")}-|\n`);
    },
    row(test, result) {
      const found = record(subject, test, result);
      records.push(found);
      if (format === "md") line(markdownCells(found));
      if (format === "jsonl") write(`${JSON.stringify(found)}\n`);
      if (format !== "csv") return;
      if (records.length === 1) write(`${Object.keys(found).join(",")}\n`);
      write(`${Object.values(found).map((value) => `"${String(value).replaceAll('"', '""')}"`).join(",")}\n`); // prettier-ignore
    },
    end() {
      if (format === "json") write(`${JSON.stringify(records, undefined, 2)}\n`);
    },
  };
}

function record(
  { model, threads, build, cpu }: BatchedBenchSubject,
  { promptTokens: pp, generatedTokens: tg, sequences: pl }: BatchedSpeedTest,
  { promptSeconds: t_pp, generationSeconds: t_tg }: BatchedSpeedResult,
): BatchedBenchRecord {
  const n_kv = pl * (pp + tg);
  const t = t_pp + t_tg;
  const [speed_pp, speed_tg] = [(pl * pp) / t_pp, (pl * tg) / t_tg];
  return { pp, tg, pl, n_kv, t_pp, speed_pp, t_tg, speed_tg, t, speed: n_kv / t, model, threads, build, cpu };
}

function markdownCells({ pp, tg, pl, n_kv, t_pp, speed_pp, t_tg, speed_tg, t, speed }: BatchedBenchRecord): string[] {
  const numbers = [t_pp, speed_pp, t_tg, speed_tg, t, speed].map((value, i) => value.toFixed(i % 2 === 0 ? 3 : 2));
  return [`${pp}`, `${tg}`, `${pl}`, `${n_kv}`, ...numbers];
}
