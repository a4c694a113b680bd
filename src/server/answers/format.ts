/** How an endpoint words what comes of a request: whole, or as the chunks of a stream. */
import type { GenerationResult } from "../../decoding/generation-options.ts";
import type { PositionLogprobs } from "../../decoding/token-logprobs.ts";
import type { ErrorBody } from "../api-error.ts";
import type { CompletionToken } from "./token-texts.ts";

/** What comes before the generated text of a choice where `echo` is asked for. */
export interface Echo {
  readonly text: string;
  /** Undefined where nobody asked for log-probabilities. */
  readonly tokens: readonly CompletionToken[] | undefined;
}

export interface Choice {
  readonly index: number;
  readonly result: GenerationResult;
  readonly echo: Echo | undefined;
}

export interface Format {
  /** @param choices by prompt */
  whole(choices: readonly (readonly Choice[])[]): object;
  /** Chunks before the first text of a choice. */
  begin(index: number, echo: Echo | undefined): readonly object[];
  /** Chunks for a piece of text; none while it is held back. */
  piece(index: number, text: string, logprobs: readonly PositionLogprobs[] | undefined): readonly object[];
  /** Chunks behind the last text of a choice. */
  end(choice: Choice): readonly object[];
  /** The chunk that counts tokens, behind all choices. */
  usage(choices: readonly (readonly Choice[])[]): object;
  /** The chunk of an answer that failed under way. */
  failed(told: ErrorBody): object;
  /** Whether events carry their type as a name, and none says [DONE]: OpenAI's newer way. */
  readonly named: boolean;
}

/** How the streams of OpenAI's first endpoints fail and end. */
export const UNNAMED = { named: false, failed: (told: ErrorBody) => told } as const;

/** Seconds, as in OpenAI's `created`. */
export const now = () => Math.floor(Date.now() / 1000);
