/**
 * From a request to text: a place in the queue, a prompt that fits, a generation that ends with its client.
 */
import type { Generation, LanguageModel } from "fptq";
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import { ApiError, explain } from "./api-error.ts";
import { chatFormat, type Format, textFormat } from "./completion-format.ts";
import { chatRequest, type CompletionRequest, textRequest } from "./completion-request.ts";
import type { ResidentModel } from "./resident-model.ts";
import { type Place, QueueFullError, Turns } from "./turns.ts";

export interface CompletionLimits {
  readonly modelName: string;
  readonly maxTokens: number;
  readonly maxWaiting: number;
  readonly waitUntil: (promise: Promise<unknown>) => void;
}

/** A guess, for clients that were sent away; an answer takes about that long. */
const RETRY_AFTER_S = 5;

export class Completions {
  readonly #resident: ResidentModel;
  readonly #limits: CompletionLimits;
  readonly #turns: Turns;

  constructor(resident: ResidentModel, limits: CompletionLimits) {
    this.#resident = resident;
    this.#limits = limits;
    this.#turns = new Turns(limits.maxWaiting);
  }

  /** Being answered, or waiting for it. */
  get requests(): number {
    return this.#turns.taken;
  }

  async chat(c: Context): Promise<Response> {
    return this.#complete(c, chatRequest(await jsonOf(c), this.#limits.maxTokens), chatFormat(this.#limits.modelName));
  }

  async text(c: Context): Promise<Response> {
    return this.#complete(c, textRequest(await jsonOf(c), this.#limits.maxTokens), textFormat(this.#limits.modelName));
  }

  async #complete(c: Context, request: CompletionRequest, format: Format): Promise<Response> {
    const place = this.#enter();
    const client = new AbortController();
    const gone = () => client.abort();
    c.req.raw.signal.addEventListener("abort", gone);
    let generation: Generation;
    try {
      generation = begin(await this.#resident.get(), request, client.signal);
    } catch (error) {
      place.leave();
      throw error;
    }
    if (!request.stream) {
      return c.json(await this.#inTurn(place, client.signal, async () => format.whole(await generation.result)));
    }
    return streamSSE(c, async (stream) => {
      stream.onAbort(gone);
      const send = async (chunk: object) => stream.writeSSE({ data: JSON.stringify(chunk) });
      try {
        await this.#inTurn(place, client.signal, () => sendChunks(generation, request, format, send));
        await stream.writeSSE({ data: "[DONE]" });
      } catch (error) {
        // The status has been sent; a client that is there still is told in the stream, as OpenAI does it.
        if (!client.signal.aborted) await send(explain(error).body);
      }
    });
  }

  /** Work that has the model to itself. It ends even if its client has gone, so that the place is left. */
  #inTurn<T>(place: Place, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const run = async () => {
      try {
        await place.turn(signal);
        return await work();
      } finally {
        place.leave();
      }
    };
    const running = run();
    this.#limits.waitUntil(running.catch(() => {}));
    return running;
  }

  #enter(): Place {
    try {
      return this.#turns.enter();
    } catch (error) {
      if (!(error instanceof QueueFullError)) throw error;
      const headers = { "Retry-After": String(RETRY_AFTER_S) };
      throw new ApiError(503, `overloaded: ${error.message}; try again later`, { code: "overloaded", headers });
    }
  }
}

/** @throws ApiError 400 for text that is no JSON */
async function jsonOf(c: Context): Promise<unknown> {
  try {
    return await c.req.json();
  } catch {
    throw new ApiError(400, "body: need JSON");
  }
}

/**
 * Nothing runs before the first piece is asked for.
 * @throws ApiError 400 for a prompt that leaves no room for an answer; OptionError for one that cannot be
 *   used
 */
function begin(model: LanguageModel, { prompt, promptField, options }: CompletionRequest, signal: AbortSignal): Generation {
  const ids = model.promptIds(prompt);
  const { contextSize } = model.forwardPass;
  if (ids.length >= contextSize) {
    const message = `${promptField}: got ${ids.length} tokens, need fewer than ${contextSize}, the context size`;
    throw new ApiError(400, message, { param: promptField, code: "context_length_exceeded" });
  }
  return model.generate(ids, { ...options, signal });
}

async function sendChunks(
  generation: Generation,
  { includeUsage }: CompletionRequest,
  format: Format,
  send: (chunk: object) => Promise<void>,
): Promise<void> {
  for (const chunk of format.begin()) await send(chunk);
  for await (const text of generation) await send(format.piece(text));
  for (const chunk of format.end(await generation.result, includeUsage)) await send(chunk);
}
