/** `/v1/rerank`: Jina's body, which llama-server and vLLM take. */
import * as z from "zod";

/** The documents of one request, which waits for all of them. */
const MOST_DOCUMENTS = 1024;

const document = z.union([z.string(), z.object({ text: z.string() })]);

export const rerankSchema = z.object({
  model: z.string().optional(),
  query: z.string().min(1),
  documents: z.array(document).min(1).max(MOST_DOCUMENTS),
  top_n: z.int().min(1).nullish(),
  return_documents: z.boolean().nullish(),
  /** What the query asks for, as Qwen3-Reranker takes it. */
  instruction: z.string().nullish(),
});
