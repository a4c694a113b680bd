/**
 * The errors this package throws on purpose. A plain `Error` that escapes is a bug.
 *
 * Their messages have one form, `WHAT: got X, need Y`, where WHAT is an option, or a file and what in it.
 * What is not there may be said as `WHAT is missing`; what failed outside, with the reason from there: `WHAT:
 * cannot be read: REASON`.
 */

/**
 * What all of them are. The names of classes are written out as well, so that `console.error` shows them from
 * a program whose bundler shortened every name.
 */
export abstract class FptqError extends Error {
  /** Which of them, for programs: a class may come from another copy of the package, a code is the same. */
  abstract readonly code: string;
}

/** A model file or folder that is missing, truncated, corrupt, hostile or inconsistent. */
export class CheckpointError extends FptqError {
  static override readonly name: string = "CheckpointError";
  override readonly name: string = "CheckpointError";
  readonly code: string = "ERR_FPTQ_CHECKPOINT";
}

/**
 * A model file that could not be fetched over the network: what the server said, how much of the file had
 * come.
 */
export class DownloadError extends CheckpointError {
  static override readonly name: string = "DownloadError";
  override readonly name: string = "DownloadError";
  override readonly code: string = "ERR_FPTQ_DOWNLOAD";
  /** HTTP status of the answer; undefined if there was none. */
  readonly status: number | undefined;
  /** Whether the same request may succeed later, without anything being changed. */
  readonly transient: boolean;

  constructor(
    message: string,
    { status, transient = false, cause }: { status?: number; transient?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.status = status;
    this.transient = transient;
  }
}

/**
 * A well-formed checkpoint of a kind this package does not run: architecture, tensor type, quantization
 * scheme, tokenizer.
 */
export class UnsupportedModelError extends FptqError {
  static override readonly name: string = "UnsupportedModelError";
  override readonly name: string = "UnsupportedModelError";
  readonly code: string = "ERR_FPTQ_UNSUPPORTED_MODEL";
}

/**
 * A quantization recipe, or data for it, that cannot be carried out: group size, thresholds, calibration
 * text, NaN in weights.
 */
export class RecipeError extends FptqError {
  static override readonly name: string = "RecipeError";
  override readonly name: string = "RecipeError";
  readonly code: string = "ERR_FPTQ_RECIPE";
}

/** Something the runtime cannot do: no SIMD, not enough memory, no shared memory, no file system. */
export class CapabilityError extends FptqError {
  static override readonly name: string = "CapabilityError";
  override readonly name: string = "CapabilityError";
  readonly code: string = "ERR_FPTQ_CAPABILITY";
}

/**
 * An option with a value outside its domain, or input that does not fit the model (a prompt longer than the
 * context).
 */
export class OptionError extends FptqError {
  static override readonly name: string = "OptionError";
  override readonly name: string = "OptionError";
  readonly code: string = "ERR_FPTQ_OPTION";
}

/** NaN or infinity where numbers are needed; the message names the layer. */
export class NumericError extends FptqError {
  static override readonly name: string = "NumericError";
  override readonly name: string = "NumericError";
  readonly code: string = "ERR_FPTQ_NUMERIC";
}

/** Room that is asked for and not there: tokens in the cache of a loaded model. It may be free later. */
export class CapacityError extends FptqError {
  static override readonly name: string = "CapacityError";
  override readonly name: string = "CapacityError";
  readonly code: string = "ERR_FPTQ_CAPACITY";
  /** Tokens that were asked for. */
  readonly needed: number;
  /** Tokens that no sequence holds. */
  readonly free: number;

  constructor(message: string, { needed, free }: { needed: number; free: number }) {
    super(message);
    this.needed = needed;
    this.free = free;
  }
}

/** A model or a sequence that is used after `dispose`, or was disposed while it worked. */
export class DisposedError extends FptqError {
  static override readonly name: string = "DisposedError";
  override readonly name: string = "DisposedError";
  readonly code: string = "ERR_FPTQ_DISPOSED";
}

/**
 * Work stopped by an `AbortSignal`. The name is the one `fetch` uses and the code Node's, so that callers
 * need one check only.
 */
export class AbortError extends FptqError {
  static override readonly name: string = "AbortError";
  override readonly name: string = "AbortError";
  readonly code: string = "ABORT_ERR";
}

/**
 * Throws where the signal has been aborted.
 *
 * @example
 * ```ts
 * import { throwIfAborted } from "fptq";
 *
 * throwIfAborted(AbortSignal.timeout(1000), "my work");
 * ```
 * @throws AbortError if the signal has been aborted; `work` says what was interrupted
 */
export function throwIfAborted(signal: AbortSignal | undefined, work: string): void {
  if (signal?.aborted) throw new AbortError(`${work}: aborted`, { cause: signal.reason });
}

/**
 * Waits for a result, but no longer than until the signal is aborted: what makes it goes on, and what becomes
 * of it is not heard.
 *
 * @example
 * ```ts
 * import { unlessAborted } from "fptq";
 *
 * const text = await unlessAborted(fetch("https://example.org"), AbortSignal.timeout(1000), "my work");
 * ```
 * @throws AbortError, and what `result` rejects with
 */
export async function unlessAborted<T>(result: Promise<T>, signal: AbortSignal | undefined, work: string): Promise<T> {
  if (!signal) return result;
  let stop!: () => void;
  const aborted = new Promise<void>((resolve) => (stop = resolve));
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    return await Promise.race([
      result,
      aborted.then(() => {
        throw new AbortError(`${work}: aborted`, { cause: signal.reason });
      }),
    ]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
