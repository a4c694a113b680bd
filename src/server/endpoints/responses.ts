/** `/v1/responses`, of which nothing is kept: a chat in OpenAI's newer words. */
import type { Context } from "hono";
import { answer } from "../answers/answer.ts";
import { responseFormat } from "../answers/response-format.ts";
import { chatJob, checkModel, type Serving } from "./completions.ts";
import { parseBody } from "../requests/parse.ts";
import { chatOf, NAMES, responseSchema } from "../requests/response-request.ts";

export async function respond(c: Context, server: Serving): Promise<Response> {
  const body = await parseBody(c, responseSchema);
  const { model, limits } = server;
  checkModel(body, limits.alias);
  const names = { messages: NAMES.messages, tokens: NAMES.max_completion_tokens, schema: "text.format.schema" };
  const { job, reading } = chatJob(chatOf(body), server, names);
  // A stream ends with the whole response, which counts tokens.
  return answer(c, { ...job, includeUsage: true }, responseFormat(limits.alias, body, model.tokenizer, reading), server);
}
