/** Log-probabilities in the shapes of OpenAI's two endpoints. */
import type { PositionLogprobs, TokenLogprob } from "../../decoding/token-logprobs.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

/** What is asked of a tokenizer: rows that only fill up an embedding are no token. */
type TokenBytes = Pick<Tokenizer, "idToToken" | "tokenBytes">;

const decoder = new TextDecoder();

/** The text of a token by itself; of half a character, U+FFFD. */
function textOf(tokenizer: TokenBytes, id: number): string {
  return decoder.decode(bytesOf(tokenizer, id));
}

function bytesOf(tokenizer: TokenBytes, id: number): Uint8Array {
  return tokenizer.idToToken(id) === undefined ? new Uint8Array() : tokenizer.tokenBytes(id);
}

/** `choices[].logprobs.content` of chat completions. */
export function chatLogprobs(tokenizer: TokenBytes, positions: readonly PositionLogprobs[]): object[] {
  const entry = ({ id, logprob }: TokenLogprob) => ({
    token: textOf(tokenizer, id),
    logprob,
    bytes: [...bytesOf(tokenizer, id)],
  });
  return positions.map((position) => ({ ...entry(position), top_logprobs: position.top.map(entry) }));
}

/** A token of a completion; the first of a prompt has no log-probability. */
export interface CompletionToken {
  readonly id: number;
  readonly position: PositionLogprobs | undefined;
}

/**
 * `choices[].logprobs` of completions. The token itself stands among the likeliest even where it is not one
 * of them, as OpenAI has it; of two with one text, the likelier one.
 *
 * @param offset characters of the text before the first of the tokens
 */
export function completionLogprobs(tokenizer: TokenBytes, tokens: readonly CompletionToken[], offset: number): object {
  const texts = tokens.map(({ id }) => textOf(tokenizer, id));
  let at = offset;
  const offsets = texts.map((text) => {
    const begin = at;
    at += text.length;
    return begin;
  });
  return {
    tokens: texts,
    token_logprobs: tokens.map(({ position }) => position?.logprob ?? null),
    top_logprobs: tokens.map(({ position }) => position && byText(tokenizer, position)).map((top) => top ?? null),
    text_offset: offsets,
  };
}

function byText(tokenizer: TokenBytes, { id, logprob, top }: PositionLogprobs): Record<string, number> {
  const entries = new Map<string, number>();
  for (const token of [...top, { id, logprob }]) {
    const text = textOf(tokenizer, token.id);
    entries.set(text, Math.max(token.logprob, entries.get(text) ?? -Infinity));
  }
  return Object.fromEntries(entries);
}
