/** What a client of OpenAI's API does: posts JSON, reads JSON or a stream of events. */

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

const LIMIT_MS = 120_000;

export function post(url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    signal: AbortSignal.any([AbortSignal.timeout(LIMIT_MS), ...(signal ? [signal] : [])]),
  });
}

export async function ask(url: string, body: unknown, signal?: AbortSignal): Promise<Answer> {
  const response = await post(url, body, signal);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text) };
}

interface Chunk {
  readonly choices: readonly { readonly delta?: { readonly content?: string }; readonly text?: string; readonly finish_reason: string | null }[]; // prettier-ignore
  readonly usage?: Usage;
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

export interface Streamed {
  readonly text: string;
  /** Events with text in them. */
  readonly pieces: number;
  readonly finishReasons: readonly string[];
  readonly usage: Usage | undefined;
}

/** Data of the events of a stream, as they come. */
export async function* events(response: Response): AsyncGenerator<string> {
  const type = response.headers.get("content-type");
  if (!response.ok || type !== "text/event-stream") throw new Error(`${response.status} ${type}: ${await response.text()}`);
  let rest = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + part).split("\n\n");
    rest = whole.pop()!;
    for (const event of whole) yield event.replace(/^data: /, "");
  }
  if (rest !== "") throw new Error(`the stream ends with ${JSON.stringify(rest)}`);
}

/** @throws Error for a stream that does not end with [DONE] */
export async function readStream(response: Response): Promise<Streamed> {
  const data: string[] = [];
  for await (const event of events(response)) data.push(event);
  if (data.pop() !== "[DONE]") throw new Error("the stream does not end with [DONE]");
  const chunks = data.map((text) => JSON.parse(text) as Chunk);
  const choices = chunks.flatMap((chunk) => chunk.choices);
  const texts = choices.map(({ delta, text }) => delta?.content ?? text ?? "");
  return {
    text: texts.join(""),
    pieces: texts.filter((text) => text !== "").length,
    finishReasons: choices.flatMap((choice) => choice.finish_reason ?? []),
    usage: chunks.at(-1)?.usage,
  };
}
