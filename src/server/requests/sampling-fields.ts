/**
 * Fields that chat and text completions have in common: OpenAI's, and llama.cpp's `top_k`, `min_p`,
 * `repeat_penalty`, `repeat_last_n`, `ignore_eos`, `cache_prompt`, `id_slot`. Fields nobody knows are let
 * through, as those servers do; a known one that would change the text and is not honoured is refused by
 * name.
 */
import * as z from "zod";
import type { GenerateOptions } from "../../decoding/generation-options.ts";
import { ApiError } from "../api-error.ts";
import { formFields } from "./form-fields.ts";

/** The choices of one prompt; each is a sequence of its own. */
const MOST_CHOICES = 16;
/** Stop strings of one request; text is held back for the longest of them. */
const MOST_STOPS = 64;

const count = z.int().min(1);
export const tokenId = z.int().min(0);

export const samplingFields = {
  model: z.string().optional(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(0).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repeat_penalty: z.number().min(0.01).max(100).nullish(),
  repeat_last_n: z.int().min(-1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z.record(z.string().regex(/^\d{1,10}$/, "need token ids as keys"), z.number().min(-100).max(100)).nullish(),
  seed: z.int().min(-(2 ** 53 - 1)).max(2 ** 53 - 1).nullish(), // prettier-ignore
  stop: z.union([z.string(), z.array(z.string().min(1)).max(MOST_STOPS)]).nullish(),
  n: count.max(MOST_CHOICES).nullish(),
  ignore_eos: z.boolean().nullish(),
  cache_prompt: z.boolean().nullish(),
  id_slot: z.int().min(-1).nullish(),
  /** Seconds from arrival, after which the text ends where it is. */
  deadline: z.number().gt(0).max(86_400).nullish(),
  ...formFields,
};

export type SamplingFields = z.output<z.ZodObject<typeof samplingFields>>;

/**
 * @param asked tokens the answer may have; undefined if the request does not say
 * @param most what the server allows
 * @throws ApiError 400 for more than that
 */
export function generateOptions(
  body: SamplingFields,
  asked: { readonly field: string; readonly tokens: number | null | undefined },
  most: number | undefined,
): GenerateOptions {
  const { field, tokens } = asked;
  if (most !== undefined && typeof tokens === "number" && tokens > most)
    throw new ApiError(400, `${field}: got ${tokens}, need at most ${most}, the limit of this server`, { param: field });
  const stop = typeof body.stop === "string" ? [body.stop] : (body.stop ?? []);
  return {
    maxTokens: tokens ?? most,
    temperature: body.temperature ?? undefined,
    topP: body.top_p ?? undefined,
    topK: body.top_k ?? undefined,
    minP: body.min_p ?? undefined,
    repeatPenalty: body.repeat_penalty ?? undefined,
    repeatLastN: body.repeat_last_n ?? undefined,
    presencePenalty: body.presence_penalty ?? undefined,
    frequencyPenalty: body.frequency_penalty ?? undefined,
    logitBias: body.logit_bias ?? undefined,
    seed: seedOf(body.seed),
    stop: stop.filter((text) => text !== ""),
    ignoreEos: body.ignore_eos ?? undefined,
  };
}

/** Any whole number is a seed; -1 is a random one, as in llama.cpp. */
function seedOf(seed: number | null | undefined): number | undefined {
  return seed === null || seed === undefined || seed === -1 ? undefined : seed >>> 0;
}
