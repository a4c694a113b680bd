/** What a run found, for a person, and the files of its failures. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatDuration } from "../../src/cli/quantities.ts";
import type { Failure, KindCounts, RunResult } from "./fuzz-run.ts";
import type { CaseId, Subject } from "./subject.ts";

/** Lines of a stack that are shown. */
const MOST_LINES = 8;

/** `config:123`, or `config:123:0,2` for some of its edits. */
export function caseName({ kind, seed, keep }: CaseId): string {
  return `${kind}:${seed}${keep === undefined ? "" : `:${keep.join(",")}`}`;
}

/** @throws Error if the text is no name of a case */
export function parseCaseName(text: string): CaseId {
  const [, kind, seed, keep] = /^([\w-]+):(\d+)(?::([\d,]*))?$/.exec(text) ?? [];
  if (kind === undefined) throw new Error(`--case: got "${text}", need KIND:SEED or KIND:SEED:EDITS`);
  const places = keep === undefined ? undefined : keep.split(",").filter(Boolean).map(Number);
  return { kind, seed: Number(seed), ...(places && { keep: places }) };
}

/** Writes the files of each failure below `folder`, in a folder of its own beside what was done to them. */
export async function saveFailures(
  subject: Subject,
  failures: readonly Failure[],
  folder: string,
): Promise<Map<Failure, string>> {
  const places = new Map<Failure, string>();
  for (const failure of failures) {
    const place = join(folder, `${failure.id.kind}-${failure.id.seed}`);
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place, { recursive: true });
    const { files } = await subject.make(failure.id);
    for (const [name, bytes] of files) writeFileSync(join(place, name), bytes);
    writeFileSync(join(place, "FAILURE.txt"), `${failureText(failure)}\n\n${failure.detail}\n`);
    places.set(failure, place);
  }
  return places;
}

function failureText({ failure, cases, id, base, edits, isRepeatable, detail }: Failure): string {
  return [
    `FAILED: ${failure}, in ${cases} ${cases === 1 ? "case" : "cases"}: ${detail.split("\n").slice(0, MOST_LINES).join("\n    ")}`,
    `  ${id.kind}, seed ${id.seed}, base ${base}, least edits:`,
    ...edits.map((edit) => `    ${edit}`),
    `  again: npm run fuzz -- --case ${caseName(id)}`,
    ...(isRepeatable ? [] : ["  it did not fail again by itself: it may depend on cases before it"]),
  ].join("\n");
}

export function reportText(result: RunResult, places: ReadonlyMap<Failure, string>): string {
  const failures = result.failures.map((failure) => `${failureText(failure)}\n  files: ${places.get(failure)}\n`);
  const rows = Object.entries(result.kinds).map(([kind, counts]) => countsLine(kind, counts));
  const rate = Math.round(result.cases / result.seconds);
  return [
    ...failures,
    ...rows,
    `seed ${result.seed}, ${formatDuration(result.seconds)}, ${rate} cases a second`,
    lastLine(result),
  ].join("\n");
}

function countsLine(kind: string, { cases, accepted, refused, failed }: KindCounts): string {
  const classes = Object.entries(refused).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const words = [
    `${cases} cases`,
    `${accepted} accepted`,
    ...classes.map(([name, count]) => `${count} ${name}`),
    ...(failed > 0 ? [`${failed} FAILED`] : []),
  ];
  return `${kind.padEnd(18)} ${words.join(", ")}`;
}

const failedCases = ({ kinds }: RunResult) => Object.values(kinds).reduce((sum, { failed }) => sum + failed, 0);

/** `20000 cases, 0 failures` */
export function lastLine(result: RunResult): string {
  return `${result.cases} cases, ${failedCases(result)} failures`;
}

/** `9 passed, 0 failed`: the kinds, for a script that sums up tests. */
export function testLine({ kinds }: RunResult): string {
  const failed = Object.values(kinds).filter((counts) => counts.failed > 0).length;
  return `${Object.keys(kinds).length - failed} passed, ${failed} failed`;
}
