/**
 * Measures what docs/results.md compares and writes it, into build/results or, with --write-docs, into docs/.
 *
 *     npm run results -- [--only PATTERN ...] [--all] [--report] [--list]
 *                        [--data build/data] [--model FILE] [--text FILE] [--calibration FILE]
 *                        [--lambada FILE] [--hellaswag FILE] [--arc-challenge FILE] [--winogrande FILE]
 *                        [--openbookqa FILE] [--chunks 16] [--part-chunks 4]
 *                        [--ctx-size 512] [--samples 32] [--lambada-items 500]
 *                        [--hellaswag-items 400] [--threads N] [--output build/results | --write-docs]
 *
 * Measured is what is missing in results.json or was made with something else: of the rows whose id is or
 * contains a PATTERN if there are any, all again with --all. --report measures nothing. Each row is written
 * when it is done, so that an interrupted run goes on where it was. Rows whose files are not there are named
 * and left out; `npm run data` fetches files.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { displayProgress } from "../src/cli/progress-display.ts";
import { formatDuration } from "../src/cli/quantities.ts";
import { RECIPE_NAMES } from "../src/quantizer/recipe/recipe-presets.ts";
import { DATA_FOLDER, missingData } from "./data/data-folder.ts";
import { drawFigures } from "./results/figures.ts";
import { Measurement } from "./results/measure.ts";
import { type FigureName, renderReport } from "./results/report.ts";
import {
  isCurrent,
  type MadeWith,
  madeWith,
  readResults,
  type Results,
  type RowResult,
  writeResults,
} from "./results/results-file.ts";
import { ROWS, type Row } from "./results/rows.ts";
import { DEFAULT_SETTINGS, FILES, type Settings, withPaths } from "./results/settings.ts";
import { TimeLeft } from "./results/time-left.ts";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    all: { type: "boolean", default: false },
    report: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    model: { type: "string", default: DEFAULT_SETTINGS.model },
    text: { type: "string", default: DEFAULT_SETTINGS.text },
    calibration: { type: "string", default: DEFAULT_SETTINGS.calibration },
    lambada: { type: "string", default: DEFAULT_SETTINGS.lambada },
    hellaswag: { type: "string", default: DEFAULT_SETTINGS.hellaswag },
    "arc-challenge": { type: "string", default: DEFAULT_SETTINGS.arcChallenge },
    winogrande: { type: "string", default: DEFAULT_SETTINGS.winogrande },
    openbookqa: { type: "string", default: DEFAULT_SETTINGS.openbookqa },
    chunks: { type: "string", default: `${DEFAULT_SETTINGS.chunks}` },
    "part-chunks": { type: "string", default: `${DEFAULT_SETTINGS.partChunks}` },
    "ctx-size": { type: "string", default: `${DEFAULT_SETTINGS.contextSize}` },
    samples: { type: "string", default: `${DEFAULT_SETTINGS.samples}` },
    "lambada-items": { type: "string", default: `${DEFAULT_SETTINGS.lambadaItems}` },
    "hellaswag-items": { type: "string", default: `${DEFAULT_SETTINGS.hellaswagItems}` },
    threads: { type: "string" },
    data: { type: "string", default: DATA_FOLDER },
    output: { type: "string", default: fileURLToPath(new URL("../build/results", import.meta.url)) },
    "write-docs": { type: "boolean", default: false },
  },
});

const given: Settings = {
  model: flags.model,
  text: flags.text,
  calibration: flags.calibration,
  lambada: flags.lambada,
  hellaswag: flags.hellaswag,
  arcChallenge: flags["arc-challenge"],
  winogrande: flags.winogrande,
  openbookqa: flags.openbookqa,
  chunks: Number(flags.chunks),
  partChunks: Number(flags["part-chunks"]),
  contextSize: Number(flags["ctx-size"]),
  samples: Number(flags.samples),
  lambadaItems: Number(flags["lambada-items"]),
  hellaswagItems: Number(flags["hellaswag-items"]),
  threads: flags.threads === undefined ? undefined : Number(flags.threads),
};
const settings = withPaths(given, flags.data);
const DOCS = fileURLToPath(new URL("../docs", import.meta.url));
const output = flags["write-docs"] ? DOCS : flags.output;
const say = (text: string) => console.error(text);

/** The ranges of activations, which are measured once and belong to no row. */
const ACTIVATIONS = { id: "activations", label: "activation ranges", recipe: "fptq", evaluate: [] } as const satisfies Row;

mkdirSync(output, { recursive: true });
const path = join(output, "results.json");
const results = readResults(path);
/** To set beside what is measured here. */
const published = output === DOCS ? undefined : readResults(join(DOCS, "results.json"));
const asked = [ACTIVATIONS, ...ROWS].filter(({ id }) => !flags.only || flags.only.some((pattern) => selects(pattern, id)));
if (asked.length === 0) throw new Error(`--only: no row's id contains ${flags.only!.join(" or ")}; --list shows them`);
const jobs = asked.filter(isKnown).map((row) => ({ row, id: row.id, wanted: madeWith(row, settings) }));

if (flags.list) {
  for (const { row, id, wanted } of jobs) console.log(`${id.padEnd(24)} ${state(id, wanted).padEnd(8)} ${row.label}`);
} else {
  let failed = 0;
  if (!flags.report) {
    const todo = jobs.filter(({ id, wanted }) => flags.all || state(id, wanted) !== "measured");
    const possible = withFiles(todo);
    if (todo.length > 0 && possible.length === 0) process.exit(2);
    failed = await measureAll(possible);
  }
  writeReport(results);
  process.exitCode = failed > 0 ? 1 : 0;
}

/** A whole id is that row alone. */
function selects(pattern: string, id: string): boolean {
  return ROWS.some((row) => row.id === pattern) ? id === pattern : id.includes(pattern);
}

/** Rows of a preset that this version does not have are left out, with a warning. */
function isKnown({ id, recipe }: Row): boolean {
  const known = recipe === undefined || (RECIPE_NAMES as readonly string[]).includes(recipe);
  if (!known) say(`${id}: skipped, there is no recipe "${recipe}"`);
  return known;
}

function state(id: string, wanted: MadeWith): "measured" | "failed" | "changed" | "missing" {
  const result: { madeWith: MadeWith; failure?: string } | undefined =
    id === ACTIVATIONS.id ? results.activations : results.rows[id];
  if (!result) return "missing";
  if (result.failure !== undefined) return "failed";
  return isCurrent(result, wanted) ? "measured" : "changed";
}

/** Those whose files are there; of the others says what is missing, a line for each file. */
function withFiles(todo: typeof jobs): typeof jobs {
  const lacking = FILES.map((file) => ({
    name: basename(settings[file]),
    rows: existsSync(settings[file]) ? [] : todo.filter(({ wanted }) => wanted.data[file] !== undefined).map(({ id }) => id),
  })).filter(({ rows }) => rows.length > 0);
  for (const { name, rows } of lacking) say(`${missingData(flags.data, [name])}; left out: ${rows.join(", ")}`);
  const out = new Set(lacking.flatMap(({ rows }) => rows));
  return todo.filter(({ id }) => !out.has(id));
}

/** @returns how many failed */
async function measureAll(todo: typeof jobs): Promise<number> {
  if (todo.length === 0) {
    say("nothing to measure; --all measures everything again");
    return 0;
  }
  const interruption = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interruption.abort());
  using progress = displayProgress(process.stderr);
  const { signal } = interruption;
  await using measurement = new Measurement(settings, { signal, onProgress: progress.onProgress, onWarning: say });
  const environment = await measurement.environment();
  const timeLeft = new TimeLeft(structuredClone(results));
  let failed = 0;
  for (const [index, { row, id, wanted }] of todo.entries()) {
    say(`\n${index + 1} of ${todo.length}: ${row.label} [${id}], about ${formatDuration(timeLeft.of(todo.slice(index)))} left`);
    const began = performance.now();
    const seconds = () => (performance.now() - began) / 1000;
    try {
      if (id === ACTIVATIONS.id) {
        results.activations = { madeWith: wanted, environment, ...(await measurement.activations()) };
      } else {
        const figures = await measurement.measure(row);
        results.rows[id] = { madeWith: wanted, environment, ...figures, seconds: seconds() };
        say(summary(results.rows[id]));
        const other = published?.rows[id];
        if (other && isCurrent(other, wanted)) say(`in docs/: ${summary(other)} by ${other.environment.cpu}`);
      }
    } catch (error) {
      if (signal.aborted) break;
      const failure = (error as Error).message;
      say(`${id} failed: ${failure}`);
      if (id !== ACTIVATIONS.id) results.rows[id] = { madeWith: wanted, environment, seconds: seconds(), failure };
      failed++;
    }
    timeLeft.add(id, wanted, seconds());
    writeResults(path, results);
  }
  if (signal.aborted) say("interrupted; what was measured is kept");
  return signal.aborted ? failed + 1 : failed;
}

function summary({ text, lambada, parts, testSet, seconds }: RowResult): string {
  if (parts) return `${parts.parts.length} parts, in ${formatDuration(seconds)}`;
  if (testSet) return `${testSet.items} items, in ${formatDuration(seconds)}`;
  const ratio = text?.divergence && `, ratio ${text.divergence.pplRatio.value.toFixed(3)}`;
  const words = lambada && `, LAMBADA ${(100 * lambada.accuracy.value).toFixed(1)} %`;
  return `PPL ${text?.ppl.value.toFixed(2)}${ratio ?? ""}${words ?? ""}, in ${formatDuration(seconds)}`;
}

function writeReport(measured: Results): void {
  const files: Partial<Record<FigureName, string>> = {};
  for (const [name, svg] of Object.entries(drawFigures(measured)) as [FigureName, string | undefined][]) {
    const file = `results-${name}.svg`;
    if (svg === undefined) rmSync(join(output, file), { force: true });
    else {
      writeFileSync(join(output, file), svg);
      files[name] = file;
    }
  }
  const notes = join(output, "results.notes.md");
  const text = existsSync(notes) ? readFileSync(notes, "utf8") : undefined;
  writeFileSync(join(output, "results.md"), renderReport(measured, { settings: given, notes: text, figures: files }));
  say(`wrote ${join(output, "results.md")}`);
}
