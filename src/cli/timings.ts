/** The timing lines that llama.cpp ends with, in its form, so that scripts that read them keep working. */
import type { DraftCounts, GenerationResult, StageTiming } from "../decoding/generation-options.ts";
import { formatDuration, formatSignificant } from "./quantities.ts";

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

/** The speed of an answer in one line: `42 tokens, 38.2 tok/s; prompt 25 tokens, 310 tok/s`. */
export function speedLine({ tokens, stop, prefill, decode }: GenerationResult): string {
  const count = (number: number) => `${number} token${number === 1 ? "" : "s"}`;
  const rate = (timing: StageTiming) => (timing.tokens > 0 ? `, ${formatSignificant(timing.tokensPerSecond)} tok/s` : "");
  const cut = stop === "length" ? "; cut by -n" : stop === "context" ? "; the context is full" : "";
  return `${count(tokens.length)}${rate(decode)}; prompt ${count(prefill.tokens)}${rate(prefill)}${cut}`;
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
  const time = (ms: number) => formatDuration(ms / 1000);
  const parts = [`command ${time(command)}`, `code ${time(library - command)}`, `model ${time(model - library)}`];
  if (text === 0) return `start: ${parts.join(", ")}: ready after ${time(model)}; no text`;
  parts.push(`first text ${time(text - model)}`);
  return `start: ${parts.join(", ")}: ready after ${time(model)}, first text after ${time(text)}`;
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
