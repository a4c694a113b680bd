/** The fuzzer notices every way to fail, finds the edit that does it, and gives the same cases every time. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fuzz, type RunResult, signature } from "../../../scripts/fuzz/fuzz-run.ts";
import { caseName, lastLine, parseCaseName, reportText, saveFailures, testLine } from "../../../scripts/fuzz/report.ts";
import type { FailureClass, Limits } from "../../../scripts/fuzz/subject.ts";
import { subject } from "./fake-subject.ts";

const test = suite("fuzzer");
const LIMITS: Limits = { cpuSeconds: 2, waitSeconds: 6, bytes: 200e6 };

function run(kinds: readonly string[], cases = kinds.length, { jobs = 1, seed = 3 } = {}): Promise<RunResult> {
  const url = new URL("fake-subject.ts", import.meta.url).href;
  return fuzz(subject, { cases, seed, kinds, jobs, subject: url, limits: LIMITS });
}

const EXPECTED: readonly (readonly [kind: string, failure: FailureClass, detail: RegExp])[] = [
  ["crashes", "crash", /SIGSEGV/],
  ["ends", "crash", /code 0/],
  ["throws", "untyped error", /TypeError: x is not a function\n\s+at /],
  ["throws-no-error", "untyped error", /thrown string: a text/],
  ["rejects-unseen", "untyped error", /unhandled: RangeError: seen by nobody/],
  ["spins", "hang", /more than 2 s of processor time/],
  ["waits", "hang", /s of waiting, need at most 6/],
  ["allocates", "over-allocation", /got \d{9} bytes above the start/],
  ["fills-heap", "over-allocation", /heap out of memory/],
  ["plans-too-much", "over-allocation", /got 3000000000 bytes/],
  ["gives-nan", "non-finite logits", /NaN or infinity/],
  ["differs-neutrally", "silent difference", /need the same/],
  ["refuses-neutrally", "silent difference", /refused: file: got a space/],
];

let failures: RunResult;

test("works and refuses: no failure; a difference after edits that matter is none", async () => {
  const result = await run(["works", "refuses", "differs"], 9);
  assert.equal(result.failures, []);
  assert.equal(result.kinds, {
    works: { cases: 3, accepted: 3, refused: {}, failed: 0 },
    refuses: { cases: 3, accepted: 0, refused: { CheckpointError: 3 }, failed: 0 },
    differs: { cases: 3, accepted: 3, refused: {}, failed: 0 },
  });
  assert.is(lastLine(result), "9 cases, 0 failures");
  assert.is(testLine(result), "3 passed, 0 failed");
});

test("every failure is found, the cases around it are run, and its one edit is named", async () => {
  const kinds = EXPECTED.flatMap(([kind]) => [kind, "works"]);
  failures = await run(kinds, kinds.length, { jobs: 2 });
  for (const [i, [kind, failure, detail]] of EXPECTED.entries()) {
    const found = failures.failures[i]!;
    assert.is(found.id.kind, kind);
    assert.is(found.failure, failure, kind);
    assert.match(found.detail, detail, kind);
    assert.equal(found.edits, [`behaviour := ${kind}`], kind);
    assert.equal(found.id.keep, [0], kind);
    assert.ok(found.isRepeatable, kind);
  }
  assert.is(failures.failures.length, EXPECTED.length);
  const { works, ...others } = failures.kinds;
  assert.equal(works, { cases: EXPECTED.length, accepted: EXPECTED.length, refused: {}, failed: 0 });
  for (const [kind, { cases, failed }] of Object.entries(others)) assert.equal([cases, failed], [1, 1], kind);
  assert.is(testLine(failures), `1 passed, ${EXPECTED.length} failed`);
});

test("the report says how to see each failure again, and keeps its files", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fptq-fuzz-"));
  try {
    const places = await saveFailures(subject, failures.failures, folder);
    const text = reportText(failures, places);
    assert.match(text, /npm run fuzz -- --case gives-nan:\d+:0\n/);
    assert.match(text, new RegExp(`\n${failures.cases} cases, ${EXPECTED.length} failures$`));
    const found = failures.failures.find(({ id }) => id.kind === "gives-nan")!;
    assert.equal(
      [...readFileSync(join(places.get(found)!, "behaviour"))],
      [...(await subject.make(found.id)).files.get("behaviour")!],
    );
    assert.match(readFileSync(join(places.get(found)!, "FAILURE.txt"), "utf8"), /non-finite logits/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("one seed gives the same cases for any number of processes, another seed others", async () => {
  const counts = async (jobs: number, seed: number) => (await run(["mixed"], 100, { jobs, seed })).kinds["mixed"]!;
  const [one, two, other] = [await counts(1, 3), await counts(2, 3), await counts(2, 4)];
  assert.equal(one, two);
  assert.ok(one.accepted > 20 && one.accepted < 80, `${one.accepted} accepted`);
  assert.not.equal(one, other);
});

test("names of cases", () => {
  for (const id of [
    { kind: "chat-template", seed: 4 },
    { kind: "gguf", seed: 4, keep: [0, 2] },
    { kind: "gguf", seed: 4, keep: [] },
  ]) {
    assert.equal(parseCaseName(caseName(id)), id);
  }
  assert.throws(() => parseCaseName("gguf"), /need KIND:SEED/);
});

test("failures of one cause have one signature, of two causes two", () => {
  const thrown = (message: string, line: number) =>
    signature({
      failure: "untyped error",
      detail: `TypeError: ${message}\n    at read (/a/b.ts:${line}:7)\n    at c (/d.ts:1:1)`,
    });
  assert.is(thrown('got "a", 5', 12), thrown('got "bc", -7e3', 12));
  assert.is.not(thrown("got", 12), thrown("got", 13));
  assert.is.not(thrown("got", 12), thrown("need", 12));
});

test.run();
