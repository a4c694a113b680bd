/** `/v1/embeddings`: its body, and the texts in it. */
import * as z from "zod";
import { tokenId } from "./sampling-fields.ts";

/** As many as OpenAI takes. */
const MOST_TEXTS = 2048;

const text = z.string().min(1);
const ids = z.array(tokenId).min(1);

export const embeddingSchema = z.object({
  model: z.string().optional(),
  input: z.union([text, ids, z.array(text).min(1).max(MOST_TEXTS), z.array(ids).min(1).max(MOST_TEXTS)]),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: z.int().min(1).nullish(),
  /** text-embeddings-inference's name for a prompt of the model's own: "query". */
  prompt_name: z.string().nullish(),
});

export type EmbeddingRequest = z.output<typeof embeddingSchema>;

/** The texts of a request, or their ids, a vector each. */
export function textsOf({ input }: EmbeddingRequest): readonly (string | readonly number[])[] {
  if (typeof input === "string") return [input];
  return typeof input[0] === "number" ? [input as number[]] : (input as string[] | number[][]);
}
