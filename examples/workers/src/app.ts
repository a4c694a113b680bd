/** The server, for every runtime with `fetch` handlers: OpenAI's completion endpoints over one model. */
import { loadModel, type ModelSource } from "fptq";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import { ApiError, explain } from "./api-error.ts";
import { Completions } from "./completions.ts";
import { ResidentModel } from "./resident-model.ts";

export interface ServerOptions {
  readonly model: ModelSource;
  /** What clients see as the model's name. */
  readonly modelName: string;
  readonly loadOptions?: Parameters<typeof loadModel>[1];
  /** Most bytes of `model.memory().total`; a larger model is not served. Default: no limit. */
  readonly memoryBudget?: number | undefined;
  /** Most tokens of one answer, also what it gets if it does not say. Default 256. */
  readonly maxTokens?: number | undefined;
  /** Requests that may wait while one is answered; others are told to come back. Default 4. */
  readonly maxWaiting?: number | undefined;
  /** Default 64 KiB, several times the text that fits a context of 4096 tokens. */
  readonly maxBodyBytes?: number | undefined;
  /** Origin whose pages may read answers, or "*". Default: none. */
  readonly corsOrigin?: string | undefined;
  /**
   * Keeps a Worker alive until what its client no longer waits for has been put in order. Absent where
   * processes live on.
   */
  readonly waitUntil?: ((promise: Promise<unknown>) => void) | undefined;
}

export function createApp(options: ServerOptions): Hono {
  const { model: source, modelName, loadOptions, corsOrigin, maxBodyBytes = 64 * 1024, waitUntil = () => {} } = options;
  const load = () => {
    const loading = loadModel(source, loadOptions);
    waitUntil(loading.catch(() => {}));
    return loading;
  };
  const resident = new ResidentModel(load, options.memoryBudget ?? Infinity);
  const { maxTokens = 256, maxWaiting = 4 } = options;
  const completions = new Completions(resident, { modelName, maxTokens, maxWaiting, waitUntil });

  const app = new Hono();
  app.use(secureHeaders({ contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } }));
  if (corsOrigin !== undefined) {
    app.use(cors({ origin: corsOrigin, allowHeaders: ["Authorization", "Content-Type"], exposeHeaders: ["Retry-After"] }));
  }
  app.use(
    bodyLimit({
      maxSize: maxBodyBytes,
      onError: () => {
        throw new ApiError(413, `body: need at most ${maxBodyBytes} bytes`);
      },
    }),
  );

  app.get("/health", (c) => c.json({ status: "ok", model: resident.state, requests: completions.requests }));
  app.get("/v1/models", async (c) => {
    const model = await resident.get();
    // llama.cpp's names, and what the model holds, in bytes.
    const meta = {
      n_vocab: model.config.vocabSize,
      n_ctx: model.forwardPass.contextSize,
      n_ctx_train: model.config.contextLength,
      n_embd: model.config.hiddenSize,
      memory: model.memory(),
    };
    return c.json({ object: "list", data: [{ id: modelName, object: "model", created: 0, owned_by: "fptq", meta }] });
  });
  app.post("/v1/chat/completions", (c) => completions.chat(c));
  app.post("/v1/completions", (c) => completions.text(c));

  app.notFound(() => {
    throw new ApiError(
      404,
      "no such endpoint; there are POST /v1/chat/completions, POST /v1/completions, GET /v1/models, GET /health",
    );
  });
  app.onError((error, c) => {
    const told = explain(error);
    return c.json(told.body, told.status, { ...told.headers });
  });
  return app;
}
