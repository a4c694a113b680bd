/** What the fuzzer needs of the thing it attacks: cases from seeds, and a way to run one. */

/** Files of a model by name; a case never changes the bytes of another. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** A case is its kind and seed: they give the same files on every machine. */
export interface CaseId {
  readonly kind: string;
  readonly seed: number;
  /** Places of the edits that are made, of all that the seed gives; all of them if absent. */
  readonly keep?: readonly number[];
}

export interface MadeCase {
  /** What was edited, by name. */
  readonly base: string;
  /** The edits in words, in order; one for each place kept. */
  readonly edits: readonly string[];
  /** Edits that the seed gives, kept or not. */
  readonly editCount: number;
  /** Whether all of it is outside what a reader uses, so that nothing of the result may change. */
  readonly isNeutral: boolean;
  readonly files: Files;
}

/** What came of files that were accepted. */
export interface Observation {
  /** Everything a user could see of the result: ids, texts, logits. */
  readonly digest: string;
  readonly isFinite: boolean;
  /** Memory that was planned for the model, touched or not. */
  readonly bytes: number;
}

export interface Subject {
  readonly kinds: readonly string[];
  make(id: CaseId): Promise<MadeCase>;
  /** A base as it is before any edit. */
  original(base: string): Promise<Files>;
  /** @throws an error of `src/errors.ts` for files that are refused */
  run(files: Files): Promise<Observation>;
}

export const FAILURES = ["crash", "untyped error", "hang", "over-allocation", "non-finite logits", "silent difference"] as const;
export type FailureClass = (typeof FAILURES)[number];

export type Verdict =
  | { readonly kind: "accepted" }
  | { readonly kind: "refused"; readonly by: string }
  | { readonly kind: "failed"; readonly failure: FailureClass; readonly detail: string };

/** What one case may take. */
export interface Limits {
  /** Seconds of processor time, above which a case hangs. */
  readonly cpuSeconds: number;
  /** Seconds in all: a case that waits for what never comes takes no processor time. */
  readonly waitSeconds: number;
  /** Bytes above what the process had when it began. */
  readonly bytes: number;
}

export const LIMITS: Limits = { cpuSeconds: 5, waitSeconds: 120, bytes: 500e6 };
