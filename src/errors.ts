/**
 * The errors this package throws on purpose. A plain `Error` that escapes is a bug.
 *
 * Their messages have one form, `WHAT: got X, need Y`, where WHAT is an option, or a file and what in it.
 * What is not there may be said as `WHAT is missing`; what failed outside, with the reason from there: `WHAT:
 * cannot be read: REASON`.
 */

/** A model file or folder that is missing, truncated, corrupt, hostile or inconsistent. */
export class CheckpointError extends Error {
  override readonly name: string = "CheckpointError";
}

/**
 * A model file that could not be fetched over the network: what the server said, how much of the file had
 * come.
 */
export class DownloadError extends CheckpointError {
  override readonly name: string = "DownloadError";
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
export class UnsupportedModelError extends Error {
  override readonly name = "UnsupportedModelError";
}

/**
 * A quantization recipe, or data for it, that cannot be carried out: group size, thresholds, calibration
 * text, NaN in weights.
 */
export class RecipeError extends Error {
  override readonly name = "RecipeError";
}

/** Something the runtime cannot do: no SIMD, not enough memory, no shared memory, no file system. */
export class CapabilityError extends Error {
  override readonly name = "CapabilityError";
}

/**
 * An option with a value outside its domain, or input that does not fit the model (a prompt longer than the
 * context).
 */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

/** NaN or infinity where numbers are needed; the message names the layer. */
export class NumericError extends Error {
  override readonly name = "NumericError";
}

/** Room that is asked for and not there: tokens in the cache of a loaded model. It may be free later. */
export class CapacityError extends Error {
  override readonly name = "CapacityError";
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
export class DisposedError extends Error {
  override readonly name = "DisposedError";
}

/**
 * Work stopped by an `AbortSignal`. The name is the one `fetch` uses, so that callers need one check only.
 */
export class AbortError extends Error {
  override readonly name = "AbortError";
}

/** @throws AbortError if the signal has been aborted; `work` says what was interrupted */
export function throwIfAborted(signal: AbortSignal | undefined, work: string): void {
  if (signal?.aborted) throw new AbortError(`${work}: aborted`, { cause: signal.reason });
}
