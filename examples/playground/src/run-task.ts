/** What a model is asked beside the conversation; in the worker that holds it. */
import { CapabilityError, type GenerationAbortError, type ChatMessage, type LanguageModel, type Prompt } from "fptq";
import { hasChatTemplate } from "./chat-prompt.ts";
import type { Task, TaskResults, Token } from "./messages.ts";

export interface TaskWork {
  readonly signal: AbortSignal;
  onText(text: string): void;
}

type Result = TaskResults[Task["name"]];

export function runTask(model: LanguageModel, task: Task, work: TaskWork): Promise<Result> {
  switch (task.name) {
    case "write":
      return write(model, task, work);
    case "embed":
      return embed(model, task, work);
    case "tokens":
      return tokens(model, task, work);
    case "choices":
      return choices(model, task, work);
    case "digest":
      return digest(model, task, work);
  }
}

type Of<N extends Task["name"]> = Extract<Task, { name: N }>;

/** Those without a template for conversations go on with the text. */
const promptOf = (model: LanguageModel, messages: readonly ChatMessage[]): Prompt =>
  hasChatTemplate(model) ? messages : messages.map(({ content }) => String(content)).join("\n");

/** Text, held to a form if one is asked for. */
async function write(model: LanguageModel, { messages, options }: Of<"write">, work: TaskWork): Promise<TaskResults["write"]> {
  const generation = model.generate(promptOf(model, messages), { ...options, signal: work.signal });
  try {
    for await (const text of generation) work.onText(text);
    return await generation.result;
  } catch (error) {
    if (!work.signal.aborted) throw error;
    return (error as GenerationAbortError).partial;
  }
}

/** Cosines of the query's vector and those of the documents: vectors come divided by their length. */
async function embed(
  model: LanguageModel,
  { query, documents }: Of<"embed">,
  { signal }: TaskWork,
): Promise<TaskResults["embed"]> {
  const pooling = model.pooling ? undefined : "mean";
  const [first, ...others] = await model.embed([query, ...documents], { pooling, signal });
  const cosine = (vector: Float32Array) => vector.reduce((sum, value, i) => sum + value * first![i]!, 0);
  return {
    scores: others.map(cosine),
    dimensions: first!.length,
    pooling: model.pooling?.kind ?? "mean",
    made: model.pooling !== undefined,
  };
}

/** The likeliest tokens, one after another. */
async function tokens(
  model: LanguageModel,
  { messages, maxTokens }: Of<"tokens">,
  work: TaskWork,
): Promise<TaskResults["tokens"]> {
  const prompt = model.promptIds(promptOf(model, messages));
  const generation = model.generate(prompt, { temperature: 0, maxTokens, signal: work.signal });
  for await (const text of generation) work.onText(text);
  const { tokens: ids, decode } = await generation.result;
  return { prompt, tokens: ids.map((id) => tokenOf(model, id)), tokensPerSecond: decode.tokensPerSecond };
}

/** The token a model holds likeliest at each of the last `count` places of a text. */
async function choices(
  model: LanguageModel,
  { ids, count }: Of<"choices">,
  { signal }: TaskWork,
): Promise<TaskResults["choices"]> {
  const vocabulary = model.config.vocabSize;
  if (ids.some((id) => id >= vocabulary))
    throw new CapabilityError("tokens: got ids of another vocabulary, need the same tokenizer");
  const logits = await model.logits(ids, signal);
  return Array.from({ length: count }, (_, i) => {
    const at = (ids.length - count - 1 + i) * vocabulary;
    const row = logits.subarray(at, at + vocabulary);
    let best = 0;
    for (let id = 1; id < vocabulary; id++) if (row[id]! > row[best]!) best = id;
    return tokenOf(model, best);
  });
}

const tokenOf = (model: LanguageModel, id: number): Token => ({ id, text: model.tokenizer.decode([id]) });

/** SHA-256 of the logits after each token of a text: f32[S, V], little-endian. */
async function digest(model: LanguageModel, { text }: Of<"digest">, { signal }: TaskWork): Promise<TaskResults["digest"]> {
  const ids = model.promptIds(text);
  const logits = await model.logits(ids, signal);
  const hash = await crypto.subtle.digest("SHA-256", logits as Float32Array<ArrayBuffer>);
  return { hash: hex(hash), tokens: ids.length, numbers: logits.length };
}

export const hex = (bytes: ArrayBuffer) =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
