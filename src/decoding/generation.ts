/** A generation as its consumer sees it: pieces of text to iterate, and a result to await. */
import { AbortError } from "../errors.ts";
import type { GenerationResult } from "./generation-options.ts";

/** An aborted generation. What it had made until then is not lost. */
export class GenerationAbortError extends AbortError {
  readonly partial: GenerationResult;

  constructor(partial: GenerationResult, cause: unknown) {
    super(`generation: aborted after ${partial.tokens.length} tokens`, { cause });
    this.partial = partial;
  }
}

/**
 * Starts with the first pull, or when `result` is asked for; until then nothing has run.
 *
 *     for await (const text of generation) write(text);
 *     const { stop, decode } = await generation.result;
 *
 * Leaving the loop early stops the work; `result` then holds what there is, with the reason "cancelled".
 * Every loop over the same generation sees all its pieces. Errors reach both the loop and whoever awaits
 * `result`.
 */
export class Generation implements AsyncIterable<string> {
  readonly #run: AsyncGenerator<string, GenerationResult, void>;
  readonly #partial: () => GenerationResult;
  readonly #pieces: string[] = [];
  #end: { kind: "result"; result: GenerationResult } | { kind: "error"; error: unknown } | undefined;
  #step: Promise<void> | undefined;
  #cancellation: Promise<void> | undefined;
  #result: Promise<GenerationResult> | undefined;

  /**
   * @param run yields pieces of text, returns the result
   * @param partial the result as far as it is known when `run` is left early
   */
  constructor(run: AsyncGenerator<string, GenerationResult, void>, partial: () => GenerationResult) {
    this.#run = run;
    this.#partial = partial;
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

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, void> {
    try {
      for (let i = 0; ; i++) {
        while (i >= this.#pieces.length && this.#end === undefined) await this.#advance();
        if (i >= this.#pieces.length) break;
        yield this.#pieces[i]!;
      }
      if (this.#end?.kind === "error") throw this.#end.error;
    } finally {
      if (this.#end === undefined) await (this.#cancellation ??= this.#cancel());
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
          this.#end = { kind: "error", error };
        },
      )
      .finally(() => {
        this.#step = undefined;
      }));
  }

  async #cancel(): Promise<void> {
    await this.#step;
    if (this.#end !== undefined) return;
    const result = this.#partial();
    await this.#run.return(result);
    this.#end = { kind: "result", result };
  }
}
