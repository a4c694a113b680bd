/**
 * Something that fails in every way there is, by the byte of its one file: what the fuzzer must notice. The
 * base is a byte of 0, which works.
 */
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { Choices } from "../../../scripts/fuzz/choices.ts";
import type { CaseId, Files, MadeCase, Observation, Subject } from "../../../scripts/fuzz/subject.ts";

export const BEHAVIOURS = [
  "works",
  "refuses",
  "crashes",
  "ends",
  "throws",
  "throws-no-error",
  "rejects-unseen",
  "spins",
  "waits",
  "allocates",
  "fills-heap",
  "plans-too-much",
  "gives-nan",
  "differs",
  "differs-neutrally",
  "refuses-neutrally",
] as const;
type Behaviour = (typeof BEHAVIOURS)[number];

const filesOf = (behaviour: number): Files => new Map([["behaviour", Uint8Array.of(behaviour)]]);

/** Two edits of which the first sets the byte; the other does nothing. */
function make({ kind, seed, keep }: CaseId): Promise<MadeCase> {
  const behaviour = kind === "mixed" ? new Choices(seed).below(2) : BEHAVIOURS.indexOf(kind as Behaviour);
  const edits = [`behaviour := ${kind}`, "nothing"];
  const kept = keep ?? [0, 1];
  return Promise.resolve({
    base: "fake",
    edits: kept.map((at) => edits[at]!),
    editCount: edits.length,
    isNeutral: kind.endsWith("-neutrally"),
    files: filesOf(kept.includes(0) ? behaviour : 0),
  });
}

async function run(files: Files): Promise<Observation> {
  const fine = { digest: "fine", isFinite: true, bytes: 1000 };
  switch (BEHAVIOURS[files.get("behaviour")![0]!]!) {
    case "works":
      return fine;
    case "refuses":
      throw new CheckpointError("file: got nothing, need something");
    case "crashes":
      process.kill(process.pid, "SIGSEGV");
      return new Promise(() => {});
    case "ends":
      return process.exit(0);
    case "throws":
      throw new TypeError("x is not a function");
    case "throws-no-error":
      throw "a text";
    case "rejects-unseen":
      void Promise.reject(new RangeError("seen by nobody"));
      return fine;
    case "spins":
      for (;;);
    case "waits":
      return new Promise(() => {});
    case "allocates":
      new Uint8Array(300e6).fill(1);
      return fine;
    case "fills-heap": {
      const kept: number[][] = [];
      for (;;) kept.push(Array<number>(1e6).fill(0.5));
    }
    case "plans-too-much":
      return { ...fine, bytes: 3e9 };
    case "gives-nan":
      return { ...fine, isFinite: false };
    case "differs":
    case "differs-neutrally":
      return { ...fine, digest: "other" };
    case "refuses-neutrally":
      throw new UnsupportedModelError("file: got a space, need none");
  }
}

export const subject: Subject = {
  kinds: [...BEHAVIOURS, "mixed"],
  make,
  original: () => Promise.resolve(filesOf(0)),
  run,
};
