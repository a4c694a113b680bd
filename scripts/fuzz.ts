/**
 * Attacks the readers: damaged and hostile model files, each opened, tokenized with, loaded and run.
 *
 *     npm run fuzz -- [KIND ...] [--cases 2000] [--seed 1] [--jobs N] [--json] [--output build/fuzz]
 *     npm run fuzz -- --case KIND:SEED[:EDITS]       one case again
 *     npm run fuzz -- --list                         the kinds
 *
 * A case fails if the process ends, throws an error that is not of `src/errors.ts`, takes more than 5 s of
 * processor time or 500 MB, gives logits that are no numbers, or changes a result by what no reader uses.
 * Each kind of failure is printed with the least edits that give it, and its files are kept in the output.
 * With --as-test the last line counts kinds, as the last line of a test does.
 */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { displayProgress } from "../src/cli/progress-display.ts";
import { need } from "../src/need.ts";
import { withTimeLeft } from "../src/progress.ts";
import { fuzz, runOne } from "./fuzz/fuzz-run.ts";
import { parseCaseName, reportText, saveFailures, testLine } from "./fuzz/report.ts";
import { LIMITS, type Subject } from "./fuzz/subject.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cases: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: `${Math.min(2, availableParallelism())}` },
    case: { type: "string" },
    list: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    "as-test": { type: "boolean", default: false },
    output: { type: "string", default: fileURLToPath(new URL("../build/fuzz", import.meta.url)) },
    subject: { type: "string", default: new URL("fuzz/models.ts", import.meta.url).href },
  },
});

const { subject } = (await import(flags.subject)) as { subject: Subject };
const pool = { jobs: need.whole("jobs", Number(flags.jobs), 1, 64), subject: flags.subject, limits: LIMITS };

if (flags.list) console.log(subject.kinds.join("\n"));
else if (flags.case !== undefined) await again(flags.case);
else await run();

async function again(name: string): Promise<void> {
  const id = parseCaseName(name);
  need.oneOf("kind", id.kind, subject.kinds);
  const { base, edits } = await subject.make(id);
  console.log([`base ${base}`, ...edits.map((edit) => `  ${edit}`)].join("\n"));
  const verdict = await runOne(id, pool);
  if (verdict.kind === "failed") console.log(`FAILED: ${verdict.failure}: ${verdict.detail}`);
  else console.log(verdict.kind === "refused" ? `refused by ${verdict.by}` : "accepted");
  process.exitCode = verdict.kind === "failed" ? 1 : 0;
}

async function run(): Promise<void> {
  for (const kind of positionals) need.oneOf("kind", kind, subject.kinds);
  const kinds = positionals.length > 0 ? positionals : subject.kinds;
  const cases = need.whole("cases", Number(flags.cases), 1);
  const seed = need.whole("seed", Number(flags.seed), 0, 2 ** 32 - 1);
  using progress = displayProgress(process.stderr);
  const result = await fuzz(subject, { ...pool, cases, seed, kinds, onProgress: withTimeLeft(progress.onProgress) });
  const places = await saveFailures(subject, result.failures, flags.output);
  console.log(flags.json ? JSON.stringify(result, null, 2) : reportText(result, places));
  if (flags["as-test"]) console.log(testLine(result));
  process.exitCode = result.failures.length > 0 ? 1 : 0;
}
