/**
 * Self-decoding, the second stage: one token goes through the model (GEMV), and its logits give the next.
 * With drafts several go at once, the last token and those guessed to follow. After each the next token is
 * drawn as it would be without drafts, and while it is the one that was guessed, the logits after that are
 * right too. So drafts change no token, only how soon it comes.
 */
import { NumericError, throwIfAborted } from "../errors.ts";
import type { DraftPolicy } from "./drafts/draft-policy.ts";
import type { StageMeter } from "./stage-meter.ts";
import type { TokenCache } from "./token-cache.ts";

/** What all steps of a generation have in common. */
export interface Decoding {
  readonly cache: TokenCache;
  /** Picks the next token from f32[V] after `sequence`. */
  readonly choose: (logits: Float32Array, sequence: readonly number[]) => number;
  /** Whether nothing is drawn after the last token of `sequence`. */
  readonly isOver: (sequence: readonly number[]) => boolean;
  /** Gets the time of each step, which includes `choose`, and no tokens: who takes them counts them. */
  readonly meter: StageMeter;
  /** Told what passes took. */
  readonly policy: DraftPolicy;
  readonly signal: AbortSignal;
}

/** Tokens that came of one step, at least 1; all but the last one are in the cache. */
export interface Step {
  readonly tokens: readonly number[];
  /** Drafts that went through the model, of which all but the last of `tokens` were accepted. */
  readonly drafted: number;
}

/**
 * One step. The cache holds all of the sequence but its last id; if another generation used it in between two
 * steps, what is missing is evaluated again.
 *
 * @param sequence prompt and generated ids; longer for the time of the call
 * @param drafts ids that may come next; none for a step of one token
 * @throws AbortError; the cache stays as it was
 */
export async function decode(decoding: Decoding, sequence: number[], drafts: readonly number[]): Promise<Step> {
  const { meter, signal } = decoding;
  throwIfAborted(signal, "decode");
  return meter.measure(
    () => 0,
    async () => (drafts.length > 0 ? await draftedStep(decoding, sequence, drafts) : await singleStep(decoding, sequence)),
  );
}

async function singleStep({ cache, choose, policy, signal }: Decoding, sequence: readonly number[]): Promise<Step> {
  const onPass = ({ rows, ms }: { rows: number; ms: number }) => {
    if (rows === 1) policy.passed({ rows, tokens: 1, ms });
  };
  const read = (logits: Float32Array) => choose(logits, sequence);
  return { tokens: [await cache.evaluate(sequence, read, signal, onPass)], drafted: 0 };
}

async function draftedStep(decoding: Decoding, sequence: number[], drafts: readonly number[]): Promise<Step> {
  const { cache, choose, isOver, policy, signal } = decoding;
  const before = sequence.length;
  const read = (logits: Float32Array) => {
    const token = choose(logits, sequence);
    const isDraft = token === drafts[sequence.length - before];
    sequence.push(token);
    return isDraft && !isOver(sequence);
  };
  const onPass = ({ rows, ms }: { rows: number; ms: number }) => {
    if (rows === 1 + drafts.length) policy.passed({ rows, tokens: sequence.length - before, ms });
  };
  let drafted = drafts.length;
  let failed = false;
  let tokens: readonly number[];
  try {
    drafted = await cache.evaluateDrafts(sequence.slice(), drafts, read, signal, onPass);
  } catch (error) {
    // Behind a draft that is wrong there may be numbers that nobody would have computed.
    if (!(error instanceof NumericError)) throw error;
    failed = true;
  } finally {
    tokens = sequence.splice(before);
  }
  if (failed && tokens.length === 0) ({ tokens } = await singleStep(decoding, sequence));
  return { tokens, drafted };
}
