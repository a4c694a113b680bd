/**
 * Bodies of `/v1/chat/completions` and `/v1/completions`: OpenAI's fields, and llama.cpp's `top_k`, `min_p`,
 * `repeat_penalty`. Unknown fields are let through, as those servers do; a known one that would change the
 * text and cannot be honoured is refused.
 */
import type { ChatMessage, GenerateOptions, Prompt } from "fptq";
import * as z from "zod";
import { ApiError } from "./api-error.ts";

/** What both kinds of request come down to. */
export interface CompletionRequest {
  readonly prompt: Prompt;
  /** The field the prompt came from. */
  readonly promptField: "messages" | "prompt";
  readonly stream: boolean;
  /** Whether a stream ends with a chunk that counts tokens. */
  readonly includeUsage: boolean;
  readonly options: GenerateOptions;
}

const maxTokens = z.int().min(1).nullish();

const shared = {
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: maxTokens,
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repeat_penalty: z.number().gt(0).nullish(),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(4)]).nullish(),
  // Only the values that mean "no".
  n: z.literal(1).nullish(),
  presence_penalty: z.literal(0).nullish(),
  frequency_penalty: z.literal(0).nullish(),
  logit_bias: z.strictObject({}).nullish(),
};

const text = z.union([
  z.string(),
  z.array(z.object({ type: z.literal("text"), text: z.string() })).transform((parts) => parts.map((part) => part.text).join("")),
]);

const chatSchema = z.object({
  ...shared,
  messages: z.array(z.object({ role: z.enum(["system", "user", "assistant"]), content: text })).min(1),
  max_completion_tokens: maxTokens,
  logprobs: z.literal(false).nullish(),
  response_format: z.object({ type: z.literal("text") }).nullish(),
  tools: z.tuple([]).nullish(),
});

const textSchema = z.object({
  ...shared,
  prompt: z.union([z.string(), z.array(z.int().min(0)).min(1)]),
  best_of: z.literal(1).nullish(),
  echo: z.literal(false).nullish(),
  logprobs: z.null().optional(),
  suffix: z.literal("").nullish(),
});

/** @throws ApiError 400 naming the first field that is wrong */
export function chatRequest(body: unknown, mostTokens: number): CompletionRequest {
  const { messages, max_completion_tokens, ...rest } = parse(chatSchema, body);
  const field = typeof max_completion_tokens === "number" ? "max_completion_tokens" : "max_tokens";
  return {
    prompt: messages satisfies readonly ChatMessage[],
    promptField: "messages",
    ...resolve(rest, field, max_completion_tokens ?? rest.max_tokens, mostTokens),
  };
}

/** @throws ApiError 400 naming the first field that is wrong */
export function textRequest(body: unknown, mostTokens: number): CompletionRequest {
  const { prompt, ...rest } = parse(textSchema, body);
  return { prompt, promptField: "prompt", ...resolve(rest, "max_tokens", rest.max_tokens, mostTokens) };
}

function parse<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const { success, data, error } = schema.safeParse(body);
  if (success) return data;
  const { path, message } = error.issues[0]!;
  if (path.length === 0) throw new ApiError(400, `body: ${message}`);
  const param = path.join(".");
  throw new ApiError(400, `${param}: ${message}`, { param });
}

type Shared = z.output<z.ZodObject<typeof shared>>;

function resolve(
  body: Shared,
  field: string,
  tokens: number | null | undefined,
  mostTokens: number,
): Omit<CompletionRequest, "prompt" | "promptField"> {
  if (typeof tokens === "number" && tokens > mostTokens) {
    throw new ApiError(400, `${field}: got ${tokens}, this server generates at most ${mostTokens}`, { param: field });
  }
  return {
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    options: {
      maxTokens: tokens ?? mostTokens,
      temperature: body.temperature ?? undefined,
      topP: body.top_p ?? undefined,
      topK: body.top_k ?? undefined,
      minP: body.min_p ?? undefined,
      repeatPenalty: body.repeat_penalty ?? undefined,
      seed: body.seed ?? undefined,
      stop: typeof body.stop === "string" ? [body.stop] : (body.stop ?? undefined),
    },
  };
}
