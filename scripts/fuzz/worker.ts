/**
 * The process in which cases run: it is told ids, and answers each with a verdict, in order. What kills it or
 * keeps it is seen from outside (`pool.ts`).
 *
 *     node --import tsx worker.ts SUBJECT LIMITS       URL of a module that exports `subject`; JSON
 */
import { Judge } from "./judge.ts";
import type { CaseId, Limits, Subject, Verdict } from "./subject.ts";

const [, , subjectUrl, limits] = process.argv;
const { subject } = (await import(subjectUrl!)) as { subject: Subject };
const judge = new Judge(subject, JSON.parse(limits!) as Limits);

/** Cases between two collections: engines keep what WebAssembly memories take until the next one. */
const CASES_PER_COLLECTION = 64;
let cases = 0;

let queue = Promise.resolve();
process.on("message", (ids: readonly CaseId[]) => {
  // Nothing more to do. Ended from this side: Node does not tell of the end of a child it disconnected.
  if (ids.length === 0) process.exit(0);
  for (const id of ids) {
    queue = queue.then(async () => {
      const verdict = await judge.judge(id).catch(brokenFuzzer);
      // Written before the next case begins, which may end the process.
      await new Promise((resolve) => process.send!(verdict, undefined, undefined, resolve));
      if (++cases % CASES_PER_COLLECTION === 0) globalThis.gc?.();
    });
  }
});

/** An error of the fuzzer itself: no case of this seed is one that passed. */
function brokenFuzzer(error: unknown): Verdict {
  return { kind: "failed", failure: "untyped error", detail: `fuzzer: ${error instanceof Error ? error.stack : String(error)}` };
}

process.on("disconnect", () => process.exit(0));
process.send!("ready");
