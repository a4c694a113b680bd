/** One request to `/v1/completions` as a stream, and when each part of its answer came. */

export interface CompletionRequest {
  /** Token ids, so that a prompt has as many tokens as it says. */
  readonly prompt: readonly number[];
  readonly max_tokens: number;
  readonly seed: number;
  readonly temperature: number;
}

export interface Answer {
  readonly text: string;
  readonly tokens: number;
  /** Undefined if the stream ended without one. */
  readonly finishReason: string | undefined;
  /** Milliseconds from the request to its first text, between texts, and to the end. */
  readonly firstMs: number;
  readonly gapsMs: readonly number[];
  readonly wholeMs: number;
}

/** The server has no place in its line. */
export class TurnedAwayError extends Error {}

interface Chunk {
  readonly error?: { readonly message: string };
  readonly choices: readonly { readonly text: string; readonly finish_reason: string | null }[];
  readonly usage?: { readonly completion_tokens: number };
}

interface Client {
  readonly signal?: AbortSignal;
  /** Called behind each piece of text; a slow client takes its time here. */
  read?(text: string): Promise<void>;
}

/** @throws TurnedAwayError for 429; Error for another status or one in the stream; the signal's reason */
export async function ask(origin: string, request: CompletionRequest, { signal, read }: Client = {}): Promise<Answer> {
  const body = JSON.stringify({ ...request, ignore_eos: true, stream: true, stream_options: { include_usage: true } });
  const began = performance.now();
  const response = await fetch(`${origin}/v1/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
    ...(signal && { signal }),
  });
  if (response.status === 429) throw new TurnedAwayError(await response.text());
  if (!response.ok) throw new Error(`status ${response.status}: ${await response.text()}`);
  let [text, tokens, last]: [string, number, number | undefined] = ["", 0, undefined];
  let firstMs = 0;
  let finishReason: string | undefined;
  const gapsMs: number[] = [];
  for await (const { error, choices, usage } of chunksOf(response.body!)) {
    if (error) throw new Error(`in the stream: ${error.message}`);
    tokens = usage?.completion_tokens ?? tokens;
    const [choice] = choices;
    finishReason = choice?.finish_reason ?? finishReason;
    if (!choice?.text) continue;
    const now = performance.now();
    if (last === undefined) firstMs = now - began;
    else gapsMs.push(now - last);
    last = now;
    text += choice.text;
    await read?.(choice.text);
  }
  return { text, tokens, finishReason, firstMs, gapsMs, wholeMs: performance.now() - began };
}

/** The events of a stream, which has to end with [DONE]. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Chunk, void, void> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of body as unknown as AsyncIterable<Uint8Array>) {
    const events = (rest + decoder.decode(bytes, { stream: true })).split("\n\n");
    rest = events.pop()!;
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      yield JSON.parse(data) as Chunk;
    }
  }
  throw new Error("the stream ended without [DONE]");
}
