/** `/v1/completions`: its body, and the prompts in it. */
import * as z from "zod";
import { samplingFields, tokenId } from "./sampling-fields.ts";

/** The prompts of one request, which waits for all of them. */
const MOST_PROMPTS = 1024;

const ids = z.array(tokenId).min(1);

export const completionSchema = z.object({
  ...samplingFields,
  prompt: z.union([z.string(), ids, z.array(z.string()).min(1).max(MOST_PROMPTS), z.array(ids).min(1).max(MOST_PROMPTS)]),
  best_of: z.literal(1, "this server answers each choice once: need n").nullish(),
  echo: z.boolean().nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
  suffix: z.literal("", "this server fills no gaps").nullish(),
});

export type CompletionRequest = z.output<typeof completionSchema>;

/** The prompts of a request, one choice or more each. */
export function promptsOf({ prompt }: CompletionRequest): readonly (string | readonly number[])[] {
  if (typeof prompt === "string") return [prompt];
  return typeof prompt[0] === "number" ? [prompt as number[]] : (prompt as string[] | number[][]);
}
