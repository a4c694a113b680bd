/** `/v1/rerank`: documents by how well they answer a query, best first. */
import type { Context } from "hono";
import { rerankingPrompts, rerankingScores } from "../../decoding/rerank.ts";
import { checkReranks } from "../abilities.ts";
import { checkModel } from "./completions.ts";
import type { AbleServer } from "./embeddings.ts";
import { parseBody } from "../requests/parse.ts";
import { rerankSchema } from "../requests/rerank-request.ts";
import { Visit } from "../visit.ts";

export async function rerankDocuments(c: Context, server: AbleServer): Promise<Response> {
  const body = await parseBody(c, rerankSchema);
  const { model, alias, abilities } = server;
  checkModel(body, alias);
  checkReranks(abilities);
  const documents = body.documents.map((given) => (typeof given === "string" ? given : given.text));
  const asked = rerankingPrompts(model, body.query, documents, body.instruction ?? undefined);
  const visit = new Visit(c, server);
  const scores = await visit.inTurn(() => rerankingScores(model, asked, visit.signal));
  const tokens = asked.prompts.reduce((sum, { length }) => sum + length, 0);
  server.metrics.promptTokens.add(tokens);
  const shown = (index: number) => (body.return_documents ? { text: documents[index]! } : undefined);
  const results = scores
    .map((relevance_score, index) => ({ index, relevance_score, document: shown(index) }))
    .toSorted((a, b) => b.relevance_score - a.relevance_score)
    .slice(0, body.top_n ?? undefined);
  return c.json({ object: "list", model: alias, results, usage: { prompt_tokens: tokens, total_tokens: tokens } });
}
