/**
 * Tokens per second of SmolLM2-135M in every runtime of `test/runtimes`: prefill of 512 tokens, decode of 64. Needs `npm run build` before.
 *
 *   npm run bench:runtimes -- [NAME ...] [--threads 1,2] [--rounds 5] [--json]
 *
 * Runtimes take turns, each started anew in every round, so that what else the machine does meets all alike. A start gives the median of
 * three repetitions after a warm-up; the table has the median of the starts, and how much of current Node that is.
 */
import { parseArgs } from "node:util";
import type { SpeedFigures } from "../test/runtimes/job.ts";
import { NotInstalledError } from "../test/runtimes/launch.ts";
import { prepare } from "../test/runtimes/prepare.ts";
import { RUNTIMES } from "../test/runtimes/runtimes.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "1,2" },
    rounds: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
  },
});
const threadCounts = values.threads.split(",").map(Number);
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds > 0 && threadCounts.every((count) => count === 1 || count === 2))) {
  throw new RangeError(
    `--rounds: got "${values.rounds}", need an integer above 0; --threads: got "${values.threads}", need 1 or 2`,
  );
}

/** What the others are compared with. */
const BASE = "node, current";

interface Row {
  readonly runtime: string;
  readonly threads: number;
  version: string;
  build: string;
  readonly prefill: number[];
  readonly decode: number[];
}

const chosen = RUNTIMES.filter(({ name, whole }) => {
  return whole && (name === BASE || positionals.length === 0 || positionals.some((word) => name.includes(word)));
});
const rows = chosen.flatMap(({ name, threads: most, launch }) =>
  threadCounts
    .filter((threads) => threads <= most)
    .map((threads) => ({ launch, row: { runtime: name, threads, version: "", build: "", prefill: [], decode: [] } as Row })),
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

const median = (samples: readonly number[]) => samples.toSorted((a, b) => a - b)[samples.length >> 1]!;
const measured = rows.map(({ row }) => row).filter(({ runtime }) => !absent.has(runtime));
if (values.json) {
  console.log(JSON.stringify(measured, null, 2));
} else {
  console.log(
    "| runtime | build | threads | prefill of 512, tokens/s | of current Node | decode of 64, tokens/s | of current Node |",
  );
  console.log("|---|---|---|---|---|---|---|");
  for (const { runtime, version, build, threads, prefill, decode } of measured) {
    const base = measured.find((row) => row.runtime === BASE && row.threads === threads)!;
    const cells = [[prefill, base.prefill], [decode, base.decode]] as const; // prettier-ignore
    const figures = cells.flatMap(([own, nodes]) => {
      const spread = `${median(own).toFixed(0)} (${Math.min(...own).toFixed(0)}-${Math.max(...own).toFixed(0)})`;
      return [spread, `${((100 * median(own)) / median(nodes)).toFixed(0)} %`];
    });
    console.log(`| ${[`${runtime.replace(", current", "")} ${version}`, build, threads, ...figures].join(" | ")} |`);
  }
}
