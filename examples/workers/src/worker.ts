/** The entry point of the Worker: the model is an asset, and a client that goes away ends its generation. */
import { env, waitUntil } from "cloudflare:workers";
import { createApp } from "./app.ts";

interface Environment {
  readonly ASSETS: { fetch: typeof fetch };
  readonly CORS_ORIGIN?: string;
}

const { ASSETS, CORS_ORIGIN } = env as Environment;

export default createApp({
  // Bindings ignore the host.
  model: "https://assets.local/",
  modelName: "smollm2-135m-instruct-w4a8",
  loadOptions: { fetch: (url, init) => ASSETS.fetch(url, init), contextSize: 512, chunkSize: 16 },
  // An isolate has 128 MiB, and the rest of the program needs some of it: hence the short context and small
  // chunks.
  memoryBudget: 120e6,
  corsOrigin: CORS_ORIGIN || undefined,
  waitUntil,
});
