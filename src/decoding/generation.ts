/** A generation as its consumer sees it: pieces of text to iterate, and a result to await. */
import { AbortError } from "../errors.ts";
import type { GenerationResult } from "./generation-options.ts";
import type { PositionLogprobs } from "./token-logprobs.ts";
import type { ToolCall } from "./tool-calls/tool-call.ts";

/**
 * An aborted generation. What it had made until then is not lost.
 *
 * @example
 * ```ts
 * import { GenerationAbortError } from "fptq";
 *
 * try {
 *   await model.generate("Once upon a time", { signal: AbortSignal.timeout(1000) }).result;
 * } catch (error) {
 *   if (error instanceof GenerationAbortError) console.log(error.partial.text);
 * }
 * ```
 */
export class GenerationAbortError extends AbortError {
  /** What had been generated. */
  readonly partial: GenerationResult;

  constructor(partial: GenerationResult, cause: unknown) {
    super(`generation: aborted after ${partial.tokens.length} tokens`, { cause });
    this.partial = partial;
  }
}

/** What there is beside the text, each undefined if nobody asked for it. */
interface FoundSoFar {
  readonly logprobs?: readonly PositionLogprobs[] | undefined;
  readonly toolCalls?: readonly ToolCall[] | undefined;
}

/**
 * A text as it comes: pieces to iterate, and a result to await. It starts with the first pull, or when
 * `result` is asked for; until then nothing has run.
 *
 * Leaving the loop early stops the work, also in the middle of a prompt; `result` then holds what there is,
 * with the reason "cancelled".
 * Every loop over the same generation sees all its pieces. Errors reach both the loop and whoever awaits
 * `result`.
 *
 * @example
 * ```ts
 * const generation = model.generate("Once upon a time");
 * for await (const text of generation) process.stdout.write(text);
 * const { stop, decode } = await generation.result;
 * ```
 */
export class Generation implements AsyncIterable<string> {
  readonly #run: AsyncGenerator<string, GenerationResult, void>;
  readonly #partial: () => GenerationResult;
  readonly #stop: () => void;
  readonly #found: FoundSoFar;
  readonly #pieces: string[] = [];
  #end: { kind: "result"; result: GenerationResult } | { kind: "error"; error: unknown } | undefined;
  #step: Promise<void> | undefined;
  #cancellation: Promise<void> | undefined;
  #result: Promise<GenerationResult> | undefined;

  /**
   * @param run yields pieces of text, returns the result
   * @param partial the result as far as it is known when `run` is left early
   * @param stop makes the step of `run` that is in progress, if any, end with a GenerationAbortError
   * @param found what `run` adds to
   */
  constructor(
    run: AsyncGenerator<string, GenerationResult, void>,
    partial: () => GenerationResult,
    stop: () => void,
    found: FoundSoFar = {},
  ) {
    this.#run = run;
    this.#partial = partial;
    this.#stop = stop;
    this.#found = found;
  }

  /**
   * Log-probabilities of the tokens whose text has come so far, and of some held back since they may begin a
   * stop string; undefined unless they were asked for.
   */
  get logprobs(): readonly PositionLogprobs[] | undefined {
    return this.#found.logprobs?.slice();
  }

  /**
   * Calls of functions that are whole so far; undefined unless some were offered. With each comes a piece of
   * text, which may be empty.
   */
  get toolCalls(): readonly ToolCall[] | undefined {
    return this.#found.toolCalls?.slice();
  }

  /**
   * Runs to the end, if nothing else does, and gives the whole. Rejects with GenerationAbortError if the
   * signal was aborted.
   */
  get result(): Promise<GenerationResult> {
    if (this.#result === undefined) {
      this.#result = this.#finish();
      // A caller who only iterates gets the error there; it must not surface a second time as an unhandled
      // rejection.
      this.#result.catch(() => {});
    }
    return this.#result;
  }

  /** Pieces of text, from the first one. */
  [Symbol.asyncIterator](): AsyncGenerator<string, void, void> {
    const pieces = this.#iterate();
    // A generator's own `return` and `throw` wait for the piece that is being made; the work must not go on
    // until then.
    for (const leave of ["return", "throw"] as const) {
      const own = pieces[leave].bind(pieces);
      pieces[leave] = (value) => {
        void this.#cancel();
        return own(value);
      };
    }
    return pieces;
  }

  async *#iterate(): AsyncGenerator<string, void, void> {
    try {
      for (let i = 0; ; i++) {
        while (i >= this.#pieces.length && this.#end === undefined) await this.#advance();
        if (i >= this.#pieces.length) break;
        yield this.#pieces[i]!;
      }
      if (this.#end?.kind === "error") throw this.#end.error;
    } finally {
      await this.#cancel();
    }
  }

  async #finish(): Promise<GenerationResult> {
    while (this.#end === undefined) await this.#advance();
    if (this.#end.kind === "error") throw this.#end.error;
    return this.#end.result;
  }

  /** One more piece, or the end. Consumers that ask at the same time share the step. */
  #advance(): Promise<void> {
    if (this.#cancellation) return this.#cancellation;
    return (this.#step ??= this.#run
      .next()
      .then(
        (next) => {
          if (next.done) this.#end = { kind: "result", result: next.value };
          else this.#pieces.push(next.value);
        },
        (error: unknown) => {
          const stopped = this.#cancellation && error instanceof GenerationAbortError;
          this.#end = stopped ? { kind: "result", result: error.partial } : { kind: "error", error };
        },
      )
      .finally(() => {
        this.#step = undefined;
      }));
  }

  /** Ends it early, unless it has ended. */
  async #cancel(): Promise<void> {
    if (this.#end === undefined) await (this.#cancellation ??= this.#leave());
  }

  async #leave(): Promise<void> {
    this.#stop();
    await this.#step;
    if (this.#end !== undefined) return;
    const result = this.#partial();
    await this.#run.return(result);
    this.#end = { kind: "result", result };
  }
}
