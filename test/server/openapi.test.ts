/** The description of the server: valid as OpenAPI, and true of what the server takes and refuses. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createServer } from "../../src/server.ts";
import { openApi } from "../../src/server/openapi.ts";
import { clientOf, loadTiny, SEED } from "./serving.ts";

const test = suite(`the server's description (seed ${SEED})`);
const model = await loadTiny();
const server = clientOf(model, { alias: "tiny", embedding: true, pooling: "mean", maxTokens: 64 });
test.after(() => model.dispose());

interface Operation {
  readonly operationId: string;
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: { readonly $ref: string } }>> };
}
interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
}
const description = openApi() as Description;
const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

const ajv = new Ajv2020({ allowUnionTypes: true, strictTuples: false });
ajv.addVocabulary(["components"]);
ajv.addSchema({ $id: "openapi", components: description.components });

/** What the description says of a body for this path. */
function checkOf(path: string) {
  return ajv.getSchema(`openapi${description.paths[path]!["post"]!.requestBody!.content["application/json"]!.schema.$ref}`)!;
}

test("it is valid, and every reference in it leads somewhere", async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(openApi()) as Record<string, unknown>);
  assert.ok(valid, JSON.stringify(errors));
  const names = operations.map(({ operation }) => operation.operationId);
  assert.is(new Set(names).size, names.length);
});

test("it has every endpoint of the server, and no other", () => {
  const { routes } = createServer(model);
  /** Pages for people, and llama-server's other words for one endpoint. */
  const others = new Set(["/", "/index.js", "/index.css", "/rerank", "/v1/reranking", "/reranking"]);
  const served = routes
    .filter(({ method, path }) => method !== "ALL" && !others.has(path))
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:id(\{\.\+\})?/, "{id}")}`);
  assert.equal(served.toSorted(), operations.map(({ method, path }) => `${method} ${path}`).toSorted());
});

const MESSAGES = [{ role: "user", content: "hello" }];
const CHAT = "/v1/chat/completions";
const bodies = [
  [CHAT, { messages: MESSAGES, max_tokens: 2 }],
  [CHAT, { messages: MESSAGES, max_tokens: 2, logit_bias: { 5: 1 }, stop: ["a"], chat_template_kwargs: { a: [{ b: null }] } }],
  [CHAT, { messages: MESSAGES, max_tokens: 2, tool_choice: "none", functions: [] }],
  [CHAT, { messages: [{ role: "user", content: [{ type: "text", text: "hello" }] }], max_tokens: 2, unknown: 1 }],
  [CHAT, {}],
  [CHAT, { messages: [] }],
  [CHAT, { messages: [{ role: "robot", content: "x" }] }],
  [CHAT, { messages: MESSAGES, temperature: 3 }],
  [CHAT, { messages: MESSAGES, max_tokens: 2.5 }],
  [CHAT, { messages: MESSAGES, functions: [{ name: "f" }] }],
  [CHAT, { messages: MESSAGES, logit_bias: { the: 1 } }],
  ["/v1/completions", { prompt: "the", max_tokens: 1 }],
  ["/v1/completions", { prompt: [[1, 2], [3]], max_tokens: 1, logprobs: 1, echo: true }],
  ["/v1/completions", { prompt: [] }],
  ["/v1/completions", { prompt: "the", best_of: 2 }],
  ["/v1/responses", { input: "the", max_output_tokens: 1 }],
  ["/v1/responses", { input: 5 }],
  ["/v1/embeddings", { input: ["the", "cat"] }],
  ["/v1/embeddings", { input: "the", encoding_format: "hex" }],
  ["/tokenize", { content: "the" }],
  ["/detokenize", { tokens: [1] }],
  ["/detokenize", { tokens: [-1] }],
  ["/apply-template", { messages: MESSAGES, chat_template_kwargs: 1 }],
] as const; // prettier-ignore

for (const [path, body] of bodies) {
  test(`the server agrees with it about ${path} ${JSON.stringify(body)}`, async () => {
    const check = checkOf(path);
    const { status, text } = await server.post(path, body);
    assert.is(status, check(body) ? 200 : 400, `${text} ${JSON.stringify(check.errors)}`);
  });
}

test("a refusal is what it says", async () => {
  const check = ajv.getSchema("openapi#/components/schemas/Error")!;
  for (const [path, body] of [
    [CHAT, {}],
    [CHAT, "{"],
    ["/v1/completions", { prompt: "the", model: "other" }],
  ] as const) {
    const { json } = await server.post(path, body);
    assert.ok(check(json), JSON.stringify(check.errors));
  }
});

test.run();
