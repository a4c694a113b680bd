/**
 * Tokens per second of SmolLM2-135M in every runtime of `test/runtimes`: prefill of 512 tokens, decode of 64.
 * Needs `npm run build` before.
 *
 *   npm run bench:runtimes -- [NAME ...] [--threads 1,2] [--rounds 5] [--json] [--write-docs]
 *
 * With every runtime and number of threads, it also writes build/benchmarks-runtimes.md; with
 * --write-docs, that of docs/.
 *
 * Runtimes take turns, each started anew in every round, so that what else the machine does meets all alike.
 * A start gives the median of three repetitions after a warm-up; the table has the median of the starts, and
 * how much of current Node that is.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { SpeedFigures } from "../test/runtimes/job.ts";
import { NotInstalledError } from "../test/runtimes/launch.ts";
import { prepare } from "../test/runtimes/prepare.ts";
import { RUNTIMES } from "../test/runtimes/runtimes.ts";
import { BASE, type RuntimeRow, runtimesReport, runtimesTable } from "./runtimes-report.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "1,2" },
    rounds: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
    "write-docs": { type: "boolean", default: false },
  },
});
const threadCounts = values.threads.split(",").map(Number);
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds > 0 && threadCounts.every((count) => count === 1 || count === 2))) {
  throw new RangeError(
    `--rounds: got "${values.rounds}", need an integer above 0; --threads: got "${values.threads}", need 1 or 2`,
  );
}

const chosen = RUNTIMES.filter(({ name, whole }) => {
  return whole && (name === BASE || positionals.length === 0 || positionals.some((word) => name.includes(word)));
});
const rows = chosen.flatMap(({ name, threads: most, launch }) =>
  threadCounts
    .filter((threads) => threads <= most)
    .map((threads) => ({
      launch,
      row: { runtime: name, threads, version: "", build: "", prefill: [], decode: [] } as RuntimeRow,
    })),
);

const { directory, smollm2 } = await prepare();
if (!smollm2) throw new Error("bench:runtimes needs SmolLM2");
const absent = new Set<string>();
for (let round = 1; round <= rounds; round++) {
  for (const { launch, row } of rows) {
    if (absent.has(row.runtime)) continue;
    process.stderr.write(`round ${round} of ${rounds}: ${row.runtime}, threads: ${row.threads}\n`);
    try {
      const { version, result } = await launch(directory, { kind: "speed", threads: row.threads, smollm2: true });
      const figures = result as SpeedFigures;
      if (figures.threads !== row.threads)
        throw new Error(`${row.runtime}: ran on ${figures.threads} threads, not ${row.threads}`);
      Object.assign(row, { version, build: figures.build });
      row.prefill.push(figures.prefill);
      row.decode.push(figures.decode);
    } catch (error) {
      if (!(error instanceof NotInstalledError)) throw error;
      absent.add(row.runtime);
      process.stderr.write(`skip: ${error.message}\n`);
    }
  }
}

const measured = rows.map(({ row }) => row).filter(({ runtime }) => !absent.has(runtime));
console.log(values.json ? JSON.stringify(measured, null, 2) : runtimesTable(measured));
if (positionals.length === 0 && threadCounts.length === 2 && absent.size === 0) {
  const machine = `${cpus()[0]!.model}, ${cpus().length} hardware threads, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  const name = `${values["write-docs"] ? "docs" : "build"}/benchmarks-runtimes.md`;
  const file = fileURLToPath(new URL(`../${name}`, import.meta.url));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, runtimesReport(measured, { date: new Date().toISOString().slice(0, 10), machine, rounds }));
  process.stderr.write(`wrote ${name}\n`);
}
