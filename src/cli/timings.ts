/** The timing lines that llama.cpp ends with, in its form, so that scripts that read them keep working. */
import type { DraftCounts, GenerationResult, StageTiming } from "../decoding/generation-options.ts";

export function timingLines({ prefill, decode, drafts, stop, seed, promptTokens, tokens }: GenerationResult): string[] {
  const total = `${(prefill.ms + decode.ms).toFixed(2).padStart(10)} ms / ${`${promptTokens + tokens.length}`.padStart(5)} tokens`;
  return [
    "",
    `prompt eval time = ${stage(prefill, "tokens")}`,
    `       eval time = ${stage(decode, "runs  ")}`,
    `      total time = ${total}`,
    ...(drafts.drafted > 0 ? [acceptance(drafts)] : []),
    `            stop = ${stop}, seed ${seed}`,
  ];
}

function acceptance({ drafted, accepted }: DraftCounts): string {
  const counts = `${`${accepted}`.padStart(5)} accepted / ${`${drafted}`.padStart(5)} generated`;
  return `draft acceptance rate = ${(accepted / drafted).toFixed(5)} (${counts})`;
}

/** Times since the process began, in ms, each after the one before; 0 for what did not happen. */
export interface StartTimes {
  /** The command line was understood. */
  readonly command: number;
  /** The library's code was loaded. */
  readonly library: number;
  /** The model was ready. */
  readonly model: number;
  /** The first text was there. */
  readonly text: number;
}

/** What the time from a command to its first text went into. */
export function startLine({ command, library, model, text }: StartTimes): string {
  const parts = [
    `command ${command.toFixed(0)} ms`,
    `code ${(library - command).toFixed(0)} ms`,
    `model ${(model - library).toFixed(0)} ms`,
  ];
  if (text === 0) return `start: ${parts.join(", ")}: ready after ${model.toFixed(0)} ms; no text`;
  parts.push(`first text ${(text - model).toFixed(0)} ms`);
  return `start: ${parts.join(", ")}: ready after ${model.toFixed(0)} ms, first text after ${text.toFixed(0)} ms`;
}

function stage({ ms, tokens, tokensPerSecond }: StageTiming, unit: string): string {
  const perToken = tokens > 0 ? ms / tokens : 0;
  const columns = [
    ms.toFixed(2).padStart(10),
    `${tokens}`.padStart(5),
    perToken.toFixed(2).padStart(8),
    tokensPerSecond.toFixed(2).padStart(8),
  ];
  return `${columns[0]} ms / ${columns[1]} ${unit} (${columns[2]} ms per token, ${columns[3]} tokens per second)`;
}
