/**
 * Every error this package throws on purpose. Each says what was found, what was needed, and in which file, tensor or option.
 * A plain `Error` that escapes is a bug.
 */

/** A model file or folder that is missing, truncated, corrupt, hostile or inconsistent. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

/** A well-formed checkpoint of a kind this package does not run: architecture, tensor type, quantization scheme, tokenizer. */
export class UnsupportedModelError extends Error {
  override readonly name = "UnsupportedModelError";
}

/** A quantization recipe, or data for it, that cannot be carried out: group size, thresholds, calibration text, NaN in weights. */
export class RecipeError extends Error {
  override readonly name = "RecipeError";
}

/** Something the runtime cannot do: no SIMD, not enough memory, no shared memory, no file system. */
export class CapabilityError extends Error {
  override readonly name = "CapabilityError";
}

/** An option with a value outside its domain, or input that does not fit the model (a prompt longer than the context). */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

/** NaN or infinity where numbers are needed; the message names the layer. */
export class NumericError extends Error {
  override readonly name = "NumericError";
}

/** Work stopped by an `AbortSignal`. The name is the one `fetch` uses, so that callers need one check only. */
export class AbortError extends Error {
  override readonly name = "AbortError";
}

/** @throws AbortError if the signal has been aborted; `work` says what was interrupted */
export function throwIfAborted(signal: AbortSignal | undefined, work: string): void {
  if (signal?.aborted) throw new AbortError(`${work}: aborted`, { cause: signal.reason });
}
