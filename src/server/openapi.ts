/** The OpenAPI description of the server, made of the schemas that check its requests. */
import * as z from "zod";
import { chatSchema } from "./requests/chat-request.ts";
import { completionSchema } from "./requests/completion-request.ts";
import { embeddingSchema } from "./requests/embedding-request.ts";
import { rerankSchema } from "./requests/rerank-request.ts";
import { responseSchema } from "./requests/response-request.ts";
import { slotSchema } from "./requests/slot-request.ts";
import { detokenizeSchema, templateSchema, tokenizeSchema } from "./requests/token-requests.ts";

interface Endpoint {
  readonly method: "get" | "post";
  readonly path: string;
  readonly summary: string;
  readonly body?: z.ZodType;
}

const ENDPOINTS: readonly Endpoint[] = [
  { method: "post", path: "/v1/chat/completions", summary: "Answers a conversation", body: chatSchema },
  { method: "post", path: "/v1/completions", summary: "Continues prompts, or scores them", body: completionSchema },
  { method: "post", path: "/v1/responses", summary: "Answers a conversation in OpenAI's newer words", body: responseSchema },
  { method: "post", path: "/v1/embeddings", summary: "Vectors of texts", body: embeddingSchema },
  { method: "post", path: "/v1/rerank", summary: "Orders documents by how well they answer a query", body: rerankSchema },
  { method: "get", path: "/v1/models", summary: "Lists the model" },
  { method: "get", path: "/v1/models/{id}", summary: "Shows the model" },
  { method: "get", path: "/slots", summary: "What slots remember" },
  { method: "post", path: "/slots/{id}", summary: "Saves, restores or erases a slot: ?action=", body: slotSchema },
  { method: "post", path: "/tokenize", summary: "Token ids of a text", body: tokenizeSchema },
  { method: "post", path: "/detokenize", summary: "Text of token ids", body: detokenizeSchema },
  { method: "post", path: "/apply-template", summary: "The prompt that messages become", body: templateSchema },
  { method: "get", path: "/tokenizer_info", summary: "Special tokens and the chat template" },
  { method: "get", path: "/health", summary: "Whether the server lives, and its model is loaded" },
  { method: "get", path: "/metrics", summary: "Figures for Prometheus" },
  { method: "get", path: "/openapi.json", summary: "This description" },
];

export function openApi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, summary, body } of ENDPOINTS) {
    (paths[path] ??= {})[method] = {
      summary,
      ...(path.includes("{id}") && {
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
      }),
      ...(body && { requestBody: { required: true, content: { "application/json": { schema: schemaOf(body) } } } }),
      responses: {
        200: { description: "the answer" },
        ...(body && { 400: { description: "a field is wrong; the error names it" } }),
      },
      security: [{}, { key: [] }],
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: "fptq", version: "1", description: "A language model behind OpenAI's protocol." },
    paths,
    components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
  };
}

function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return json;
}
