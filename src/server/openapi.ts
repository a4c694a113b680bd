/** The OpenAPI description of the server, made of the schemas that check its requests. */
import * as z from "zod";
import { chatSchema, templateVariable } from "./requests/chat-request.ts";
import { completionSchema } from "./requests/completion-request.ts";
import { embeddingSchema } from "./requests/embedding-request.ts";
import { rerankSchema } from "./requests/rerank-request.ts";
import { responseSchema } from "./requests/response-request.ts";
import { slotActionSchema, slotSchema } from "./requests/slot-request.ts";
import { detokenizeSchema, templateSchema, tokenizeSchema } from "./requests/token-requests.ts";

interface Endpoint {
  readonly path: string;
  /** OpenAI's name of the operation, where it has one. */
  readonly id: string;
  readonly summary: string;
  /** What is posted; without it the endpoint is asked by GET. */
  readonly body?: z.ZodType;
  readonly parameters?: readonly object[];
  /** Media types of answers. */
  readonly types: readonly string[];
}

const JSON_TYPE = "application/json";
/** Whole, or in pieces where the request says `stream`. */
const STREAMED = [JSON_TYPE, "text/event-stream"];
const WHOLE = [JSON_TYPE];

const idInPath = { name: "id", in: "path", required: true, schema: { type: "string" } };
const action = { name: "action", in: "query", required: true, schema: { enum: slotActionSchema.shape.action.options } };

const ENDPOINTS: readonly Endpoint[] = [
  { path: "/v1/chat/completions", id: "createChatCompletion", summary: "Answers a conversation", body: chatSchema, types: STREAMED },
  { path: "/v1/completions", id: "createCompletion", summary: "Continues prompts, or scores them", body: completionSchema, types: STREAMED },
  { path: "/v1/responses", id: "createResponse", summary: "Answers a conversation in OpenAI's newer words", body: responseSchema, types: STREAMED },
  { path: "/v1/embeddings", id: "createEmbedding", summary: "Vectors of texts", body: embeddingSchema, types: WHOLE },
  { path: "/v1/rerank", id: "rerank", summary: "Orders documents by how well they answer a query", body: rerankSchema, types: WHOLE },
  { path: "/v1/models", id: "listModels", summary: "Lists the model", types: WHOLE },
  { path: "/v1/models/{id}", id: "retrieveModel", summary: "Shows the model", parameters: [idInPath], types: WHOLE },
  { path: "/slots", id: "listSlots", summary: "What slots remember", types: WHOLE },
  { path: "/slots/{id}", id: "changeSlot", summary: "Saves, restores or erases a slot; erasing needs no body", body: slotSchema, parameters: [idInPath, action], types: WHOLE },
  { path: "/tokenize", id: "tokenize", summary: "Token ids of a text", body: tokenizeSchema, types: WHOLE },
  { path: "/detokenize", id: "detokenize", summary: "Text of token ids", body: detokenizeSchema, types: WHOLE },
  { path: "/apply-template", id: "applyTemplate", summary: "The prompt that messages become", body: templateSchema, types: WHOLE },
  { path: "/tokenizer_info", id: "tokenizerInfo", summary: "Special tokens and the chat template", types: WHOLE },
  { path: "/health", id: "health", summary: "Whether the server lives, and its model is loaded", types: WHOLE },
  { path: "/metrics", id: "metrics", summary: "Figures for Prometheus", types: ["text/plain"] },
  { path: "/openapi.json", id: "openApi", summary: "This description", types: WHOLE },
]; // prettier-ignore

/** Why a request has no answer, by status. */
const ERRORS: Readonly<Record<string, string>> = {
  400: "a field is wrong; the error names it",
  401: "a key is missing or wrong",
  404: "the model, or the path, is none of this server's",
  408: "its time was over before its turn",
  413: "the body is larger than the server takes",
  429: "too many wait; Retry-After says when to try again",
  503: "the server is ending",
};

const errorSchema = z.object({
  error: z.object({ message: z.string(), type: z.string(), param: z.string().nullable(), code: z.string().nullable() }),
});

export function openApi(): object {
  const paths = ENDPOINTS.map((endpoint) => [endpoint.path, { [endpoint.body ? "post" : "get"]: operation(endpoint) }]);
  const errors = Object.entries(ERRORS).map(([status, description]) => [
    `Error${status}`,
    { description, content: contentOf(WHOLE, { $ref: "#/components/schemas/Error" }) },
  ]);
  return {
    openapi: "3.1.0",
    info: {
      title: "fptq",
      version: "1",
      description: "A language model behind OpenAI's protocol.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    // A server that was given keys wants one.
    security: [{}, { key: [] }],
    paths: Object.fromEntries(paths) as object,
    components: {
      schemas: schemas(),
      responses: Object.fromEntries(errors) as object,
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
    },
  };
}

function operation({ id, summary, body, parameters, types }: Endpoint): object {
  const statuses = body ? Object.keys(ERRORS) : ["400", "401", "404"];
  const errors = statuses.map((status) => [status, { $ref: `#/components/responses/Error${status}` }]);
  return {
    operationId: id,
    summary,
    ...(parameters && { parameters }),
    ...(body && {
      requestBody: { required: body !== slotSchema, content: contentOf(WHOLE, { $ref: `#/components/schemas/${bodyName(id)}` }) },
    }),
    responses: {
      200: { description: "the answer", content: contentOf(types) },
      ...(Object.fromEntries(errors) as object),
    },
  };
}

function contentOf(types: readonly string[], json: object = { type: "object" }): object {
  return Object.fromEntries(types.map((type) => [type, { schema: type === JSON_TYPE ? json : { type: "string" } }])) as object;
}

const bodyName = (id: string) => `${id[0]!.toUpperCase()}${id.slice(1)}Request`;

/** A reference in a schema means a place in the document: what refers to itself has a name there. */
function schemas(): object {
  const registry = z.registry<{ id: string }>();
  registry.add(errorSchema, { id: "Error" });
  registry.add(templateVariable, { id: "TemplateVariable" });
  for (const { id, body } of ENDPOINTS) if (body) registry.add(body, { id: bodyName(id) });
  const uri = (id: string) => `#/components/schemas/${id}`;
  const found = z.toJSONSchema(registry, { io: "input", unrepresentable: "any", uri }).schemas;
  const plain = Object.entries(found).map(([id, schema]) => {
    const { $schema: _, $id: __, ...rest } = schema;
    return [id, rest] as const;
  });
  return Object.fromEntries(plain);
}
