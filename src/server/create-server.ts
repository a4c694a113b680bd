/**
 * A server of OpenAI's protocol over one model, for every runtime with `fetch` handlers: many requests at a
 * time, each answered as if it were alone.
 */
import { type Context, Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import { checkAbilities } from "./abilities.ts";
import { Admission } from "./admission.ts";
import { ApiError, explained, failure } from "./api-error.ts";
import { checkModel, completeChat, completeText } from "./endpoints/completions.ts";
import { embedTexts } from "./endpoints/embeddings.ts";
import { INDEX_PAGE, INDEX_POLICY, INDEX_SCRIPT, INDEX_STYLE } from "./index-page.ts";
import { Metrics } from "./metrics.ts";
import { modelObject } from "./model-object.ts";
import { openApi } from "./openapi.ts";
import { rerankDocuments } from "./endpoints/rerank.ts";
import { ResidentModel } from "./resident-model.ts";
import { respond } from "./endpoints/responses.ts";
import type { ServedModel, ServerOptions } from "./server-options.ts";
import { Shutdown } from "./shutdown.ts";
import { gauges } from "./server-gauges.ts";
import { changeSlot, listSlots } from "./endpoints/slot-endpoints.ts";
import { Slots } from "./slots.ts";
import { applyTemplate, detokenize, tokenize, tokenizerInfo } from "./endpoints/token-endpoints.ts";
import { need } from "../need.ts";
import { checkOptions, type OptionKeys, optionKeys } from "../option-keys.ts";

const MAX_BODY_BYTES = 4 * 2 ** 20;

const SERVER_OPTIONS: OptionKeys = optionKeys<ServerOptions>({
  alias: 0, parallel: 0, maxWaiting: 0, maxTokens: 0, apiKeys: 0, clientAddress: 0, corsOrigin: 0, maxBodyBytes: 0, embedding: 0, pooling: 0,
  rerank: 0, slots: 0, shutdown: 0, onError: 0, waitUntil: 0,
}); // prettier-ignore

/** Endpoints anyone may ask, as at llama-server: they say nothing of anybody's text. */
const OPEN_PATHS = new Set(["/", "/index.js", "/index.css", "/health", "/v1/models", "/openapi.json"]);

/** llama-server has it under all of these. */
const RERANK_PATHS = ["/v1/rerank", "/rerank", "/v1/reranking", "/reranking"];

/**
 * Makes a server as a hono app: `app.fetch` is its handler.
 *
 * @example
 * ```ts
 * import { serve } from "@hono/node-server";
 * import { loadModel } from "fptq";
 * import { createServer } from "fptq/server";
 *
 * const model = await loadModel("SmolLM2-w4a8", { cacheTokens: 16384 });
 * serve({ fetch: createServer(model, { alias: "smollm2" }).fetch, port: 8080 });
 * ```
 * @param model a loaded model, or what loads it
 * @throws OptionError for options outside their domain; UnsupportedModelError for a model that is there and
 *   cannot do what they say
 */
export function createServer(model: ServedModel, options: ServerOptions = {}): Hono {
  checkOptions(options, SERVER_OPTIONS);
  const { alias = "fptq", corsOrigin, apiKeys = [], onError = console.error, waitUntil = () => {} } = options;
  const resident = new ResidentModel(model);
  const parallel = need.whole("parallel", options.parallel ?? 4, 1, 1024);
  const admission = new Admission(parallel, need.whole("maxWaiting", options.maxWaiting ?? 64, 0));
  const maxTokens = options.maxTokens === undefined ? undefined : need.whole("maxTokens", options.maxTokens, 1);
  const abilities = { embedding: options.embedding, pooling: options.pooling, rerank: options.rerank ?? false };
  if (resident.loaded) checkAbilities(resident.loaded, abilities);
  const metrics = new Metrics();
  const shutdown = new Shutdown(options.shutdown);
  const limits = { alias, maxTokens };
  const slots = options.slots && new Slots(parallel, options.slots);
  const hasKeys = apiKeys.length > 0;
  const clientOf = (c: Context) => (hasKeys ? c.req.header("Authorization") : options.clientAddress?.(c)) ?? "";
  const line = { admission, metrics, shutdown, waitUntil, clientOf };
  const serving = async () => ({ ...line, model: await load(), limits, alias, abilities, slots, onError });
  const load = () => {
    const loading = resident.get();
    waitUntil(loading.catch(() => {}));
    return loading;
  };

  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    metrics.requests.add(1, { path: c.req.routePath, status: c.res.status });
  });
  app.use(secureHeaders({ contentSecurityPolicy: INDEX_POLICY }));
  if (corsOrigin !== undefined) {
    const exposeHeaders = ["Retry-After", "X-Request-Id"];
    app.use(cors({ origin: corsOrigin, allowHeaders: ["Authorization", "Content-Type"], exposeHeaders }));
  }
  app.use(async (c, next) => {
    c.header("X-Request-Id", crypto.randomUUID());
    await next();
  });
  if (hasKeys) {
    const authenticate = bearerAuth({ token: [...apiKeys] });
    app.use((c, next) => (OPEN_PATHS.has(c.req.path) ? next() : authenticate(c, next)));
  }
  app.use((c, next) => {
    if (shutdown.ending && c.req.method === "POST") throw shutdown.error();
    return next();
  });
  const maxSize = need.whole("maxBodyBytes", options.maxBodyBytes ?? MAX_BODY_BYTES, 1);
  app.use(
    bodyLimit({
      maxSize,
      onError: () => {
        throw new ApiError(413, `body: need at most ${maxSize} bytes`);
      },
    }),
  );

  app.get("/", (c) => c.html(INDEX_PAGE));
  app.get("/index.js", (c) => c.body(INDEX_SCRIPT, 200, { "Content-Type": "text/javascript; charset=utf-8" }));
  app.get("/index.css", (c) => c.body(INDEX_STYLE, 200, { "Content-Type": "text/css; charset=utf-8" }));
  app.get("/health", (c) => {
    const status = shutdown.ending ? "shutting down" : "ok";
    return c.json({ status, model: resident.state }, shutdown.ending ? 503 : 200);
  });
  app.get("/openapi.json", (c) => c.json(openApi()));
  app.get("/metrics", (c) =>
    c.text(metrics.text(gauges(resident.loaded, admission)), 200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" }),
  );
  app.get("/v1/models", async (c) => c.json({ object: "list", data: [modelObject(await load(), alias)] }));
  app.get("/v1/models/:id{.+}", async (c) => {
    checkModel({ model: c.req.param("id") }, alias);
    return c.json(modelObject(await load(), alias));
  });
  app.post("/v1/chat/completions", async (c) => completeChat(c, await serving()));
  app.post("/v1/completions", async (c) => completeText(c, await serving()));
  app.post("/v1/responses", async (c) => respond(c, await serving()));
  app.post("/v1/embeddings", async (c) => embedTexts(c, await serving()));
  for (const path of RERANK_PATHS) app.post(path, async (c) => rerankDocuments(c, await serving()));
  app.get("/slots", async (c) => listSlots(c, await serving()));
  app.post("/slots/:id", async (c) => changeSlot(c, await serving()));
  app.post("/tokenize", async (c) => tokenize(c, await load()));
  app.post("/detokenize", async (c) => detokenize(c, await load()));
  app.post("/apply-template", async (c) => applyTemplate(c, await load()));
  app.get("/tokenizer_info", async (c) => tokenizerInfo(c, await load()));

  app.notFound(() => {
    throw new ApiError(404, "path: got one of no endpoint, need one of /openapi.json");
  });
  app.onError((error, c) => {
    let told = explained(error);
    if (!told) {
      onError(error);
      told = failure(error);
    }
    return c.json(told.body, told.status, { ...told.headers });
  });
  return app;
}
