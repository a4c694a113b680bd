/**
 * From a request to its answer: a place in the line, a sequence for each choice, an end when its client is
 * gone or its time is over.
 */
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import { GenerationAbortError, type Generation } from "../../decoding/generation.ts";
import type { GenerateOptions, GenerationResult } from "../../decoding/generation-options.ts";
import type { LanguageModel } from "../../decoding/language-model.ts";
import { ApiError, explained, failure } from "../api-error.ts";
import type { Slots } from "../slots.ts";
import { type Receiving, Visit } from "../visit.ts";
import type { Choice, Echo, Format } from "./format.ts";

export interface Prompt {
  readonly ids: readonly number[];
  /** Its text, where the answer begins with it. */
  readonly echo: string | undefined;
}

/** What both kinds of completion come down to. */
export interface Job {
  readonly prompts: readonly Prompt[];
  /** The field they came from. */
  readonly field: string;
  readonly choices: number;
  /** The slot it is answered in; undefined or -1 for any. */
  readonly slot: number | undefined;
  readonly options: GenerateOptions;
  readonly stream: boolean;
  /** Whether a stream ends with a chunk that counts tokens. */
  readonly includeUsage: boolean;
  /** Seconds; undefined for as long as it takes. */
  readonly deadline: number | undefined;
}

export interface Answering extends Receiving {
  readonly model: LanguageModel;
  readonly slots: Slots | undefined;
  readonly onError: (error: unknown) => void;
}

type Send = (chunk: object) => Promise<void>;

/** @throws ApiError 400 for a prompt that leaves no room for an answer; 429; what a generation throws */
export async function answer(c: Context, job: Job, format: Format, server: Answering): Promise<Response> {
  for (const [i, { ids }] of job.prompts.entries()) checkRoom(ids, i, job, server.model.forwardPass.mostTokens);
  server.slots?.check(job.slot);
  const visit = new Visit(c, server, job.deadline);
  const run = new Run(job, server, visit.signal, visit.client);
  if (!job.stream) {
    return c.json(await visit.inTurn(async () => format.whole(await run.choices())));
  }
  // It never ends between two events of a proxy's buffer.
  c.header("X-Accel-Buffering", "no");
  return streamSSE(c, async (stream) => {
    stream.onAbort(visit.gone);
    const send: Send = async (chunk) =>
      stream.writeSSE({ data: JSON.stringify(chunk), ...(format.named && { event: (chunk as { type: string }).type }) });
    try {
      await visit.inTurn(async () => {
        const choices = await run.choices({ format, send });
        if (job.includeUsage) await send(format.usage(choices));
      });
    } catch (error) {
      if (visit.client.aborted && !(error instanceof ApiError)) return;
      // The status has been sent; a client that is there still is told in the stream, as OpenAI does it.
      const told = explained(error);
      if (!told) server.onError(error);
      await send(format.failed((told ?? failure(error)).body));
    }
    if (!format.named) await stream.writeSSE({ data: "[DONE]" });
  });
}

function checkRoom(ids: readonly number[], i: number, { prompts, field }: Job, mostTokens: number): void {
  const what = prompts.length > 1 ? `${field}.${i}` : field;
  if (ids.length < mostTokens) return;
  throw new ApiError(400, `${what}: got ${ids.length} tokens, need fewer than ${mostTokens}, the context of this server`, {
    param: what,
    code: "context_length_exceeded",
  });
}

/** All choices of one request. */
class Run {
  readonly #job: Job;
  readonly #server: Answering;
  readonly #signal: AbortSignal;
  readonly #client: AbortSignal;

  /** @param signal of the client, or of the deadline, which ends texts where they are */
  constructor(job: Job, server: Answering, signal: AbortSignal, client: AbortSignal) {
    this.#job = job;
    this.#server = server;
    this.#signal = signal;
    this.#client = client;
  }

  /** @returns the choices by prompt */
  async choices(out?: { readonly format: Format; readonly send: Send }): Promise<Choice[][]> {
    const { prompts, choices: n } = this.#job;
    const all = await Promise.all(
      prompts.map((prompt, p) =>
        Promise.all(Array.from({ length: n }, (_, i) => this.#choice(prompt, { index: p * n + i, nth: i }, out))),
      ),
    );
    for (const [p, ofPrompt] of all.entries()) this.#count(prompts[p]!, ofPrompt);
    return all;
  }

  #count({ ids }: Prompt, choices: readonly Choice[]): void {
    const { metrics } = this.#server;
    metrics.promptTokens.add(ids.length);
    for (const { result } of choices) {
      metrics.cachedTokens.add(result.promptTokens - result.prefill.tokens);
      metrics.generatedTokens.add(result.tokens.length);
      if (result.decode.tokens > 0) metrics.tokenSeconds.observe(result.decode.ms / 1000 / result.decode.tokens);
    }
  }

  async #choice(
    prompt: Prompt,
    { index, nth }: { readonly index: number; readonly nth: number },
    out: { readonly format: Format; readonly send: Send } | undefined,
  ): Promise<Choice> {
    const { options, slot } = this.#job;
    const { model, slots } = this.#server;
    using seat = index === 0 ? slots?.take(slot, prompt.ids) : undefined;
    using sequence = model.createSequence();
    const echo = prompt.echo === undefined ? undefined : await this.#echo(prompt, prompt.echo, sequence);
    // Choices of one request differ; each is the one its own seed gives.
    const seed = options.seed === undefined || nth === 0 ? options.seed : (options.seed + nth) >>> 0;
    const rest = prompt.ids.slice(sequence.tokens.length);
    const generation = sequence.generate(rest, { ...options, seed, signal: this.#signal });
    if (out) await sendAll(out.format.begin(index, echo), out.send);
    const result = await this.#pieces(generation, async (text, logprobs) => {
      if (out) await sendAll(out.format.piece(index, text, logprobs), out.send);
    });
    seat?.keep(sequence);
    const choice = { index, result, echo };
    if (out) await sendAll(out.format.end(choice), out.send);
    return choice;
  }

  async #echo({ ids }: Prompt, text: string, sequence: ReturnType<LanguageModel["createSequence"]>): Promise<Echo> {
    const { logprobs } = this.#job.options;
    if (logprobs === undefined) return { text, tokens: undefined };
    const positions = await sequence.logprobs(ids, logprobs, this.#signal);
    return { text, tokens: ids.map((id, i) => ({ id, position: positions[i] })) };
  }

  /** Text as it comes; what a deadline ends is an answer, what nobody waits for is none. */
  async #pieces(
    generation: Generation,
    give: (text: string, logprobs: GenerationResult["logprobs"]) => Promise<void>,
  ): Promise<GenerationResult> {
    const { firstTokenSeconds, betweenTokensSeconds } = this.#server.metrics;
    let asked = performance.now();
    let given = 0;
    try {
      for await (const text of generation) {
        (given === 0 ? firstTokenSeconds : betweenTokensSeconds).observe((performance.now() - asked) / 1000);
        const logprobs = generation.logprobs?.slice(given);
        given += logprobs?.length ?? 1;
        await give(text, logprobs);
        asked = performance.now();
      }
      return await generation.result;
    } catch (error) {
      if (error instanceof GenerationAbortError && !this.#client.aborted) return error.partial;
      throw error;
    }
  }
}

async function sendAll(chunks: readonly object[], send: Send): Promise<void> {
  for (const chunk of chunks) await send(chunk);
}
