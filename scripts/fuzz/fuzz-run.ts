/**
 * A whole run: cases from a seed, their verdicts counted, each kind of failure with the least edits that give
 * it. The same seed, kinds and number of cases give the same cases whatever the number of processes.
 */
import type { OnProgress } from "../../src/progress.ts";
import { caseSeed } from "./choices.ts";
import { type PoolOptions, runCases } from "./pool.ts";
import type { CaseId, FailureClass, Subject, Verdict } from "./subject.ts";

export interface RunOptions extends PoolOptions {
  readonly cases: number;
  readonly seed: number;
  readonly kinds: readonly string[];
  readonly onProgress?: OnProgress | undefined;
}

export interface KindCounts {
  cases: number;
  accepted: number;
  /** By the class of the error. */
  refused: Record<string, number>;
  failed: number;
}

export interface Failure {
  readonly failure: FailureClass;
  readonly detail: string;
  /** Cases that failed in the same way. */
  cases: number;
  /** The first of them, with the edits that matter. */
  readonly id: CaseId;
  readonly base: string;
  readonly edits: readonly string[];
  /** False if it did not fail when it was run again by itself. */
  readonly isRepeatable: boolean;
}

export interface RunResult {
  readonly seed: number;
  readonly cases: number;
  readonly seconds: number;
  readonly kinds: Readonly<Record<string, KindCounts>>;
  readonly failures: readonly Failure[];
}

type Failed = Extract<Verdict, { kind: "failed" }>;

export async function fuzz(subject: Subject, options: RunOptions): Promise<RunResult> {
  const { cases, seed, kinds, onProgress } = options;
  const began = performance.now();
  const counts = Object.fromEntries(kinds.map((kind) => [kind, { cases: 0, accepted: 0, refused: {}, failed: 0 } as KindCounts]));
  const found = new Map<string, { index: number; id: CaseId; verdict: Failed; cases: number }>();
  let done = 0;
  await runCases(plan(cases, seed, kinds), options, (index, id, verdict) => {
    count(counts[id.kind]!, verdict);
    if (verdict.kind === "failed") {
      const key = `${id.kind} ${signature(verdict)}`;
      const known = found.get(key);
      const same = (known?.cases ?? 0) + 1;
      // The first in the order of cases, not of verdicts: that order depends on the number of processes.
      found.set(key, known && known.index < index ? { ...known, cases: same } : { index, id, verdict, cases: same });
    }
    onProgress?.({ phase: "fuzz", done: ++done, total: cases, unit: "items" });
  });
  const failures: Failure[] = [];
  for (const { id, verdict, cases: same } of [...found.values()].toSorted((a, b) => a.index - b.index)) {
    failures.push({ ...(await shrink(subject, id, verdict, options)), cases: same });
  }
  return { seed, cases, seconds: (performance.now() - began) / 1000, kinds: counts, failures };
}

/** Runs one case by itself. */
export async function runOne(id: CaseId, options: PoolOptions): Promise<Verdict> {
  let result: Verdict | undefined;
  await runCases([id], { ...options, jobs: 1 }, (_index, _id, verdict) => (result = verdict));
  return result!;
}

/** Kinds take turns. */
function* plan(cases: number, seed: number, kinds: readonly string[]): Generator<CaseId> {
  for (let i = 0; i < cases; i++) yield { kind: kinds[i % kinds.length]!, seed: caseSeed(seed, i) };
}

function count(counts: KindCounts, verdict: Verdict): void {
  counts.cases++;
  if (verdict.kind === "accepted") counts.accepted++;
  else if (verdict.kind === "failed") counts.failed++;
  else counts.refused[verdict.by] = (counts.refused[verdict.by] ?? 0) + 1;
}

/** What failures of one cause have in common: class, message without values, the line that threw. */
export function signature({ failure, detail }: Pick<Failed, "failure" | "detail">): string {
  const [message = "", ...stack] = detail.split("\n");
  const line = /\(?((?:file:\/\/)?[^\s()]+:\d+):\d+\)?\s*$/.exec(stack.find((frame) => /^\s+at /.test(frame)) ?? "")?.[1];
  return `${failure}: ${message
    .replaceAll(/"(\\.|[^"])*"/g, '"…"')
    .replaceAll(/-?\d[\d.e+-]*/g, "N")
    .slice(0, 120)} ${line ?? ""}`;
}

/** Leaves out edits, the last first, as long as the case fails in the same way. */
async function shrink(subject: Subject, id: CaseId, verdict: Failed, options: PoolOptions): Promise<Omit<Failure, "cases">> {
  const fails = async (smaller: CaseId) => {
    const again = await runOne(smaller, options);
    return again.kind === "failed" && again.failure === verdict.failure && signature(again) === signature(verdict);
  };
  const { editCount } = await subject.make(id);
  let keep = id.keep ?? Array.from({ length: editCount }, (_, at) => at);
  const isRepeatable = await fails(id);
  for (const place of isRepeatable ? keep.toReversed() : []) {
    const fewer = keep.filter((other) => other !== place);
    if (await fails({ ...id, keep: fewer })) keep = fewer;
  }
  const smallest = { ...id, keep };
  const { base, edits } = await subject.make(smallest);
  return { failure: verdict.failure, detail: verdict.detail, id: smallest, base, edits, isRepeatable };
}
